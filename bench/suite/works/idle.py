"""Idle keep-alive connections: what each holds of memory, right after its answer and after a rest.

Resident memory of the server with all its processes, over that before, divided by the connections. 200 connections
come and go before, and the server rests as long, so that what it needs once is not counted.
"""

import resource
import socket
import time

from contenders import Server
from machine import Failed, resident
from measure import Work

COUNT, QUICK_COUNT = 9000, 1000
REST = 12
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(port, count):
    return [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]


def ask(streams):
    for start in range(0, len(streams), 500):
        part = streams[start : start + 500]
        for stream in part:
            stream.sendall(REQUEST)
        for stream in part:
            if not is_answered(stream):
                raise Failed("a connection was not answered")


def is_answered(stream):
    return stream.recv(4096).startswith(b"HTTP/1.1 200")


def still_there(stream):
    """Some servers end idle connections after five or ten seconds."""
    try:
        stream.sendall(REQUEST)
        return is_answered(stream)
    except OSError:
        return False


def measure(bench, name):
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
    count = min(room, QUICK_COUNT if bench.is_quick else COUNT)
    with Server(name, bench.place) as server:
        warm = connect(server.http, 200)
        ask(warm)
        for stream in warm:
            stream.close()
        rest = 2 if bench.is_quick else REST
        time.sleep(rest)
        before = resident(server.process.pid)
        streams = connect(server.http, count)
        try:
            ask(streams)
            at_once = resident(server.process.pid)
            time.sleep(rest)
            rested = resident(server.process.pid)
            kept = sum(still_there(stream) for stream in streams[:100])
        finally:
            for stream in streams:
                stream.close()
    return {
        "bytes_each": (rested - before) / count,
        "bytes_each_at_once": (at_once - before) / count,
        "memory_mib": before / 2**20,
        "connections": count,
        "kept_percent": kept,
    }


WORKS = [
    Work("idle", f"An idle connection after {REST} s of rest", ["narae", "nginx", "h2o", "axum", "actix", "node", "bun"],
         measure, "bytes_each", "bytes of memory each",
         {"at once": ("bytes_each_at_once", 0), "connections": ("connections", 0), "still there, %": ("kept_percent", 0), "MiB without": ("memory_mib", 1)}),
]
