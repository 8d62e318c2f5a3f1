#!/usr/bin/env python3
"""Measures what a session costs: the CPU time of requests that read and write one; README.md says how and why.

In: options. Out: a Markdown table on stdout, JSON in a file. Each contender serves three routes: one without a
session, one that reads a session, one that writes it; the difference is the session's cost. 64 sessions take
turns. The time of Redis and PostgreSQL themselves is counted apart.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from run import PEERS, SERVER_CORE, WRK_CORE, Failed
from run import busy, check_machine, free_port, on_cpu, run_wrk, spent, spread, wait_for

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
STORES = {
    "narae embedded": "embedded",
    "narae memory": "memory",
    "narae cookie": "cookie",
    "narae redis": "redis",
    "narae postgres": "postgres",
}
CONTENDERS = [*STORES, "tower-sessions memory", "express memory", "express redis"]
WORKS = {"without": "/nosession", "read": "/session/peek", "write": "/session/incr"}
SESSIONS = 64


def build(names):
    app = ["cargo", "build", "--release", "-p", "narae-bench-app", "--features", "stores"]
    if subprocess.run(app, cwd=TOP).returncode != 0:
        raise Failed("narae-bench-app does not build")
    if "tower-sessions memory" in names:
        peer = ["cargo", "build", "--release", "--locked", "--bin", "tower-sessions"]
        if subprocess.run(peer, cwd=PEERS).returncode != 0:
            raise Failed("the peers do not build")
    if any(name.startswith("express") for name in names):
        if subprocess.run(["npm", "ci", "--no-fund", "--no-audit"], cwd=HERE / "node").returncode != 0:
            raise Failed("npm could not install the Node peers")


class Redis:
    """A redis-server with its defaults, on a port of its own."""

    def __enter__(self):
        self.folder, self.port = tempfile.TemporaryDirectory(), free_port()
        command = ["redis-server", "--port", str(self.port), "--dir", self.folder.name, "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.port)
        self.address = f"redis://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Postgres:
    """A PostgreSQL with its defaults, on a port of its own."""

    def __enter__(self):
        self.folder, self.port = tempfile.TemporaryDirectory(), free_port()
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise Failed("PostgreSQL is missing: apt-get install -y postgresql")
        self.become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if self.become:
            shutil.chown(self.folder.name, "nobody", "nogroup")
        data = f"{self.folder.name}/data"
        init = [*self.become, str(programs[-1] / "initdb"), "-D", data, "-U", "narae", "-A", "trust"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        serve = [*self.become, str(programs[-1] / "postgres"), "-D", data, "-p", str(self.port), "-k", self.folder.name]
        self.process = subprocess.Popen(serve, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        self.address = f"postgres://narae@127.0.0.1:{self.port}/postgres"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Server:
    """A contender that runs, pinned, and ends with the `with` block."""

    def __init__(self, name, stores, folder):
        self.name, self.port, self.stores = name, free_port(), stores
        if name in STORES:
            store = STORES[name]
            address = stores[store].address if store in stores else store
            binary = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "release/narae-bench-app"
            self.command = [str(binary), "--http", str(self.port), "--root", str(folder), "--workers", "0"]
            self.command += ["--threads", "1", "--data", str(folder / "sessions"), "--store", address]
        elif name == "tower-sessions memory":
            self.command = [str(PEERS / "target/release/tower-sessions"), str(self.port)]
        else:
            self.command = ["node", str(HERE / "node/sessions.cjs"), str(self.port)]
            if name == "express redis":
                self.command.append(stores["redis"].address)

    def __enter__(self):
        command = ["taskset", "-c", str(SERVER_CORE), *self.command]
        environment = dict(os.environ, NODE_ENV="production")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        wait_for(self.port)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cookies(self):
        """The cookies of new sessions, one a line."""
        lines = []
        for _ in range(SESSIONS):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/session/incr", timeout=5) as answer:
                if not re.fullmatch(rb"n=1 pid=\d+", answer.read()):
                    raise Failed(f"{self.name} does not count from 1")
                lines.append(answer.headers["Set-Cookie"].split(";")[0])
        return "\n".join(lines) + "\n"

    def load(self, work, seconds, cookies):
        command = ["taskset", "-c", str(WRK_CORE), "wrk", "-t1", "-c64", f"-d{seconds}s"]
        command += ["-s", str(HERE / "sessions.lua"), f"http://127.0.0.1:{self.port}{WORKS[work]}"]
        environment = dict(os.environ, REPORT_LUA=str(HERE / "report.lua"), COOKIES=str(cookies))
        requests, took, _ = run_wrk(command, environment, f"{self.name}, {work}")
        return requests, took


def measure(server, work, seconds, cookies):
    """One work, once, on a server that runs."""
    server.load(work, 1, cookies)
    helpers = [store for store in server.stores.values() if STORES.get(server.name, server.name.split()[-1]) in store.names]
    time.sleep(0.05)
    busy_before = busy()
    before = [on_cpu(process.pid) for process in (server.process, *[helper.process for helper in helpers])]
    requests, took = server.load(work, seconds, cookies)
    after = [on_cpu(process.pid) for process in (server.process, *[helper.process for helper in helpers])]
    used = [spent(*pair) / 1e9 for pair in zip(before, after)]
    return {
        "contender": server.name,
        "work": work,
        "micros_per_request": used[0] * 1e6 / requests,
        "store_micros_per_request": sum(used[1:]) * 1e6 / requests,
        "requests_per_second": requests / took,
        "busy_cores": (busy() - busy_before) / took,
    }


def rounds(options, stores, folder):
    results = []
    for number in range(options.rounds):
        turn = number % len(options.only)
        for name in options.only[turn:] + options.only[:turn]:
            with tempfile.TemporaryDirectory(dir=folder) as place, Server(name, stores, Path(place)) as server:
                cookies = Path(place) / "cookies"
                cookies.write_text(server.cookies())
                for work in WORKS:
                    result = measure(server, work, options.seconds, cookies)
                    results.append({"round": number, **result})
                    print(
                        f"round {number + 1}/{options.rounds} {name:22} {work:8}"
                        f" {result['micros_per_request']:7.2f} µs + {result['store_micros_per_request']:6.2f} µs"
                        f" {result['requests_per_second']:9.0f}/s",
                        file=sys.stderr,
                    )
    return results


def table(results, names):
    lines = ["| contender | without a session | read | read adds | write | write adds | store's own, read / write |"]
    lines.append("|---|---|---|---|---|---|---|")

    def column(name, work, key="micros_per_request"):
        return [one[key] for one in results if (one["contender"], one["work"]) == (name, work)]

    for name in names:
        base = column(name, "without")
        cells = [name, spread(base)]
        for work in ("read", "write"):
            values = column(name, work)
            added = statistics.median(value - without for value, without in zip(values, base))
            cells += [spread(values), f"**{added:.2f}**"]
        own = [statistics.median(column(name, work, "store_micros_per_request")) for work in ("read", "write")]
        cells.append(f"{own[0]:.2f} / {own[1]:.2f}" if any(own) else "–")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def names_of(text):
    names = text.split(",")
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(CONTENDERS)}")
    return names


def main():
    parser = argparse.ArgumentParser(description="CPU time per request with a session; see bench/README.md.")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each (default: 3)")
    parser.add_argument("--only", type=names_of, default=CONTENDERS, metavar="A,B", help="contenders")
    parser.add_argument("--json", type=Path, default=PEERS / "target/sessions.json", help="every measurement")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    options = parser.parse_args()
    check_machine()
    if not options.no_build:
        build(options.only)
    with tempfile.TemporaryDirectory() as folder, Redis() as redis, Postgres() as postgres:
        redis.names, postgres.names = ["redis"], ["postgres"]
        results = rounds(options, {"redis": redis, "postgres": postgres}, folder)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Microseconds of CPU per request; {options.rounds} rounds of {options.seconds} s, 64 connections, 64 sessions\n")
    print(table(results, options.only))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"sessions.py: {failure}")
