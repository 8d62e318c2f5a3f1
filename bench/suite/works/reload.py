"""Reloads under load: how many requests are lost, and how long it takes until the new workers serve.

narae-load plans 300 requests a second and tries nothing again in silence. `nginx -s reload` returns at once, so its
time is until the first new worker is there; narae says itself when its new ones serve.
"""

import json
import subprocess
import time

from contenders import Server
from loads import OpenLoop, failed
from machine import TARGET, Failed, family
from measure import Work, check
from works.hello import HELLO

RATE, RELOADS, QUICK_RELOADS = 300, 5, 1


def narae(server):
    command = [TARGET / "narae", "reload", "narae-bench-app", "--json"]
    run = subprocess.run(command, env=server.environment, capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"narae reload failed:\n{run.stdout}{run.stderr}")
    return json.loads(run.stdout)["seconds"]


def nginx(server):
    before, began = set(family(server.process.pid)), time.monotonic()
    command = ["nginx", "-e", server.log, "-c", server.folder / "configuration", "-s", "reload"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    while time.monotonic() - began < 10:
        now = set(family(server.process.pid))
        if now - before:
            return time.monotonic() - began
        time.sleep(0.002)
    raise Failed("nginx has no new worker after 10 s")


def measure(bench, name):
    count, seconds = QUICK_RELOADS if bench.is_quick else RELOADS, []
    with Server(name, bench.place) as server:
        check(bench, server, HELLO)
        load = OpenLoop(server.http, RATE, 32)
        try:
            time.sleep(1)
            for _ in range(count):
                seconds.append({"narae": narae, "nginx": nginx}[name](server))
                time.sleep(1)
        finally:
            summary = load.stop()
    return {
        "failures": failed(summary),
        "requests": summary["requests"],
        "reload_ms": max(seconds) * 1000,
        "reloads": count,
        "p99_ms": summary["latency"]["p99"] * 1000,
    }


WORKS = [
    Work("reload", f"Reloads under {RATE} requests/s", ["narae", "nginx"], measure, "failures", "failed requests",
         {"of requests": ("requests", 0), "reloads": ("reloads", 0), "longest, ms": ("reload_ms", 0),
          "p99 ms": ("p99_ms", 1)}),
]
