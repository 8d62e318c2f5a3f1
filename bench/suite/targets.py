"""What narae is to reach: a ratio to a peer of the same run, or a bound of its own.

In: results. Out: for each target what was measured, and whether that is met; `None` where the run cannot tell.
"""

import statistics
from dataclasses import dataclass

from figures import column, median, ratio

COST = "micros_per_request"


@dataclass
class Target:
    what: str
    work: str
    most: float
    peer: str = None  # a contender, or "cheapest"; without one `most` bounds the number itself
    key: str = COST
    name: str = "narae"
    unit: str = "×"


@dataclass
class Judged:
    target: Target
    measured: float = None
    peer: str = None

    @property
    def is_met(self):
        """To two digits, as the table shows it."""
        return None if self.measured is None else round(self.measured, 2) <= self.target.most


TARGETS = [
    Target("hello", "hello", 1.0, "axum"),
    Target("hello", "hello", 1.0, "actix"),
    Target("hello", "hello", 1.35, "floor"),
    Target("pipelined", "pipelined", 1.0, "actix"),
    Target("file of 1 KiB", "file-1k", 0.9, "h2o"),
    Target("file of 10 KiB", "file-10k", 0.9, "h2o"),
    Target("file of 1 MiB", "file-1m", 1.0, "cheapest"),
    Target("TLS keep-alive", "tls", 1.0, "hyper-tls"),
    Target("HTTP/2, 16 × 32", "h2-16x32", 1.0, "hyper-tls"),
    Target("HTTP/2, 1 × 100", "h2-1x100", 1.0, "hyper-tls"),
    Target("full handshake", "handshake", 1.0, "nginx"),
    Target("session read, embedded, over hello", "session-read", 3.0, key="added_micros", name="narae embedded", unit="µs"),
    Target("session write, embedded, over hello", "session-write", 3.0, key="added_micros", name="narae embedded", unit="µs"),
    Target("idle connection after a rest", "idle", 1000, key="bytes_each", unit="B"),
    Target("start to the first answer", "startup", 50, key="milliseconds", unit="ms"),
    Target("requests lost in reloads", "reload", 0, key="failures", unit=""),
]
# Told, not judged.
NEAR = [("HTTP/2, 16 × 32", "h2-16x32", "h2o"), ("HTTP/2, 1 × 100", "h2-1x100", "h2o")]


def judge(results):
    return [judged(results, target) for target in TARGETS]


def judged(results, target):
    if target.peer is None:
        return Judged(target, median(results, target.work, target.name, target.key))
    peer = cheapest(results, target) if target.peer == "cheapest" else target.peer
    return Judged(target, ratio(results, target.work, target.name, peer, target.key), peer)


def cheapest(results, target):
    names = {one["contender"] for one in results if one["work"] == target.work} - {target.name}
    medians = {name: statistics.median(values) for name in names
               if (values := column(results, target.work, name, target.key).values())}
    return min(medians, key=medians.get, default=None)
