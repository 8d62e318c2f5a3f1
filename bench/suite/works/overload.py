"""Overload: requests at twice the rate that each contender can answer, planned ahead (an open loop).

Its capacity is measured first, in a closed loop. narae-load gives up a request after 2 s. Latency is of what was
answered and counts from the planned time, so it holds the queue; what is lost counts as a failure. The client has one
core and cannot send twice what the cheapest servers can answer: how many requests it sent is told.
"""

import time

from contenders import Server
from loads import OpenLoop, failed, wrk
from machine import on_cpu, proportional, spent
from measure import Work, check
from works.hello import HELLO

CONNECTIONS = 256


def measure(bench, name):
    with Server(name, bench.place) as server:
        check(bench, server, HELLO)
        capacity = wrk(server.url(), 1, f"{name}, its capacity", CONNECTIONS)
        rate = 2 * capacity["requests"] / capacity["seconds"]
        before = on_cpu(server.process.pid)
        load = OpenLoop(server.http, round(rate), CONNECTIONS, late="2s", timeout="2s", idle_share=0)
        time.sleep(max(2, bench.seconds))
        summary = load.stop()
        cpu = spent(before, on_cpu(server.process.pid)) / 1e9
        memory = proportional(server.process.pid)
        check(bench, server, HELLO)  # it serves on
    latency, answered = summary["latency"], summary["answered"]
    return {
        "p99_ms": latency["p99"] * 1000,
        "p50_ms": latency["p50"] * 1000,
        "p999_ms": latency["p999"] * 1000,
        "offered_per_second": summary["requests"] / summary["seconds"],
        "answered_per_second": answered / summary["seconds"],
        "errors": failed(summary) - summary["timed_out"] - summary["late"],
        "given_up": summary["timed_out"] + summary["late"],
        "micros_per_request": cpu * 1e6 / max(1, answered),
        "memory_mib": memory / 2**20,
    }


FIGURES = {
    "p50 ms": ("p50_ms", 1),
    "p99.9 ms": ("p999_ms", 1),
    "offered/s": ("offered_per_second", 0),
    "answered/s": ("answered_per_second", 0),
    "given up after 2 s": ("given_up", 0),
    "errors": ("errors", 0),
    "MiB": ("memory_mib", 1),
}
WORKS = [
    Work("overload", "Twice the capacity, planned ahead", ["narae", "axum", "actix", "nginx", "node", "bun"], measure,
         "p99_ms", "p99 of what was answered, ms", FIGURES),
]
