#!/usr/bin/env python3
"""Measures what a static file costs in CPU time, of narae and of its peers; README.md says how and why.

In: options, narae-bench-app, the tower-http server in peers/, nginx, h2o and caddy as Debian packages them. Out: a
Markdown table for each work on stdout, JSON in a file. Every answer is compared with the file before it is
measured, and any error that wrk or h2load sees ends the run.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template

from run import PEERS, SERVER_CORE, TOOLS, WRK_CORE, Failed
from run import add_options, check_machine, family, free_port, measure, rounds, run_wrk, table, wait_for

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "release"
SIZES = {"1k": 1 << 10, "10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20}
# Way: scheme, curl's option, HTTP version.
WAYS = {
    "plain": ("http", "--http1.1", "1.1"),
    "tls": ("https", "--http1.1", "1.1"),
    "h2": ("https", "--http2", "2"),
}
WORKS = [f"{way}-{size}" for way in WAYS for size in SIZES]
CONNECTIONS, H2_CONNECTIONS, H2_STREAMS = 64, 16, 32
LONG_AGO = 1_700_000_000
CIPHER = "TLS_AES_128_GCM_SHA256"  # what browsers ask for first
# The tools of a contender, and their Debian packages.
PROGRAMS = {"narae": {}, "nginx": {"nginx": "nginx"}, "h2o": {"h2o": "h2o"}, "caddy": {"caddy": "caddy"}, "tower-http": {}}
CONTENDERS = list(PROGRAMS)
VERSIONS = {"nginx": ["nginx", "-v"], "h2o": ["h2o", "--version"], "caddy": ["caddy", "version"]}

# keepalive_requests: without it nginx closes each connection after 1000 requests.
NGINX = """\
daemon off;
pid $folder/nginx.pid;
error_log $log;
worker_processes 1;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000;
    keepalive_requests 1000000000;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    client_body_temp_path $folder/nginx-body;
    proxy_temp_path $folder/nginx-proxy;
    fastcgi_temp_path $folder/nginx-fastcgi;
    uwsgi_temp_path $folder/nginx-uwsgi;
    scgi_temp_path $folder/nginx-scgi;
    server {
        listen 127.0.0.1:$http;
        listen 127.0.0.1:$https ssl http2;
        ssl_protocols TLSv1.3;
        ssl_certificate $certificate;
        ssl_certificate_key $key;
        root $root;
    }
}
"""
H2O = """\
num-threads: 1
max-connections: 4096
listen:
  host: 127.0.0.1
  port: $http
listen:
  host: 127.0.0.1
  port: $https
  ssl:
    certificate-file: $certificate
    key-file: $key
    ocsp-update-interval: 0
hosts:
  default:
    paths:
      /:
        file.dir: $root
