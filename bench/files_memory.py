#!/usr/bin/env python3
"""Measures the memory of narae while it serves static files to many slow readers, and very many files.

In: options, narae-bench-app. Out: a Markdown table on stdout, every sample as JSON in a file. An answer that is not
the file, a connection that ends and any error that wrk sees end the run.
"""

import argparse
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "suite"))

from contenders import Server  # noqa: E402
from loads import wrk  # noqa: E402
from machine import PEERS, TOP, Failed, check_machine, family  # noqa: E402
from place import Place, content  # noqa: E402

WORKS = ["slow", "many"]
BIG, BLOCK = 1 << 30, 1 << 20
READ, PAUSE = 4096, 0.2  # bytes that a slow reader takes, seconds until it takes the next
RECEIVE_BUFFER = 8192
FOLDERS = 100
SLICE = 10  # seconds of wrk at a time
SETTLE = 2  # seconds until memory is read again after the load
DESCRIPTORS = 65536


class Sampler:
    """Reads memory and descriptors of a process and its children each second, until the `with` block ends."""

    def __init__(self, pid):
        self.pid, self.during = pid, []
        self.before = self.read()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def read(self):
        """MiB that are resident, MiB that were at most, open descriptors."""
        sizes, descriptors = {"VmRSS": 0, "VmHWM": 0}, 0
        for member in family(self.pid):
            for line in Path(f"/proc/{member}/status").read_text().split("\n"):
                if (key := line.split(":")[0]) in sizes:
                    sizes[key] += int(line.split()[1]) / 1024
            descriptors += len(os.listdir(f"/proc/{member}/fd"))
        return {**sizes, "descriptors": descriptors}

    def sample(self):
        while not self.ended.wait(1):
            self.during.append(self.read())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def result(self):
        time.sleep(SETTLE)
        if not self.during:
            raise Failed("the load was over before a second had passed: no sample")
        return {"before": self.before, "during": self.during, "after": self.read()}


def cpu(pid):
    """Seconds on a CPU so far of a process and its children, threads that ended included: a pool's end when idle."""
    # The clock of another process, as clock_getcpuclockid(3) makes it.
    return sum(time.clock_gettime_ns(~member << 3 | 2) for member in family(pid)) / 1e9


