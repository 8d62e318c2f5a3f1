#!/usr/bin/env python3
"""Measures what a cluster loses while it is reloaded, killed, upgraded: README.md says how and why.

In: options; the release builds of the testbed and of narae-load. Out: a table on stdout. The load client
counts every refused, reset, short, wrong or late answer, and never tries again in silence.
"""

import argparse
import json
import os
import random
import re
import signal
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "suite"))

from machine import TARGET, TOP, free_port, resident  # noqa: E402

NARAE, LOAD, TESTBED = TARGET / "narae", TARGET / "narae-load", TARGET / "examples/testbed"
PROTOCOLS = {
    "h1": ("http", []),
    "h1+TLS": ("https", []),
    "h2": ("http", ["--h2"]),
    "h2+TLS": ("https", ["--h2"]),
}


def build():
    command = ["cargo", "build", "--release", "-p", "narae-cli", "--bin", "narae", "--example", "testbed"]
    subprocess.run(command, cwd=TOP, check=True)
    subprocess.run(["cargo", "build", "--release", "-p", "narae-load"], cwd=TOP, check=True)


class Cluster:
    """A testbed with a runtime folder of its own."""

    def __init__(self, workers=2, settings="canary = \"0\"", arguments=()):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        (self.path / "narae.toml").write_text(f"[cluster]\n{settings}\n")
        self.environment = dict(os.environ, NARAE_RUNTIME_DIR=str(self.path / "run"), NO_COLOR="1")
        self.ports = {"http": free_port(), "https": free_port()}
        self.command = [TESTBED, "--workers", str(workers), "--log", "off", "--name", "bench"]
        for scheme, port in self.ports.items():
            self.command += [f"--{scheme}", f"127.0.0.1:{port}"]
        self.command += arguments
        self.start()

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, cwd=self.path, env=self.environment, stderr=subprocess.PIPE)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.ports["http"])) as stream:
                    stream.sendall(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")
                    stream.recv(100)
                break
            except ConnectionRefusedError:
                time.sleep(0.001)
        self.first_answer = time.monotonic() - began
        os.set_blocking(self.process.stderr.fileno(), False)
        self.status_when_up()

    def status_when_up(self):
        while True:
            self.drain_stderr()
            done = self.narae("status", "bench", "--json", check=False)
            if done.returncode == 0:
                return json.loads(done.stdout)
            time.sleep(0.02)

    def drain_stderr(self):
        # Otherwise the pipe fills and the supervisor waits for it.
        while self.process.stderr.read():
            pass

    def narae(self, *arguments, check=True):
        command = [NARAE, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check)

    def load(self, protocol, rate, connections=32, echo=True):
        scheme, flags = PROTOCOLS[protocol]
        command = [LOAD, f"{scheme}://127.0.0.1:{self.ports[scheme]}/", "--get", "/", "--json"]
        command += ["--echo", "/echo"] if echo else []
        command += ["--rate", str(rate), "--connections", str(connections), "--seconds", "100000", *flags]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        self.folder.cleanup()


def summary(load):
    load.send_signal(signal.SIGINT)
    out, _ = load.communicate(timeout=60)
    return json.loads(out)


def failures(summary):
    kinds = ["refused", "refused_ahead", "reset", "short", "wrong", "unsolicited", "timed_out", "late"]
    return {kind: summary[kind] for kind in kinds if summary.get(kind)}


def line(name, summary):
    lost = failures(summary)
    text = ", ".join(f"{count} {kind}" for kind, count in lost.items()) or "0"
    print(f"| {name} | {summary['requests']:,} | {text} | {summary['reconnects']:,} | "
          f"{summary['retried_safely']} |", flush=True)
    for failure in summary["failures"][:3] if lost else []:
        print(f"  {failure}", file=sys.stderr)


HEAD = "| load | requests | failed | reconnects | retried by GOAWAY's promise |\n|---|---|---|---|---|"


def reloads(options):
    """Reloads under load, all four protocols at once."""
    cluster = Cluster()
    loads = {name: cluster.load(name, options.rate) for name in PROTOCOLS}
    time.sleep(2)
    receipts = []
    for number in range(options.reloads):
        receipts.append(json.loads(cluster.narae("reload", "bench", "--json").stdout))
        cluster.drain_stderr()
        if sys.stderr.isatty():
            print(f"\rreload {number + 1}", end="", file=sys.stderr)
    time.sleep(1)
    print(f"\n{options.reloads} reloads of 2 workers under {options.rate} requests/s on each protocol\n\n{HEAD}")
    for name, load in loads.items():
        line(name, summary(load))
    switch = [receipt["seconds"] for receipt in receipts]
    drained = [receipt["drained_seconds"] for receipt in receipts]
    total = {key: sum(receipt[key] for receipt in receipts) for key in ["accepted", "refused", "reset", "handed_over"]}
    cut = sum(len(receipt["cut"]) for receipt in receipts)
    print(f"\nuntil the new workers serve: median {statistics.median(switch):.2f} s "
          f"({min(switch):.2f}–{max(switch):.2f}); until the old ones are gone: "
          f"{statistics.median(drained):.2f} s ({min(drained):.2f}–{max(drained):.2f})")
    print(f"receipts: {total}, cut {cut}")
    cluster.stop()


def kills(options):
    """kill -9 of a random worker, again and again."""
    cluster = Cluster()
    load = cluster.load("h1", options.rate, connections=64)
    time.sleep(2)
    at_most = 0
    for number in range(options.kills):
        status = cluster.status_when_up()
        worker = random.choice([worker for worker in status["workers"] if worker["state"] == "serving"])
        at_most += worker["counters"]["open"]
        os.kill(worker["pid"], signal.SIGKILL)
        time.sleep(1.1)
        if sys.stderr.isatty():
            print(f"\rkill {number + 1}", end="", file=sys.stderr)
    time.sleep(1)
    result = summary(load)
    print(f"\n{options.kills} × kill -9 of a random worker of 2, h1, {options.rate} requests/s\n\n{HEAD}")
    line("h1", result)
    print(f"\nconnections open on the killed workers, in all: {at_most:,}")
    cluster.stop()


def supervisors(options):
    """The supervisor is killed and started again; the supervisor replaces its program."""
    cluster = Cluster()
    loads = {name: cluster.load(name, options.rate) for name in PROTOCOLS}
    time.sleep(2)
    pids = {worker["pid"] for worker in cluster.status_when_up()["workers"]}
    for _ in range(options.supervisors):
        cluster.process.kill()
        cluster.process.communicate()
        time.sleep(0.5)
        cluster.start()
        cluster.narae("upgrade", "bench")
        time.sleep(0.3)
        cluster.status_when_up()
    kept = {worker["pid"] for worker in cluster.status_when_up()["workers"]} == pids
    print(f"\n{options.supervisors} × supervisor killed and started, and upgraded; "
          f"the same workers served on: {kept}\n\n{HEAD}")
    for name, load in loads.items():
        line(name, summary(load))
    cluster.stop()


def spread(options):
    """How evenly keep-alive connections are spread over workers."""
    print("\n1,000 keep-alive connections, by worker\n\n| workers | narae | SO_REUSEPORT |\n|---|---|---|")
    for workers in [2, 4]:
        cluster = Cluster(workers=workers)
        streams = [socket.create_connection(("127.0.0.1", cluster.ports["http"])) for _ in range(1000)]
        for stream in streams:
            stream.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        for stream in streams:
            stream.recv(1000)
        status = cluster.status_when_up()
        ours = sorted(worker["counters"]["open"] for worker in status["workers"])
        print(f"| {workers} | {' '.join(map(str, ours))} | {' '.join(map(str, reuseport(workers)))} |", flush=True)
        for stream in streams:
            stream.close()
        cluster.stop()


def reuseport(workers):
    """The kernel's own spread over sockets of one port."""
    sockets = []
    port = 0
    for _ in range(workers):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        port = listener.getsockname()[1]
        listener.listen(2000)
        listener.setblocking(False)
        sockets.append(listener)
    streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
    counts = []
    for listener in sockets:
        count = 0
        try:
            while True:
                listener.accept()[0].close()
                count += 1
        except BlockingIOError:
            counts.append(count)
    for stream in streams + sockets:
        stream.close()
    return sorted(counts)


def idle(options):
    """Memory of idle connections, before and after parking; they survive a reload."""
    count = options.idle
    cluster = Cluster(workers=1)
    worker = cluster.status_when_up()["workers"][0]["pid"]
    warm = [socket.create_connection(("127.0.0.1", cluster.ports["http"])) for _ in range(200)]
    ask(warm)
    for stream in warm:
        stream.close()
    time.sleep(2)
    empty = resident(worker)
    streams = [socket.create_connection(("127.0.0.1", cluster.ports["http"])) for _ in range(count)]
    for start in range(0, count, 500):
        ask(streams[start:start + 500])
    fresh = resident(worker)
    while cluster.status_when_up()["workers"][0]["counters"]["parked"] < count:
        time.sleep(0.1)
    time.sleep(2)
    parked = resident(worker)
    print(f"\n{count:,} idle keep-alive connections on one worker: {(fresh - empty) / count:,.0f} B each after "
          f"their answer, {(parked - empty) / count:,.0f} B each parked (resident memory over that of the idle "
          f"worker, {empty / 2**20:.1f} MiB)")
    receipt = json.loads(cluster.narae("reload", "bench", "--json").stdout)
    answered = ask(streams)
    new = cluster.status_when_up()["workers"][0]["pid"]
    print(f"after a reload ({receipt['seconds']:.2f} s, handed over {receipt['handed_over']:,}): "
          f"{answered:,} of {count:,} answered on the same connection, by a new process: {new != worker}")
    time.sleep(3)
    handed = resident(new)
    print(f"the new worker holds {handed / 2**20:.1f} MiB with all of them parked")
    for stream in streams:
        stream.close()
    cluster.stop()


def ask(streams):
    for stream in streams:
        stream.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return sum(stream.recv(1000).startswith(b"HTTP/1.1 200") for stream in streams)


def times(options):
    """From start to the first answer; memory at rest."""
    firsts = []
    for _ in range(options.starts):
        cluster = Cluster()
        firsts.append(cluster.first_answer)
        status = cluster.status_when_up()
        cluster.stop()
    workers = [worker["memory"] / 2**20 for worker in status["workers"]]
    print(f"\nfrom start to the first answer, 2 workers: median {statistics.median(firsts) * 1000:.0f} ms "
          f"({min(firsts) * 1000:.0f}–{max(firsts) * 1000:.0f}, {options.starts} starts); resident memory: "
          f"supervisor {status['memory'] / 2**20:.1f} MiB, workers {', '.join(f'{size:.1f}' for size in workers)} MiB")


NODE = """
const http = require('http');
const server = http.createServer((request, response) => response.end('hello'));
server.listen(PORT, '127.0.0.1');
process.on('SIGINT', () => server.close(() => process.exit(0)));
"""

NGINX = """
worker_processes 2; daemon off; pid FOLDER/nginx.pid; error_log FOLDER/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000;
  client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f;
  uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  server { listen 127.0.0.1:PORT; location / { return 200 "hello"; } } }
"""


def peers(options):
    """The same client against `pm2 reload` of a Node server, and `nginx -s reload`."""
    print(f"\n{options.peer_reloads} reloads of each, GET over h1, {options.rate} requests/s\n\n{HEAD}")
    for name, run in [("narae", narae_peer), ("nginx -s reload", nginx_peer), ("pm2 reload (Node)", pm2_peer)]:
        try:
            run(name, options)
        except FileNotFoundError as error:
            print(f"| {name} | not installed: {error.filename} | | | |")


def plain_load(port, rate):
    command = [LOAD, f"http://127.0.0.1:{port}/", "--get", "/", "--json", "--rate", str(rate)]
    command += ["--connections", "32", "--seconds", "100000"]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(2)
    return load


def narae_peer(name, options):
    cluster = Cluster()
    load = plain_load(cluster.ports["http"], options.rate)
    for _ in range(options.peer_reloads):
        cluster.narae("reload", "bench")
        time.sleep(options.pause)
    line(name, summary(load))
    cluster.stop()


def nginx_peer(name, options):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        port = free_port()
        file = Path(folder) / "nginx.conf"
        file.write_text(NGINX.replace("FOLDER", folder).replace("PORT", str(port)))
        server = subprocess.Popen([program, "-c", file])
        time.sleep(1)
        load = plain_load(port, options.rate)
        for _ in range(options.peer_reloads):
            subprocess.run([program, "-c", file, "-s", "reload"], check=True)
            time.sleep(options.pause)
        line(name, summary(load))
        server.terminate()
        server.wait()


def pm2_peer(name, options):
    program = options.pm2 or "pm2"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        file = Path(folder) / "app.js"
        file.write_text(NODE.replace("PORT", str(port)))
        environment = dict(os.environ, PM2_HOME=folder)
        run = lambda *words: subprocess.run([program, *words], env=environment, check=True, capture_output=True)
        run("start", str(file), "-i", "2", "--name", "app")
        time.sleep(2)
        load = plain_load(port, options.rate)
        for _ in range(options.peer_reloads):
            run("reload", "app")
            time.sleep(options.pause)
        line(name, summary(load))
        run("kill")


WORKS = {work.__name__: work for work in [times, spread, idle, reloads, kills, supervisors, peers]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; default: all")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--supervisors", type=int, default=10)
    parser.add_argument("--peer-reloads", type=int, default=10)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between reloads of peers")
    parser.add_argument("--starts", type=int, default=9)
    parser.add_argument("--idle", type=int, default=9000)
    parser.add_argument("--rate", type=int, default=300, help="requests per second on each protocol")
    parser.add_argument("--pm2", help="where pm2 is, if it is not in PATH")
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    unknown = set(options.works) - set(WORKS)
    if unknown:
        parser.error(f"no work is called {', '.join(sorted(unknown))}")
    if not options.no_build:
        build()
    for name in options.works or WORKS:
        WORKS[name](options)


if __name__ == "__main__":
    main()