"""
CADDY = """\
{
    admin off
    auto_https off
    log {
        output discard
    }
    servers {
        protocols h1 h2
    }
}
http://:$http {
    bind 127.0.0.1
    root * $root
    file_server
}
https://:$https {
    bind 127.0.0.1
    tls $certificate $key
    root * $root
    file_server
}
"""
# For wrk, which has no option for it, h2load and curl: the same version of TLS and the same cipher for all.
OPENSSL = f"""\
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = defaults
[defaults]
MinProtocol = TLSv1.3
Ciphersuites = {CIPHER}
"""
WORDS = "a file is sent whole or in parts and each part says where it belongs so that nobody waits for the rest".split()


def build(names, features):
    if "narae" in names:
        command = ["cargo", "build", "--release", "-p", "narae-bench-app"]
        if subprocess.run(command, cwd=TOP).returncode != 0:
            raise Failed("narae-bench-app does not build")
    if "tower-http" in names:
        command = ["cargo", "build", "--release", "--locked", "--bin", "tower-http"]
        if features:
            command += ["--features", features]
        if subprocess.run(command, cwd=PEERS).returncode != 0:
            raise Failed("the peers do not build")


class Place:
    """A folder with the files in `root`, a certificate, and room for what servers write."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # nginx and h2o do not serve as root.
        self.folder.chmod(0o755)
        self.root, self.paths = self.folder / "root", {}
        self.root.mkdir()
        self.certificate, self.key = self.folder / "certificate.pem", self.folder / "key.pem"
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "30"]
        command += ["-keyout", str(self.key), "-out", str(self.certificate)]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            raise Failed(f"openssl made no certificate:\n{made.stderr}")
        self.openssl = self.folder / "openssl.cnf"
        self.openssl.write_text(OPENSSL)

    def write_files(self, sizes, copies, extension):
        """Writes the files, the same in every run; no two copies are alike."""
        for size in sizes:
            self.paths[size] = [f"/{size}-{copy}.{extension}" for copy in range(copies)]
            for path in self.paths[size]:
                self.write(path, content(SIZES[size], path))
            self.list_paths(size)

    def write(self, path, *parts, hole=0):
        """Writes a file of long ago: of one that has just changed, a server may keep nothing."""
        with open(self.root / path[1:], "wb") as file:
            for part in parts:
                file.write(part)
            file.truncate(file.tell() + hole)
        os.utime(self.root / path[1:], (LONG_AGO, LONG_AGO))

    def list_paths(self, name):
        """Writes the list of paths for wrk."""
        self.list_of(name).write_text("\n".join(self.paths[name]) + "\n")

    def list_of(self, name):
        return self.folder / f"{name}.paths"


