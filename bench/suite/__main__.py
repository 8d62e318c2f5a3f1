"""narae beside its peers: measures, and writes report.md, results.json and plot.svg.

In: options; programs that are built and installed (`cargo xtask bench` does that, and runs this). Out: the files;
progress on stderr. A measurement that saw an error is in no table, is named in the report, and makes the exit
status 1.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import plot
import report
from contenders import CONTENDERS, version
from machine import BENCH, TOP, Failed, check_machine, described, told_by
from measure import Bench
from place import Place
from works import WORKS

RESULTS = BENCH / "results"
# Programs that every run needs, and their Debian packages.
TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux", "curl": "curl", "openssl": "openssl"}
DISTURBED = 0.2  # cores that other processes use


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="python3 bench/suite", description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"default: all of {', '.join(WORKS)}")
    parser.add_argument("--peers", type=names_of([*CONTENDERS, "none", "all"]), default=["all"], metavar="A,B",
                        help="of " + ", ".join(CONTENDERS) + "; none; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each (default: 3)")
    parser.add_argument("--tries", type=int, default=1, help="measure again while others disturb (default: 1, never)")
    parser.add_argument("--quick", action="store_true", help="1 round of 1 s: shows that everything works")
    parser.add_argument("--allocator", default="system", choices=["system", "mimalloc"], help="that the Rust peers were built with")
    parser.add_argument("--into", type=Path, default=RESULTS, metavar="DIR", help="default: bench/results")
    parser.add_argument("--command", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--again", type=Path, metavar="results.json", help="write report and plot of an earlier run anew")
    options = parser.parse_args(words)
    if unknown := [work for work in options.works if work not in WORKS]:
        parser.error(f"no work is called {', '.join(unknown)}; there are {', '.join(WORKS)}")
    if options.quick:
        options.rounds = options.seconds = 1
    return options


def names_of(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    return parse


def chosen(work, peers):
    """The contenders of a work that stand in this run: narae always. A stand is called after its contender."""
    return [name for name in work.contenders
            if name.split()[0] == "narae" or "all" in peers or name.split()[0] in peers]


def measured(bench, work, name, tries):
    """Measures again while other processes disturb; the least disturbed measurement counts, never the fastest."""
    results = []
    while len(results) < tries and all(one.get("other_cores", 0) > DISTURBED for one in results):
        results.append(work.measure(bench, name))
    return min(results, key=lambda one: one.get("other_cores", 0))


def rounds(bench, options, works):
    """Every contender in every round, each round beginning with another one. Interrupted, it is what there is."""
    results, failures = [], []
    try:
        measure_all(bench, options, works, results, failures)
    except KeyboardInterrupt:
        if not results:
            raise
        print("interrupted: the report holds what was measured until here", file=sys.stderr, flush=True)
    return results, failures


def measure_all(bench, options, works, results, failures):
    for turn in range(options.rounds):
        for work in works:
            names = chosen(work, options.peers)
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                place = {"round": turn, "work": work.name, "contender": name}
                told = f"round {turn + 1}/{options.rounds} {work.name:14} {name:22}"
                try:
                    result = measured(bench, work, name, options.tries)
                except (Failed, OSError, subprocess.SubprocessError) as failure:
                    failures.append({**place, "reason": str(failure)})
                    print(f"{told} FAILED: {failure}", file=sys.stderr, flush=True)
                    continue
                results.append({**place, **result})
                noise = f"  others {result['other_cores']:.2f} cores" if "other_cores" in result else ""
                print(f"{told} {result[work.key]:10.2f} {work.unit}{noise}", file=sys.stderr, flush=True)


def described_works(works, peers):
    keys = ("name", "title", "key", "unit", "figures")
    return [{**{key: getattr(work, key) for key in keys}, "contenders": chosen(work, peers)} for work in works]


def run(options):
    check_machine(TOOLS)
    works = [WORKS[name] for name in options.works or WORKS]
    began, clock = time.strftime("%Y-%m-%d %H:%M"), time.monotonic()
    folder = tempfile.mkdtemp(prefix="narae-bench-")
    try:
        place = Place(folder)
        place.write_files()
        with Bench(place, options.seconds, options.quick) as bench:
            results, failures = rounds(bench, options, works)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    standing = dict.fromkeys(name.split()[0] for work in works for name in chosen(work, options.peers))
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=TOP, capture_output=True, text=True)
    return {
        "began": began,
        "minutes": (time.monotonic() - clock) / 60,
        "command": options.command or " ".join(["python3 bench/suite", *sys.argv[1:]]),
        "rounds": 1 + max((one["round"] for one in results), default=-1),
        "seconds": options.seconds,
        "quick": options.quick,
        "allocator": options.allocator,
        "revision": git.stdout.strip() or "?",
        "machine": described(),
        "versions": {"rustc": told_by(["rustc", "--version"]), "wrk": told_by(["wrk", "-v"]), "h2load": told_by(["h2load", "--version"])},
        "contenders": [{"name": name, "version": version(name), "title": CONTENDERS[name].title} for name in standing],
        "works": described_works(works, options.peers),
        "failures": failures,
        "results": results,
    }


def write(told, into):
    into.mkdir(parents=True, exist_ok=True)
    (into / "results.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    (into / "report.md").write_text(report.markdown(told))
    (into / "plot.svg").write_text(plot.svg(told))
    for name in ("report.md", "results.json", "plot.svg"):
        print(into / name)


def main():
    options = arguments()
    told = json.loads(options.again.read_text()) if options.again else run(options)
    write(told, options.into)
    if told["failures"]:
        sys.exit(f"{len(told['failures'])} measurements failed; report.md names them")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