class Reader:
    """A connection that asks for the big file and takes it slowly."""

    def __init__(self, port, block):
        self.block, self.offset, self.waited = block, 0, 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def begin(self):
        """Waits for the head of the answer."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (came := self.socket.recv(READ)):
                raise Failed(f"a connection ended after {answer!r}")
            answer += came
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or f"content-length: {BIG}".encode() not in head.lower().split(b"\r\n"):
            raise Failed(f"a reader was answered {head!r}")
        self.check(body)
        self.socket.setblocking(False)

    def read(self):
        try:
            came = self.socket.recv(READ)
        except BlockingIOError:
            self.waited += 1
            return
        if not came:
            raise Failed(f"the server closed the connection of a slow reader after {self.offset} bytes")
        self.check(came)

    def check(self, came):
        start = self.offset % BLOCK
        if came != (self.block[start : start + len(came)] + self.block)[: len(came)]:
            raise Failed(f"a reader got other bytes than the file has, after {self.offset} bytes")
        self.offset += len(came)


def slow(place, options):
    """Many readers of a big file, each of which takes a little now and then."""
    block = content(BLOCK, "big.bin") if options.dense else bytes(BLOCK)
    if options.dense:
        place.write("/big.bin", *[block] * (BIG // BLOCK))
    else:
        place.write("/big.bin", hole=BIG)
    with Server("narae", place) as server:
        pid = server.process.pid
        with Sampler(pid) as sampler:
            idle = cpu(pid)
            readers = [Reader(server.http, block) for _ in range(options.readers)]
            for reader in readers:
                reader.begin()
            start, turn, before = time.monotonic(), 0, cpu(pid)
            while time.monotonic() - start < options.seconds:
                for number, reader in enumerate(readers):
                    early = start + (turn + number / len(readers)) * PAUSE - time.monotonic()
                    if early > 0.002:
                        time.sleep(early)
                    reader.read()
                turn += 1
            used, took = cpu(pid) - before, time.monotonic() - start
        for reader in readers:
            reader.socket.close()
        result = sampler.result()
    came, waited = sum(reader.offset for reader in readers), sum(reader.waited for reader in readers)
    told = (
        f"{options.readers:,} readers of 1 GiB ({'written' if options.dense else 'sparse'}) for {took:.0f} s: "
        f"{came / 2**20:,.0f} MiB read, {waited / turn / len(readers):.1%} of the reads found nothing yet, "
        f"{before - idle:.2f} s of CPU until all had begun, then {used:.2f} s ({used / took:.3f} cores)."
    )
    return {**result, "told": told, "cpu_seconds_to_begin": before - idle, "cpu_seconds": used, "seconds": took}


def many(place, options):
    """Requests for very many small files, each picked by chance."""
    print(f"writing {options.files} files …", file=sys.stderr)
    chance = random.Random(1)
    source, paths = content(1 << 20, "many.bin"), []
    for folder in range(FOLDERS):
        (place.root / f"{folder:02}").mkdir()
    for number in range(options.files):
        start = chance.randrange(len(source) - (8 << 10))
        path = f"/{number % FOLDERS:02}/{number:06}.bin"
        place.write(path, source[start : start + chance.randint(1 << 10, 8 << 10)])
        paths.append(path)
    place.paths["many"] = paths
    place.list_paths("many")
    with Server("narae", place) as server:
        pid, requests, took, seed = server.process.pid, 0, 0.0, 0
        for path in chance.sample(paths, min(20, len(paths))):
            with urllib.request.urlopen(server.url(path), timeout=10) as answer:
                if answer.read() != (place.root / path[1:]).read_bytes():
                    raise Failed(f"narae answers {path} with other bytes than the file has")
        with Sampler(pid) as sampler:
            before = cpu(pid)
            while requests < options.requests:
                seed += 1
                # A count cannot end wrk: so it runs for some seconds, again and again.
                told = wrk(server.url(paths[0]), SLICE, "many", script="files.lua", PATHS=str(place.list_of("many")), SEED=str(seed))
                done, seconds = told["requests"], told["seconds"]
                requests, took = requests + done, took + seconds
                print(f"many: {requests:,} requests", file=sys.stderr)
            used = cpu(pid) - before
        result = sampler.result()
    told = (
        f"{requests:,} requests for {options.files:,} files in {took:.0f} s: {used * 1e6 / requests:.2f} µs of CPU per "
        f"request."
    )
    return {**result, "told": told, "cpu_seconds": used, "seconds": took, "requests": requests}


def table(results):
    lines = ["| work | before | first | median | most | last | after | peak before | peak after | descriptors |"]
    lines.append("|---" * 10 + "|")
    for work, result in results.items():
        before, during, after = result["before"], result["during"], result["after"]
        resident = [sample["VmRSS"] for sample in during]
        cells = [before["VmRSS"], resident[0], statistics.median(resident), max(resident), resident[-1], after["VmRSS"]]
        cells = [f"{cell:,.1f}" for cell in [*cells, before["VmHWM"], after["VmHWM"]]]
        most = max(sample["descriptors"] for sample in during)
        cells.append(f"{before['descriptors']} → {most} → {after['descriptors']}")
        lines.append(f"| {' | '.join([work, *cells])} |")
    return "\n".join(lines + [f"\n`{work}`: {result['told']}" for work, result in results.items()])


def arguments():
    parser = argparse.ArgumentParser(description="Memory of narae with static files; see bench/README.md.")
    parser.add_argument("--works", type=lambda text: text.split(","), default=WORKS, metavar="A,B", help="slow, many (default: both)")
    parser.add_argument("--seconds", type=int, default=20, help="length of slow (default: %(default)s)")
    parser.add_argument("--readers", type=int, default=1000, help="of slow (default: %(default)s)")
    parser.add_argument("--dense", action="store_true", help="write the file of slow, instead of leaving it sparse")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of many, at least (default: %(default)s)")
    parser.add_argument("--files", type=int, default=100_000, help="of many (default: %(default)s)")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--json", type=Path, default=PEERS / "target/files-memory.json", help="every sample")
    return parser.parse_args()


def main():
    options = arguments()
    if unknown := set(options.works) - set(WORKS):
        raise Failed(f"unknown: {', '.join(unknown)}; known: {', '.join(WORKS)}")
    check_machine({"wrk": "wrk", "taskset": "util-linux", "openssl": "openssl"}, DESCRIPTORS)
    # A connection and perhaps a file for each reader.
    needed = 2 * options.readers + 500
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed and "slow" in options.works:
        raise Failed(f"{needed} descriptors are needed: ulimit -n")
    if not options.no_build:
        subprocess.run(["cargo", "build", "--release", "-p", "narae-bench-app"], cwd=TOP, check=True)
    results = {}
    for work in options.works:
        folder = tempfile.mkdtemp(prefix="narae-files-")
        try:
            results[work] = {"slow": slow, "many": many}[work](Place(folder), options)
        finally:
            shutil.rmtree(folder)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print("MiB resident, the supervisor and one worker together\n")
    print(table(results))
    print(f"\nEvery sample: {os.path.relpath(options.json)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"files_memory.py: {failure}")