def content(size, path):
    """Bytes that follow from the path: such as do not compress in .bin, words in all others."""
    chance = random.Random(path)
    if path.endswith(".bin"):
        return chance.randbytes(size)
    return " ".join(chance.choices(WORDS, k=size // 2 + 1)).encode()[:size]


class Server:
    """A contender that serves a place, pinned, and ends with the `with` block."""

    def __init__(self, name, place):
        self.name, self.place, self.rate = name, place, 0.0
        self.ports = {"http": free_port(), "https": free_port()}
        self.log = place.folder / f"{name}.log"
        self.environment = dict(os.environ)
        folder, http, https = place.folder, str(self.ports["http"]), str(self.ports["https"])
        if name == "narae":
            self.environment["NARAE_RUNTIME_DIR"] = str(folder / "narae")
            self.command = [str(TARGET / "narae-bench-app"), "--http", http, "--https", https]
            self.command += ["--cert", str(place.certificate), "--key", str(place.key), "--root", str(place.root)]
            self.command += ["--data", str(folder / "narae-data"), "--workers", "1", "--threads", "1"]
        elif name == "nginx":
            self.command = ["nginx", "-e", str(self.log), "-c", self.configuration(NGINX)]
        elif name == "h2o":
            self.command = ["h2o", "-c", self.configuration(H2O)]
        elif name == "caddy":
            self.environment.update(GOMAXPROCS="1", XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
            self.command = ["caddy", "run", "--adapter", "caddyfile", "--config", self.configuration(CADDY)]
        else:
            self.command = [str(PEERS / "target/release/tower-http"), http, str(place.root), https]
            self.command += [str(place.certificate), str(place.key)]

    def configuration(self, template):
        """Writes a configuration; the path of its file."""
        path, place = self.place.folder / f"{self.name}.conf", self.place
        values = {"folder": place.folder, "root": place.root, "certificate": place.certificate, "key": place.key}
        path.write_text(Template(template).substitute(values, log=self.log, **self.ports))
        return str(path)

    def __enter__(self):
        command = ["taskset", "-c", str(SERVER_CORE), *self.command]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        try:
            for port in self.ports.values():
                wait_for(port)
        except BaseException as failure:
            self.__exit__()
            if isinstance(failure, Failed):
                raise Failed(f"{self.name} did not start: {failure}\n{self.log.read_text()[-2000:]}") from None
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            members = family(self.process.pid)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for member in members:
                    if os.path.exists(f"/proc/{member}"):
                        os.kill(member, 9)
        self.process.wait()

    def url(self, way, path):
        scheme = WAYS[way][0]
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}{path}"

    def answer(self, work):
        """The head of an answer, after the first and the last file came as they are."""
        way, size = work.split("-")
        heads = [self.fetch(way, path) for path in (self.place.paths[size][0], self.place.paths[size][-1])]
        return heads[0]

    def fetch(self, way, path):
        _, option, version = WAYS[way]
        head, body = self.place.folder / "answer.head", self.place.folder / "answer.body"
        command = ["curl", "--silent", "--show-error", "--max-time", "10", option]
        command += ["--cacert", str(self.place.certificate), "--dump-header", str(head), "--output", str(body)]
        command += ["--write-out", "%{http_code} %{http_version}", self.url(way, path)]
        run = subprocess.run(command, capture_output=True, text=True, env=self.of_client())
        told = head.read_text() if run.returncode == 0 else ""
        expected = (self.place.root / path[1:]).read_bytes()
        length = re.search(r"^content-length: (\d+)\r?$", told, re.MULTILINE | re.IGNORECASE)
        if run.stdout != f"200 {version}" or not length or int(length[1]) != len(expected):
            raise Failed(f"{self.name} answers {way} {path} with {run.stdout}:\n{told}{run.stderr}")
        if body.read_bytes() != expected:
            raise Failed(f"{self.name} answers {way} {path} with other bytes than the file has")
        return told

    def of_client(self, **more):
        return dict(os.environ, OPENSSL_CONF=str(self.place.openssl), REPORT_LUA=str(HERE / "report.lua"), **more)

    def load(self, work, seconds):
        """Runs wrk or h2load. Requests, seconds and bytes, as it counts them."""
        way, size = work.split("-")
        measured = f"{self.name}, {work}"
        if way == "h2":
            return self.load_h2(size, seconds, measured)
        requests, took, came = self.load_wrk(way, size, seconds, measured)
        if came < requests * SIZES[size]:
            raise Failed(f"{measured}: {requests} answers had only {came} bytes together")
        return requests, took, came

    def load_wrk(self, way, name, seconds, measured, **more):
        paths = self.place.paths[name]
        script = "report.lua" if len(paths) == 1 else "files.lua"
        command = ["taskset", "-c", str(WRK_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
        command += ["-s", str(HERE / script), self.url(way, paths[0])]
        return run_wrk(command, self.of_client(PATHS=str(self.place.list_of(name)), **more), measured)

    def load_h2(self, size, seconds, measured):
        """For the time to warm up, then as many requests as that makes likely to take `seconds`: after a number of
        requests none is left half answered, which would be 512 of them."""
        command = ["taskset", "-c", str(WRK_CORE), "h2load", "-t1", f"-c{H2_CONNECTIONS}", f"-m{H2_STREAMS}"]
        command += ["--tls13-ciphers", CIPHER, "--npn-list", "h2"]
        count = max(H2_CONNECTIONS * H2_STREAMS, round(self.rate * seconds))
        command += ["-n", str(count)] if self.rate else ["-D", str(seconds)]
        paths = self.place.paths[size]
        if len(paths) > 1:
            urls = self.place.folder / "h2.urls"
            urls.write_text("".join(f"{self.url('h2', path)}\n" for path in paths))
            command += ["-i", str(urls)]
        else:
            command.append(self.url("h2", paths[0]))
        run = subprocess.run(command, capture_output=True, text=True, env=self.of_client())
        requests, took, came, bodies = numbers_of_h2load(run, measured)
        expected = requests * SIZES[size]
        if (requests, bodies) != (count, expected) if self.rate else bodies < expected:
            raise Failed(f"{measured}: {requests} answers had bodies of {bodies} bytes together:\n{run.stdout}")
        self.rate = requests / took
        return requests, took, came


def numbers_of_h2load(run, measured):
    """Requests, seconds, bytes, bytes of bodies."""
    requests = re.search(
        r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$",
        run.stdout,
        re.MULTILINE,
    )
    status = re.search(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx$", run.stdout, re.MULTILINE)
    traffic = re.search(r"^traffic: \S+ \((\d+)\) total, .* \((\d+)\) data$", run.stdout, re.MULTILINE)
    time = re.search(r"^finished in ([\d.]+)(us|ms|s),", run.stdout, re.MULTILINE)
    agreed = all(f"\n{line}\n" in run.stdout for line in (f"Cipher: {CIPHER}", "Application protocol: h2"))
    if run.returncode != 0 or not (requests and status and traffic and time and agreed):
        raise Failed(f"h2load failed on {measured}:\n{run.stdout[-4000:]}{run.stderr}")
    total, done, succeeded, *errors = (int(number) for number in requests.groups())
    # When the time is over, some answers have begun: more status codes than requests that are done.
    if any(errors) or not 0 < total == done == succeeded <= int(status[1]):
        raise Failed(f"{measured}: h2load saw errors:\n{run.stdout[-4000:]}")
    took = float(time[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[time[2]]
    return total, took, int(traffic[1]), int(traffic[2])


def baselines(costs):
    """nginx, h2o, and the peer with the lowest median of this work."""
    peers = {name: cost for name, cost in costs.items() if name != "narae"}
    cheapest = min(peers, key=lambda name: statistics.median(peers[name]), default=None)
    last = {f"cheapest peer: {cheapest}": peers[cheapest]} if cheapest else {}
    return {"nginx": costs.get("nginx"), "h2o": costs.get("h2o"), **last}


def versions(names):
    """Name and version of the programs that came as packages."""
    told = {}
    for name in names:
        if name in VERSIONS:
            run = subprocess.run(VERSIONS[name], capture_output=True, text=True)
            version = re.search(r"\d+(\.\d+)+", run.stdout + run.stderr)
            told[name] = f"{name} {version[0] if version else '?'}"
    return told


def arguments():
    parser = argparse.ArgumentParser(description="CPU time per request of static files; see bench/README.md.")
    add_options(parser, CONTENDERS, WORKS, rounds=3, seconds=2)
    parser.add_argument("--files", type=int, default=1, help="of each size, in turn (default: %(default)s)")
    parser.add_argument("--extension", default="bin", help="of the files; all but bin are text (default: %(default)s)")
    parser.add_argument("--features", default="mimalloc", help="features of the tower-http peer (default: %(default)s)")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--keep", action="store_true", help="keep files, configurations and logs, and say where")
    return parser.parse_args()


def main():
    options = arguments()
    tools = {**TOOLS, "h2load": "nghttp2-client", "curl": "curl", "openssl": "openssl"}
    for name in options.only:
        tools.update(PROGRAMS[name])
    check_machine(tools)
    if not options.no_build:
        build(options.only, options.features)
    folder = tempfile.mkdtemp(prefix="narae-files-")
    try:
        place = Place(folder)
        place.write_files(sorted({work.split("-")[1] for work in options.works}), options.files, options.extension)

        def measured(name, work):
            result = measure(Server(name, place), work, options.seconds)
            bodies = result["requests_per_second"] * SIZES[work.split("-")[1]]
            return {**result, "mebibytes_per_second": bodies / 2**20}

        results = rounds(options.rounds, options.only, options.works, options.tries, measured)
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    path = options.json or PEERS / "target/files.json"
    path.parent.mkdir(exist_ok=True)
    settings = {key: getattr(options, key) for key in ("seconds", "files", "extension", "features")}
    settings.update(versions=versions(options.only), load=os.getloadavg())
    path.write_text(json.dumps({**settings, "results": results}, indent=1, ensure_ascii=False) + "\n")
    files = f"{options.files} .{options.extension} file{'s' if options.files > 1 else ''} of each size"
    print("; ".join([f"{options.rounds} rounds of {options.seconds} s, {files}", *settings["versions"].values()]), "\n")
    figures = {"requests/s": "requests_per_second", "MiB/s": "mebibytes_per_second"}
    print(table(results, options.only, options.works, baselines, figures))
    print(f"Every measurement: {os.path.relpath(path)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"files.py: {failure}")
