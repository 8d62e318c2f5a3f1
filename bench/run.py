#!/usr/bin/env python3
"""Measures what a request costs each hello server in CPU time; README.md says how and why.

In: options, the servers in peers/. Out: a Markdown table on stdout, JSON in a file. Any error that wrk
sees ends the run: a server that fails requests is not cheap.
"""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
CONTENDERS = ["axum-serve", "axum-serve-mt", "actix", "hyper", "narae"]
BASELINES = ["axum-serve", "actix"]
# Work: connections, wrk's script.
WORKS = {
    "hello": (64, "report.lua"),
    "pipelined": (64, "pipelined.lua"),
    "512": (512, "report.lua"),
}
WRK_CORE, SERVER_CORE = 0, 1
TOOLS = {"wrk": "wrk", "taskset": "util-linux"}  # and their Debian packages
DISTURBED = 0.2  # cores that other processes use
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The run is worth nothing; the message says why."""


def build(features):
    command = ["cargo", "build", "--release", "--locked", "--bins"]
    if features:
        command += ["--features", features]
    if subprocess.run(command, cwd=PEERS).returncode != 0:
        raise Failed("the peers do not build")


def family(pid):
    """The process and all its descendants."""
    pids, queue = [], [pid]
    while queue:
        pid = queue.pop()
        pids.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            queue += [int(child) for child in (task / "children").read_text().split()]
    return pids


def on_cpu(pid):
    """Nanoseconds on a CPU so far, by thread, of a process and its descendants."""
    return {
        (member, int(task.name)): int((task / "schedstat").read_text().split()[0])
        for member in family(pid)
        for task in Path(f"/proc/{member}/task").iterdir()
    }


def spent(before, after):
    """Nanoseconds between two readings. Threads may begin between them; one that ends takes its time along."""
    if gone := before.keys() - after.keys():
        raise Failed(f"{len(gone)} threads of the server ended while it was measured; their time is lost")
    return sum(time - before.get(thread, 0) for thread, time in after.items())


def busy():
    """Seconds that all CPUs were not idle, stolen time included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / TICKS


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"nothing answers at port {port}") from None
            time.sleep(0.02)


def run_wrk(command, environment, measured):
    """Runs wrk. Requests, seconds and bytes, as report.lua tells them."""
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    numbers = re.search(r"^numbers: (.*)$", run.stdout, re.MULTILINE)
    if run.returncode != 0 or not numbers:
        raise Failed(f"wrk failed on {measured}:\n{run.stdout}{run.stderr}")
    requests, micros, size, *errors = (int(number) for number in numbers[1].split())
    if any(errors) or not requests:
        raise Failed(f"{measured}: wrk saw errors:\n{run.stdout}")
    return requests, micros / 1e6, size


