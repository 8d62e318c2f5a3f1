"""From starting a program to its first answer, and its memory at rest."""

import socket
import time

from contenders import Server
from machine import Failed, proportional
from measure import Work

CONTENDERS = ["narae", "axum", "actix", "nginx", "h2o", "caddy", "node", "fastify", "express", "bun", "deno"]


def first_answer(port, began, process):
    """Seconds from `began` to a 200."""
    while process.poll() is None and time.monotonic() - began < 20:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
                stream.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                if b" 200" in stream.recv(4096).split(b"\r\n")[0]:
                    return time.monotonic() - began
                raise Failed("the first answer is no 200")
        except (ConnectionRefusedError, ConnectionResetError):
            time.sleep(0.0005)
    raise Failed("it ended, or there was no answer within 20 s")


def measure(bench, name):
    with Server(name, bench.place, ready=first_answer) as server:
        time.sleep(0.5 if bench.is_quick else 2)
        return {"milliseconds": server.first_answer * 1000, "memory_mib": proportional(server.process.pid) / 2**20}


WORKS = [
    Work("startup", "From the start to the first answer", CONTENDERS, measure, "milliseconds", "ms",
         {"MiB at rest (PSS)": ("memory_mib", 1)}),
]
