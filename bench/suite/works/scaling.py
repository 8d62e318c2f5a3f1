"""One worker beside two. With two cores the generator shares them, so both run on all cores, unpinned.

What counts is CPU per request: what two workers pay for sharing a machine. Requests per second are those of server
and generator together, and say how much of the machine is left to win; with more cores they say more.
"""

import os

from contenders import Server
from loads import run_wrk
from machine import BENCH
from measure import Work, check, loaded
from works.hello import HELLO

STANDS = {"narae 1": ("narae", 1), "narae 2": ("narae", 2), "nginx 1": ("nginx", 1), "nginx 2": ("nginx", 2)}


def measure(bench, stand):
    name, workers = STANDS[stand]
    with Server(name, bench.place, workers=workers, core=None) as server:
        check(bench, server, HELLO)
        environment = dict(os.environ, REPORT_LUA=str(BENCH / "report.lua"))

        def load(seconds):
            command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", str(BENCH / "report.lua"), server.url()]
            return run_wrk(command, environment, stand)

        return loaded(bench, server, load)


WORKS = [Work("workers", "Hello on 1 and 2 workers, all cores shared with the generator", list(STANDS), measure)]