class Server:
    """A contender that runs, pinned, and ends with the `with` block."""

    def __init__(self, name):
        self.name, self.port = name, free_port()

    def __enter__(self):
        binary = PEERS / "target/release" / self.name
        command = ["taskset", "-c", str(SERVER_CORE), str(binary), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if said != f"listening on {self.port}\n":
            self.__exit__()
            raise Failed(f"{self.name} did not start; it said {said!r}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def answer(self, _work):
        """The text of one answer, checked; it is the same for every work."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or body != b"Hello, World!" or b"text/plain" not in head.lower():
            raise Failed(f"{self.name} answers {answer!r}")
        return answer.decode()

    def load(self, work, seconds):
        """Runs wrk. Requests, seconds and bytes, as wrk counts them."""
        connections, script = WORKS[work]
        command = ["taskset", "-c", str(WRK_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += ["-s", str(HERE / script), f"http://127.0.0.1:{self.port}/"]
        environment = dict(os.environ, REPORT_LUA=str(HERE / "report.lua"))
        return run_wrk(command, environment, f"{self.name}, {work}")


def measure(server, work, seconds):
    """One work, once, on a server that starts for it: a second to warm up, the measured interval."""
    with server:
        answer = server.answer(work)
        server.load(work, 1)
        time.sleep(0.05)  # connections of the warm-up close
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy_before, before = busy(), on_cpu(server.process.pid)
        requests, took, size = server.load(work, seconds)
        after, busy_after = on_cpu(server.process.pid), busy()
        cpu = spent(before, after) / 1e9
        load = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = load.ru_utime + load.ru_stime - used.ru_utime - used.ru_stime
    return {
        "contender": server.name,
        "work": work,
        "micros_per_request": cpu * 1e6 / requests,
        "requests_per_second": requests / took,
        "bytes_per_answer": size / requests,
        "server_cores": cpu / took,
        # Ticks are coarse: a little below zero is zero.
        "other_cores": max(0.0, (busy_after - busy_before - cpu - load) / took),
        "answer": answer,
    }


def measure_quietly(measured, tries):
    """Measures again while other processes disturb; the least disturbed measurement counts."""
    results = []
    while len(results) < tries and all(result["other_cores"] > DISTURBED for result in results):
        results.append(measured())
    return min(results, key=lambda result: result["other_cores"])


def rounds(count, names, works, tries, measured):
    """Every contender in every round, each round beginning with another one. `measured(name, work)` measures once."""
    results = []
    for number in range(count):
        for work in works:
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                result = measure_quietly(lambda: measured(name, work), tries)
                results.append({"round": number, **result})
                print(
                    f"round {number + 1}/{count} {work:10} {name:13} {result['micros_per_request']:7.2f} µs"
                    f" {result['requests_per_second']:9.0f}/s, others {result['other_cores']:.2f} cores",
                    file=sys.stderr,
                )
    return results


def table(results, names, works, baselines, figures):
    """A table for each work. `baselines(costs)` tells what to divide the costs by, each with its heading;
    `figures` names what else to tell the median of."""
    lines = []
    for work in works:
        costs = {name: column(results, name, work, "micros_per_request") for name in names}
        divisors = baselines(costs)
        headings = ["contender", "µs CPU per request", *(f"÷ {heading}" for heading in divisors), *figures]
        lines += [f"### {work}", "", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
        for name in names:
            ratios = [ratio(costs[name], divisor) for divisor in divisors.values()]
            told = [f"{statistics.median(column(results, name, work, key)):,.0f}" for key in figures.values()]
            lines.append(f"| {' | '.join([name, spread(costs[name]), *ratios, *told])} |")
        others = [result["other_cores"] for result in results if result["work"] == work]
        lines += ["", f"Other processes used {statistics.median(others):.2f} cores, {max(others):.2f} at most.", ""]
    return "\n".join(lines)


def baselines(costs):
    return {name: costs.get(name) for name in BASELINES}


def column(results, name, work, key):
    return [result[key] for result in results if (result["contender"], result["work"]) == (name, work)]


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def ratio(cost, baseline):
    """The median of the ratios within a round: what slows a whole round falls out."""
    if baseline is None:
        return "–"
    return f"{statistics.median(a / b for a, b in zip(cost, baseline)):.2f}"


def names_of(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    return parse


def add_options(parser, contenders, works, rounds, seconds):
    """The options that every comparison has."""
    parser.add_argument("--rounds", type=int, default=rounds, help="measurements of each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=seconds, help="length of each (default: %(default)s)")
    parser.add_argument("--tries", type=int, default=1, help="measure again when disturbed (default: 1, never)")
    parser.add_argument("--only", type=names_of(contenders), default=contenders, metavar="A,B", help="contenders")
    parser.add_argument("--works", type=names_of(works), default=works, metavar="A,B", help="works")
    parser.add_argument("--json", type=Path, help="every measurement (default: under peers/target)")


def arguments():
    parser = argparse.ArgumentParser(description="CPU time per request of hello servers; see bench/README.md.")
    add_options(parser, CONTENDERS, list(WORKS), rounds=5, seconds=3)
    parser.add_argument("--features", default="", help="features of the peers: mimalloc")
    return parser.parse_args()


def check_machine(tools=TOOLS, descriptors=4096):
    for tool, package in tools.items():
        if not shutil.which(tool):
            raise Failed(f"{tool} is missing: apt-get install -y {package}")
    if not {WRK_CORE, SERVER_CORE} <= os.sched_getaffinity(0):
        raise Failed(f"cores {WRK_CORE} and {SERVER_CORE} are needed, one for the load and one for the server")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors if hard == resource.RLIM_INFINITY else min(hard, descriptors)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main():
    options = arguments()
    check_machine()
    build(options.features)

    def measured(name, work):
        return measure(Server(name), work, options.seconds)

    results = rounds(options.rounds, options.only, options.works, options.tries, measured)
    name = "-".join(["results", *options.features.split(",")]).rstrip("-")
    path = options.json or PEERS / "target" / f"{name}.json"
    settings = {"seconds": options.seconds, "features": options.features, "load": os.getloadavg()}
    path.write_text(json.dumps({**settings, "results": results}, indent=1, ensure_ascii=False) + "\n")
    allocator = options.features or "system allocator"
    print(f"{options.rounds} rounds of {options.seconds} s, {allocator}\n")
    print(table(results, options.only, options.works, baselines, {"requests/s": "requests_per_second"}))
    print(f"Every measurement: {os.path.relpath(path)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"run.py: {failure}")
