"""The report as Markdown, from what results.json holds; it can be kept as docs/benchmarks.md.

In: the run (when, where, how, results, failures). Out: text. A table for each work has the medians, their spread, and
how narae compares; targets come first.
"""

import statistics

from figures import column, digits_for, median, number, ratio, spread
from targets import NEAR, judge

CLOSED = (
    "CPU time is that of all threads and children of the server (`schedstat`), divided by the requests; less is better. "
    "Requests per second are those of server and generator on one machine: where the server is cheap, the generator "
    "decides. Latencies are of a closed loop, in which a connection asks again only when it has its answer; those of "
    "`overload` and `reload` are of an open loop and count from the planned time. Memory is PSS of all processes of the "
    "server after the load. A ratio is the median of the ratios within a round."
)


def markdown(run):
    return "\n".join([*opening(run), *targets(run), *failures(run), *tables(run)]) + "\n"


def opening(run):
    machine, results = run["machine"], run["results"]
    others = [one["other_cores"] for one in results if "other_cores" in one]
    noise = f" Other processes used {statistics.median(others):.2f} cores (median), {max(others):.2f} at most." if others else ""
    quick = ["**A quick run: it shows that everything works; its figures mean nothing.**", ""] if run["quick"] else []
    rounds = f"{run['rounds']} interleaved round{'s' * (run['rounds'] > 1)} of {run['seconds']} s"
    return [
        "# narae beside its peers",
        "",
        *quick,
        f"Measured {run['began']}, {run['minutes']:.0f} minutes: {rounds}, a fresh server for each measurement, the server "
        f"on one core, the generator on another. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Linux {machine['kernel']}.{noise}",
        "",
        "```sh",
        run["command"],
        "```",
        "",
        f"Revision {run['revision']}; rustc {run['versions'].get('rustc', '?')}, wrk {run['versions'].get('wrk', '?')}, "
        f"h2load {run['versions'].get('h2load', '?')}. Rust peers: fat LTO, one codegen unit, {run['allocator']} allocator.",
        "",
        "| contender | version | what it is |",
        "|---|---|---|",
        *[f"| {one['name']} | {one['version']} | {one['title']} |" for one in run["contenders"]],
        "",
        CLOSED,
        "",
        "![Median cost of each contender in each work](plot.svg)",
        "",
    ]


def targets(run):
    rows = []
    for one in judge(run["results"]):
        target, measured = one.target, one.measured
        if measured is None:
            continue
        peer = f" to {one.peer}" if one.peer else ""
        unit = f" {target.unit}".rstrip()
        verdict = "yes" if one.is_met else "**no**"
        most, told = (number(value, 2 if value < 20 else 0) for value in (target.most, measured))
        rows.append(f"| {target.what}{peer} | ≤ {most}{unit} | {told}{unit} | {verdict} |")
    for what, work, peer in NEAR:
        if (measured := ratio(run["results"], work, "narae", peer, "micros_per_request")) is not None:
            rows.append(f"| {what} to {peer} | as near as possible | {measured:.2f} × | – |")
    if not rows:
        return []
    return ["## Targets", "", "| target | at most | measured | met? |", "|---|---|---|---|", *rows, ""]


def failures(run):
    if not run["failures"]:
        return []
    lines = ["## Failed measurements", "", "They are in no table.", ""]
    for one in run["failures"]:
        first = one["reason"].strip().split("\n")[0]
        lines.append(f"- {one['work']}, {one['contender']}, round {one['round'] + 1}: {first}")
    return [*lines, ""]


def tables(run):
    lines = []
    for work in run["works"]:
        lines += table(run["results"], work)
    return lines


def table(results, work):
    name, key = work["name"], work["key"]
    medians = {one: median(results, name, one, key) for one in work["contenders"]}
    ordered = sorted((one for one in medians if medians[one] is not None), key=medians.get)
    if not ordered:
        return []
    ours = next((one for one in work["contenders"] if one.startswith("narae") and one in ordered), None)
    compares = ours is not None and len(ordered) > 1 and medians[ours]
    figures = {heading: figure for heading, figure in work["figures"].items()
               if any(column(results, name, one, figure[0]) for one in ordered)}
    headings = ["contender", work["unit"], *([f"{ours} is"] if compares else []), *figures]
    lines = [f"## {work['title']}", "", f"`{name}`", "", f"| {' | '.join(headings)} |", "|---" + "|--:" * (len(headings) - 1) + "|"]
    for one in ordered:
        cells = [f"**{one}**" if one == ours else one, spread(column(results, name, one, key).values())]
        if compares:
            share = ratio(results, name, ours, one, key)
            cells.append("–" if one == ours or share is None else f"{number(share, digits_for(share))} ×")
        cells += [number(median(results, name, one, figure), digits) for figure, digits in figures.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
