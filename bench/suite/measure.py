"""What all works share: `Work`, `Bench`, and the measurement of a load on a fresh server.

In: a server that runs, a load. Out: a dict of numbers. CPU time is what all threads and children of the server
used (`schedstat`) between right before and right after the load.
"""

import json
import subprocess
import time
from dataclasses import dataclass, field

from machine import Failed, busy, of_children, on_cpu, proportional, spent
from stores import KINDS

PER_REQUEST = "µs CPU per request"


@dataclass
class Work:
    name: str
    title: str
    contenders: list
    measure: callable  # (bench, contender) → dict of numbers
    key: str = "micros_per_request"  # the number that counts; less is better
    unit: str = PER_REQUEST
    # Heading: key and how many digits, of what else is told.
    figures: dict = field(default_factory=lambda: dict(LOADED))


LOADED = {
    "requests/s": ("requests_per_second", 0),
    "p50 ms": ("p50_ms", 2),
    "p99 ms": ("p99_ms", 2),
    "p99.9 ms": ("p999_ms", 2),
    "MiB": ("memory_mib", 1),
}


class Bench:
    """What a run is told, and what lives as long as it: the place and the stores, started when they are needed."""

    def __init__(self, place, seconds, is_quick):
        self.place, self.seconds, self.is_quick, self.started = place, seconds, is_quick, {}

    def store(self, kind):
        if kind not in self.started:
            self.started[kind] = KINDS[kind]().__enter__()
        return self.started[kind]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for store in self.started.values():
            store.__exit__()


def fetch(bench, server, path="/", tls=False, h2=False, body=None):
    """Status, version, head and body of one answer, by curl."""
    place = bench.place
    head, into = place.folder / "answer.head", place.folder / "answer.body"
    command = ["curl", "--silent", "--show-error", "--max-time", "10", "--http2" if h2 else "--http1.1"]
    command += ["--cacert", str(place.certificate), "--dump-header", str(head), "--output", str(into)]
    if body:
        command += ["--data-binary", f"@{body[0]}", "--header", f"Content-Type: {body[1]}"]
    command += ["--write-out", "%{http_code} %{http_version}", server.url(path, tls or h2)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"{server.name} does not answer {path}: {run.stderr}")
    return run.stdout, head.read_text(), into.read_bytes()


def check(bench, server, expected, path="/", **way):
    """Fails unless one answer is what was asked for. Its head is told."""
    status, head, body = fetch(bench, server, path, **way)
    version = "2" if way.get("h2") else "1.1"
    if path.startswith("/json"):
        is_right = json.loads(body) == expected if body[:1] == b"{" else False
    else:
        is_right = body == expected
    if status != f"200 {version}" or not is_right:
        raise Failed(f"{server.name} answers {path} with {status}, {body[:200]!r}:\n{head}")
    return head


def loaded(bench, server, load, helpers=(), warm_up=None):
    """The numbers of `load(seconds)`, after a second to warm up."""
    (warm_up or load)(1)
    time.sleep(0.05)  # connections of the warm-up close
    pids = [server.process.pid, *[helper.process.pid for helper in helpers]]
    of_load, busy_before, before = of_children(), busy(), [on_cpu(pid) for pid in pids]
    done = load(bench.seconds)
    after, busy_after = [on_cpu(pid) for pid in pids], busy()
    used = [spent(*pair) / 1e9 for pair in zip(before, after)]
    cpu, took, requests = used[0], done["seconds"], done["requests"]
    told = {
        "micros_per_request": cpu * 1e6 / requests,
        "requests_per_second": requests / took,
        "bytes_per_answer": done["bytes"] / requests,
        "server_cores": cpu / took,
        "memory_mib": proportional(server.process.pid) / 2**20,
        # Ticks are coarse: a little below zero is zero.
        "other_cores": max(0.0, (busy_after - busy_before - sum(used) - (of_children() - of_load)) / took),
    }
    for key in ("p50", "p99", "p999"):
        if f"{key}_micros" in done:
            told[f"{key}_ms"] = done[f"{key}_micros"] / 1000
    if helpers:
        told["store_micros_per_request"] = sum(used[1:]) * 1e6 / requests
    return told
