#!/usr/bin/env python3
"""Measures what slow, silent, resetting and too many peers do to a server, and to who comes meanwhile.

In: options, narae-bench-app. Out: a Markdown table on stdout, every figure as JSON in a file. A newcomer is a
connection of its own that asks for `GET /` every 10 ms; one that is not answered ends the run.
"""

import argparse
import csv
import json
import multiprocessing
import os
import re
import resource
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from run import Failed, family, free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
APP = TARGET / "narae-bench-app"
EVERY = 0.01  # seconds between newcomers
PATIENCE = 30  # seconds until a newcomer counts as not served
SETTLE = 3  # seconds between the end of an attack and the last look
EACH = 2500  # connections of one attacking process
RATE = 4000  # connections that all attackers together open in a second
SERVER_DESCRIPTORS = 20000
TICKS = os.sysconf("SC_CLK_TCK")
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-a: b"
BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
FILE_BYTES = 8 << 20


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "narae-bench-app"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Failed("narae-bench-app does not build")


class Server:
    """narae-bench-app, with one worker if nothing else is said; ends with the `with` block."""

    def __init__(self, workers=1):
        self.workers = workers

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        self.http, self.https = free_port(), free_port()
        (place / "site").mkdir()
        (place / "site/large.bin").write_bytes(os.urandom(FILE_BYTES))
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        make += ["-days", "2", "-subj", "/CN=localhost", "-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
        subprocess.run(make, check=True, capture_output=True)
        command = [str(APP), "--http", str(self.http), "--https", str(self.https)]
        command += ["--cert", str(place / "cert.pem"), "--key", str(place / "key.pem"), "--threads", "1"]
        command += ["--workers", str(self.workers), "--root", str(place / "site"), "--data", str(place / "data")]
        environment = dict(os.environ, NARAE_RUNTIME_DIR=str(place / "run"), NO_COLOR="1")
        limit = (SERVER_DESCRIPTORS, SERVER_DESCRIPTORS)
        self.log = open(place / "log", "w+")
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
        )
        try:
            self.warm_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def warm_up(self):
        wait_for(self.http)
        for _ in range(200):
            newcomer(self.http)
        self.pids = [pid for pid in family(self.process.pid) if pid != self.process.pid]
        if len(self.pids) != self.workers:
            raise Failed(f"{len(self.pids)} workers run, not {self.workers}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def measure(self):
        """MiB resident, open descriptors, seconds of CPU; of the workers."""
        rss = sum(memory(pid) for pid in self.pids)
        descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids)
        return rss, descriptors, sum(cpu(pid) for pid in self.pids)


