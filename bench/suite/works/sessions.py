"""What a session adds to a request, for each store: routes without a session, one that reads, one that counts.

The cookies of 64 sessions take turns over 64 keep-alive connections. The CPU time of Redis and PostgreSQL is counted
apart. narae's writes are exact and on the embedded store durable; Express and tower-sessions write the whole
record and lose counts.
"""

import re
import urllib.request

from contenders import Server
from loads import wrk
from machine import Failed
from measure import LOADED, Work, loaded

SESSIONS = 64
# Name in the report: contender and store.
STANDS = {
    "narae embedded": ("narae", "embedded"),
    "narae memory": ("narae", "memory"),
    "narae cookie": ("narae", "cookie"),
    "narae redis": ("narae", "redis"),
    "narae postgres": ("narae", "postgres"),
    "tower-sessions memory": ("tower-sessions", "memory"),
    "express-session memory": ("express-session", "memory"),
    "express-session redis": ("express-session", "redis"),
}
PATHS = {"without": "/nosession", "read": "/session/peek", "write": "/session/incr"}


def cookies(server):
    """The cookies of new sessions, one a line."""
    lines = []
    for _ in range(SESSIONS):
        with urllib.request.urlopen(server.url("/session/incr"), timeout=5) as answer:
            if not re.fullmatch(rb"n=1 pid=\d+", answer.read()):
                raise Failed(f"{server.name} does not count from 1")
            lines.append(answer.headers["Set-Cookie"].split(";")[0])
    return "\n".join(lines) + "\n"


def session(kind):
    def measure(bench, stand):
        name, store = STANDS[stand]
        helpers = [bench.store(store)] if store in ("redis", "postgres") else []
        address = helpers[0].address if helpers else store
        with Server(name, bench.place, store=address) as server:
            file = server.folder / "cookies"
            file.write_text(cookies(server))

            def load(path):
                what = f"{stand}, {path}"
                return lambda seconds: wrk(server.url(path), seconds, what, script="sessions.lua", COOKIES=str(file))

            base = loaded(bench, server, load(PATHS["without"]))
            told = loaded(bench, server, load(PATHS[kind]), helpers)
        without = base["micros_per_request"]
        return {**told, "without_micros": without, "added_micros": told["micros_per_request"] - without}

    return measure


FIGURES = {"adds µs": ("added_micros", 2), "store's own µs": ("store_micros_per_request", 2), **LOADED}
WORKS = [
    Work("session-read", "A session is read", list(STANDS), session("read"), figures=FIGURES),
    Work("session-write", "A session is written", list(STANDS), session("write"), figures=FIGURES),
]