def memory(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def newcomer(port):
    """Comes, asks, is answered, goes. Seconds that it took."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(REQUEST)
        answer = b"".join(iter(lambda: peer.recv(4096), b""))
    if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"Hello, World!"):
        raise Failed(f"a newcomer was answered {answer!r}")
    return time.perf_counter() - began


def newcomers(port, begin, end, told):
    """A process of its own, so that no attack in this language holds it up."""
    took, failed = [], None
    begin.wait()
    due = time.perf_counter()
    while not end.is_set():
        try:
            took.append(newcomer(port))
        except (OSError, Failed) as error:
            failed = f"newcomer {len(took)}: {error}"
            break
        # One that was late is followed at once, and counts only once.
        due = max(due + EVERY, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    told.send((took, failed))


class Attacker:
    """A process that attacks: attack(…, ready, end) says when it is ready, goes on until the end, and tells figures."""

    def __init__(self, attack, *arguments):
        self.ready, self.end = multiprocessing.Event(), multiprocessing.Event()
        self.hears, self.tells = multiprocessing.Pipe(False)
        self.process = multiprocessing.Process(target=self.run, args=(attack, *arguments), daemon=True)
        self.process.start()

    def run(self, attack, *arguments):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.tells.send(attack(*arguments, self.ready, self.end))

    def result(self):
        self.end.set()
        told = self.hears.recv()
        self.process.join()
        return told


def connect(port, address="127.0.0.1", receive_buffer=None):
    peer = socket.socket()
    if receive_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.bind((address, 0))
    peer.settimeout(PATIENCE)
    peer.connect(("127.0.0.1", port))
    return peer


def hold(port, count, address, rate, first, more, every, receive_buffer, read, ready, end):
    """Opens connections, `rate` a second, sends `first` on each, then `more` on each `every` seconds; reads `read` bytes then, or looks
    whether it was cut. How many were cut, how, and when."""
    peers, cuts = [], {}
    began, start = {}, time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        peer = connect(port, address, receive_buffer)
        if first:
            peer.sendall(first)
        peer.setblocking(False)
        began[peer] = time.monotonic()
        peers.append(peer)
    ready.set()
    while not end.is_set():
        step = time.monotonic()
        left = []
        for peer in peers:
            how = sign(peer, more, read)
            if how is None:
                left.append(peer)
            else:
                cuts.setdefault(how, []).append(time.monotonic() - began.pop(peer))
                peer.close()
        peers = left
        end.wait(max(0.0, every - (time.monotonic() - step)))
    for peer in peers:
        peer.close()
    return {"held": len(peers), "cuts": {how: [len(ages), min(ages), max(ages)] for how, ages in cuts.items()}}


def sign(peer, more, read):
    """One sign of life of an attacker. How it was cut, if it was."""
    try:
        if read:
            got = peer.recv(read)
        else:
            got = peer.recv(4096)
        if got == b"":
            return "closed"
        if not read and got.startswith(b"HTTP/1.1 4"):
            return got[9:12].decode()
    except BlockingIOError:
        pass
    except OSError:
        return "reset"
    try:
        if more:
            peer.send(more)
    except BlockingIOError:
        pass
    except OSError:
        return "reset"
    return None


def hello():
    """The first flight of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def reset_on_and_on(http, https, number, ready, end):
    """Connections that are reset after so many bytes, again and again. How many."""
    requests = [(http, HEAD + b"\r\n\r\n"), (http, BODY + b"x" * 100), (https, hello())]
    requests.append((http, b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"))
    requests.append((http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(2) + b"\0\x04\0\0\0\0\0"))
    requests.append((http, b"GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n"))
    count, linger = 0, struct.pack("ii", 1, 0)
    ready.set()
    while not end.is_set():
        port, request = requests[count % len(requests)]
        length = (count * 7 + number) % (len(request) + 1)
        try:
            peer = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            peer.sendall(request[:length])
            if count % 3 == 0:
                time.sleep(0.001)
            if b"large" in request and length == len(request):
                peer.recv(100)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.close()
        except OSError:
            pass
        count += 1
    return {"resets": count}


class Measured:
    """What a server goes through during an attack."""

    def __init__(self, server, port=None):
        self.server, self.port = server, port or server.http
        self.peak = self.before = server.measure()

    def __enter__(self):
        self.begin, self.end = multiprocessing.Event(), multiprocessing.Event()
        self.hears, tells = multiprocessing.Pipe(False)
        self.process = multiprocessing.Process(
            target=newcomers, args=(self.port, self.begin, self.end, tells), daemon=True
        )
        self.process.start()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        self.began = time.monotonic()
        self.begin.set()
        return self

    def watch(self):
        while not self.stopped.wait(0.25):
            now = self.server.measure()
            self.peak = tuple(max(a, b) for a, b in zip(self.peak, now))

    def __exit__(self, kind, *_):
        self.end.set()
        self.took, self.failed = self.hears.recv()
        self.process.join()
        self.seconds = time.monotonic() - self.began
        self.used = self.server.measure()[2] - self.before[2]
        self.stopped.set()
        self.thread.join()

    def result(self, work, attackers, cut):
        time.sleep(SETTLE)
        after = self.server.measure()
        if self.failed:
            raise Failed(f"{work}: {self.failed}")
        took = sorted(1000 * took for took in self.took)
        return {
            "work": work,
            "attackers": attackers,
            "newcomers": len(took),
            "median_ms": statistics.median(took),
            "p99_ms": took[int(len(took) * 0.99)],
            "max_ms": took[-1],
            "over_100_ms": sum(took > 100 for took in took),
            "cpu_cores": self.used / self.seconds,
            "seconds": self.seconds,
            "rss": [self.before[0], self.peak[0], after[0]],
            "descriptors": [self.before[1], self.peak[1], after[1]],
            "cut": cut,
        }


def run_holders(work, server, count, seconds, what, **how):
    """`count` connections that hold on, made by several processes, for `seconds` after the last one is open."""
    settings = {"first": b"", "more": None, "every": 1.0, "receive_buffer": None, "read": 0, "port": server.http, **how}
    port = settings.pop("port")
    order = [settings[key] for key in ["first", "more", "every", "receive_buffer", "read"]]
    with Measured(server) as measured:
        attackers = []
        starts = range(0, count, EACH)
        for number, start in enumerate(starts):
            address = f"127.0.0.{number + 2}"
            rate = RATE / len(starts)
            attackers.append(Attacker(hold, port, min(EACH, count - start), address, rate, *order))
        for attacker in attackers:
            if not attacker.ready.wait(120):
                raise Failed(f"{work}: the attackers cannot connect")
        time.sleep(seconds)
        told = [attacker.result() for attacker in attackers]
    return measured.result(work, f"{count:,} {what}", cuts_of(told))


def cuts_of(told):
    held = sum(one["held"] for one in told)
    parts = []
    for how in sorted({how for one in told for how in one["cuts"]}):
        cuts = [one["cuts"][how] for one in told if how in one["cuts"]]
        count, first, last = sum(cut[0] for cut in cuts), min(cut[1] for cut in cuts), max(cut[2] for cut in cuts)
        parts.append(f"{count:,} × {how} after {first:.0f}–{last:.0f} s")
    if held:
        parts.append(f"{held:,} held to the end")
    return "; ".join(parts)


def head(options):
    with Server() as server:
        return run_holders("head", server, 5000, 22, "heads, a byte a second", first=HEAD, more=b"b")


def body(options):
    with Server() as server:
        return run_holders("body", server, 5000, 20, "bodies, a byte a second", first=BODY, more=b"b")


def reading(options):
    ask = b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    with Server() as server:
        what = f"readers of {FILE_BYTES >> 20} MiB, 32 bytes a second"
        return run_holders("reading", server, 1000, 20, what, first=ask, read=32, more=b"", receive_buffer=4096)


def silent(options):
    # Each worker has its own descriptors.
    workers = 1 if SERVER_DESCRIPTORS * 7 // 8 - 64 > 20100 else 2
    with Server(workers=workers) as server:
        what = "connections without a byte" + (f", {workers} workers" if workers > 1 else "")
        return run_holders("silent", server, 20000, 14, what)


def handshakes(options):
    first = hello()
    with Server() as server:
        what = "stopped after their ClientHello"
        return run_holders("handshakes", server, 5000, 14, what, first=first, port=server.https)


def resets(options):
    with Server() as server:
        with Measured(server) as measured:
            attackers = [Attacker(reset_on_and_on, server.http, server.https, number) for number in range(2)]
            time.sleep(15)
            count = sum(attacker.result()["resets"] for attacker in attackers)
        rate = count / measured.seconds
        return measured.result("resets", f"{count:,} connections, {rate:,.0f} a second", "all by themselves")


def descriptors(options):
    """A worker whose limit is lowered to what it has, for ten seconds: who is there is served, who comes waits."""
    with Server() as server:
        worker = server.pids[0]
        before = server.measure()
        kept = connect(server.http)
        ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        limit = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        open_now = {int(name) for name in os.listdir(f"/proc/{worker}/fd")}
        lowest = next(number for number in range(len(open_now) + 1) if number not in open_now)
        kept.sendall(ask)
        kept.recv(4096)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (lowest, limit[1]))
        waiting = [connect(server.http) for _ in range(500)]
        for peer in waiting:
            peer.sendall(REQUEST)
        took, used, began = [], cpu(worker), time.monotonic()
        while time.monotonic() - began < 10:
            step = time.perf_counter()
            kept.sendall(ask)
            if not kept.recv(4096).startswith(b"HTTP/1.1 200 "):
                raise Failed("descriptors: who was there is not served")
            took.append(1000 * (time.perf_counter() - step))
            time.sleep(EVERY)
        seconds = time.monotonic() - began
        used = cpu(worker) - used
        peak = server.measure()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limit)
        restored, answered = time.perf_counter(), 0
        for peer in waiting:
            answered += peer.recv(4096).startswith(b"HTTP/1.1 200 ")
            peer.close()
        recovery = 1000 * (time.perf_counter() - restored)
        if answered != len(waiting):
            raise Failed(f"descriptors: {answered} of {len(waiting)} who waited were answered")
        kept.close()
        time.sleep(SETTLE)
        after = server.measure()
    took.sort()
    return {
        "work": "descriptors",
        "attackers": f"{len(waiting)} that wait for a descriptor (latency: of a connection that was there)",
        "newcomers": len(took),
        "median_ms": statistics.median(took),
        "p99_ms": took[int(len(took) * 0.99)],
        "max_ms": took[-1],
        "over_100_ms": sum(one > 100 for one in took),
        "cpu_cores": used / seconds,
        "seconds": seconds,
        "rss": [before[0], peak[0], after[0]],
        "descriptors": [before[1], peak[1], after[1]],
        "cut": f"all {answered} answered {recovery:.0f} ms after the limit was raised",
    }


SLOWHTTPTEST = {
    "slow heads (-H)": ["-H", "-i", "1", "-x", "10"],
    "slow bodies (-B)": ["-B", "-i", "1", "-s", "100000", "-x", "10"],
    "ranges (-R)": ["-R", "-a", "5", "-b", "3000"],
    "slow reading (-X)": ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"],
}


def slowhttptest(options):
    """The program of that name in its modes; its own verdict stands where others say how attackers were cut."""
    results = []
    for name, mode in SLOWHTTPTEST.items():
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            command = ["slowhttptest", *mode, "-c", "2000", "-r", "500", "-l", str(options.seconds), "-p", "3", "-g"]
            command += ["-o", "attack", "-u", f"http://127.0.0.1:{server.http}/large.bin"]
            with Measured(server) as measured:
                run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if run.returncode != 0:
                raise Failed(f"slowhttptest failed:\n{run.stdout}{run.stderr}")
            rows = list(csv.reader((Path(folder) / "attack.csv").read_text().splitlines()))[1:]
            # The last row is written when its probe has ended, too.
            seconds = rows[:-1]
            available = sum(int(row[-1]) > 0 for row in seconds)
            said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", run.stdout)
            verdict = re.findall(r"service available:\s+(YES|NO)", said)
            most = max(int(row[3]) for row in rows)
            ended = re.search(r"Exit status:\s+(.*)", said)
            text = f"service available: {verdict[-1] if verdict else '?'} ({available} of {len(seconds)} seconds); "
            text += f"at most {most:,} connected; {ended[1].strip() if ended else ''}"
            results.append(measured.result(f"slowhttptest, {name}", "2,000, 500 a second", text))
    return results


WORKS = {work.__name__: work for work in [head, body, reading, silent, handshakes, resets, descriptors, slowhttptest]}


def table(results):
    lines = [
        "| attack | attackers | newcomers | median / p99 / max ms | over 100 ms | CPU, cores "
        "| RSS MiB before / peak / after | descriptors before / peak / after | how they ended |",
        "|---" * 9 + "|",
    ]
    for result in results:
        latency = " / ".join(f"{result[key]:.1f}" for key in ["median_ms", "p99_ms", "max_ms"])
        rss = " / ".join(f"{size:.0f}" for size in result["rss"])
        numbers = " / ".join(f"{number:,}" for number in result["descriptors"])
        cells = [result["work"], result["attackers"], f"{result['newcomers']:,}", latency, str(result["over_100_ms"])]
        cells += [f"{result['cpu_cores']:.2f}", rss, numbers, result["cut"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def check_machine(works):
    for tool in ["openssl", "slowhttptest"] if "slowhttptest" in works else ["openssl"]:
        if not shutil.which(tool):
            raise Failed(f"{tool} is missing: apt-get install -y {tool}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < SERVER_DESCRIPTORS:
        raise Failed(f"the hard limit of descriptors is {hard}; {SERVER_DESCRIPTORS} are needed")


def main():
    parser = argparse.ArgumentParser(description="What slow, silent and resetting peers cost; see bench/README.md.")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; default: all")
    parser.add_argument("--seconds", type=int, default=20, help="length of each mode of slowhttptest (default: 20)")
    parser.add_argument("--json", type=Path, default=TARGET / "hostile.json", help="every figure (default: %(default)s)")
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.works) - set(WORKS):
        parser.error(f"no work is called {', '.join(sorted(unknown))}")
    works = options.works or list(WORKS)
    check_machine(works)
    if not options.no_build:
        build()
    results = []
    for name in works:
        done = WORKS[name](options)
        for result in done if isinstance(done, list) else [done]:
            results.append(result)
            print(f"{result['work']}: at most {result['max_ms']:.1f} ms", file=sys.stderr)
    options.json.write_text(json.dumps({"load": os.getloadavg(), "results": results}, indent=1) + "\n")
    print(table(results))
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    print(f"Every figure: {os.path.relpath(options.json)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"hostile.py: {failure}")
