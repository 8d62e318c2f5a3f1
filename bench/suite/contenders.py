"""The contenders: what each is, how it is started, its version.

In: a name and what a work wants of it. Out: a server that runs, pinned to core 1, on ports of its own. Which of
them stand in a work is said in works/.
"""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from string import Template

import configurations
from machine import BENCH, PEERS_TARGET, SERVER_CORE, TARGET, Failed, family, free_port, pinned, told_by, wait_for

NODE = BENCH / "node"


@dataclass
class Contender:
    title: str
    command: callable  # of a Server: its words
    version: list = None  # words that tell it
    crate: str = None  # or the crate whose version counts
    group: str = "debian"  # narae, rust, npm, debian: who gets it
    uses_tls: bool = True
    environment: dict = field(default_factory=dict)


def narae(server):
    place = server.place
    words = [TARGET / "narae-bench-app", "--http", server.http, "--https", server.https]
    words += ["--cert", place.certificate, "--key", place.key, "--root", place.root]
    words += ["--data", server.folder / "data", "--workers", server.workers, "--threads", "1"]
    words += ["--routes", server.routes, "--store", server.store]
    return words


def rust(name):
    return lambda server: [PEERS_TARGET / name, server.http, server.routes]


def rust_tls(name, has_root):
    def words(server):
        root = [server.place.root] if has_root else []
        return [PEERS_TARGET / name, server.http, *root, server.https, server.place.certificate, server.place.key]

    return words


def node(script, program="node", *flags):
    def words(server):
        return [program, *flags, NODE / script, server.http, server.routes]

    return words


def node_tls(server):
    return ["node", NODE / "http.cjs", server.http, server.https, server.place.certificate, server.place.key]


def express_sessions(server):
    return ["node", NODE / "sessions.cjs", server.http, *([server.store] if "://" in server.store else [])]


def bun(server):
    return [program_of("bun"), NODE / "bun.mjs", server.http, server.routes]


def deno(server):
    return [program_of("deno"), "run", "--quiet", "--allow-net", "--no-config", NODE / "deno.mjs", server.http]


def program_of(name):
    """The program inside the npm package for this machine, which no script of the package has to fetch."""
    pattern = {"bun": "@oven/bun-linux-*/bin/bun", "deno": "@deno/linux-*/deno"}[name]
    programs = sorted((NODE / "node_modules").glob(pattern))
    if not programs:
        raise Failed(f"{name} is not in bench/node/node_modules: run npm ci there")
    return programs[0]


PRODUCTION = {"NODE_ENV": "production"}
CONTENDERS = {
    "narae": Contender("narae, axum router, every default limit on, a supervisor and one worker, mimalloc", narae,
                       group="narae"),
    "floor": Contender("a bare epoll loop with a ready answer, which parses nothing", rust("floor"), crate="rustix",
                       group="rust", uses_tls=False),
    "hyper": Contender("hyper alone, HTTP/1.1", rust("hyper"), crate="hyper", group="rust", uses_tls=False),
    "hyper-tls": Contender("hyper alone behind rustls", rust_tls("hyper-tls", False), crate="hyper", group="rust"),
    "axum": Contender("axum::serve on one thread", rust("axum-serve"), crate="axum", group="rust", uses_tls=False),
    "actix": Contender("actix-web, one worker", rust("actix"), crate="actix-web", group="rust", uses_tls=False),
    "tower-http": Contender("ServeDir under axum::serve, over TLS under hyper with rustls",
                            rust_tls("tower-http", True), crate="tower-http", group="rust"),
    "tower-sessions": Contender("tower-sessions in memory under axum::serve", rust("tower-sessions"),
                                crate="tower-sessions", group="rust", uses_tls=False),
    "nginx": Contender("nginx, sendfile, open_file_cache", lambda server: [
        "nginx", "-e", server.log, "-c", server.configuration(configurations.NGINX)], ["nginx", "-v"]),
    "h2o": Contender("h2o, one thread", lambda server: ["h2o", "-c", server.configuration(configurations.H2O)],
                     ["h2o", "--version"]),
    "caddy": Contender("Caddy, GOMAXPROCS=1", lambda server: [
        "caddy", "run", "--adapter", "caddyfile", "--config", server.configuration(configurations.CADDY)],
        ["caddy", "version"], environment={"GOMAXPROCS": "1"}),
    "node": Contender("node:http, node:https, node:http2", node_tls, ["node", "--version"], group="npm",
                      environment=PRODUCTION),
    "express": Contender("Express on Node", node("express.cjs"), group="npm", uses_tls=False, environment=PRODUCTION),
    "fastify": Contender("Fastify on Node", node("fastify.cjs"), group="npm", uses_tls=False, environment=PRODUCTION),
    "express-session": Contender("express-session on Express and Node", express_sessions, group="npm",
                                 uses_tls=False, environment=PRODUCTION),
    "bun": Contender("Bun.serve with routes", bun, group="npm", uses_tls=False, environment=PRODUCTION),
    "deno": Contender("Deno.serve", deno, group="npm", uses_tls=False),
}


class Server:
    """A contender that runs and ends with the `with` block."""

    def __init__(self, name, place, routes=0, workers=1, store="memory", core=SERVER_CORE, ready=None):
        self.name, self.place, self.routes, self.workers, self.store = name, place, routes, workers, store
        self.contender, self.core, self.ready = CONTENDERS[name], core, ready
        self.http, self.https = free_port(), free_port()
        # A fresh place for what it writes: nothing of an earlier measurement is in it.
        self.folder = place.folder / f"{name}-{self.http}"
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o777)
        self.log = self.folder / "log"

    def configuration(self, template):
        """Writes a configuration; its path."""
        path, place = self.folder / "configuration", self.place
        values = {"folder": self.folder, "root": place.root, "certificate": place.certificate, "key": place.key}
        values.update(log=self.log, http=self.http, https=self.https, workers=self.workers)
        path.write_text(Template(template).substitute(values))
        return path

    def __enter__(self):
        command = pinned(self.core, self.contender.command(self))
        self.environment = dict(os.environ, NARAE_RUNTIME_DIR=str(self.folder / "run"), XDG_DATA_HOME=str(self.folder),
                                XDG_CONFIG_HOME=str(self.folder), DENO_DIR=str(self.folder), **self.contender.environment)
        self.command = command
        self.began = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        try:
            if self.ready:
                self.first_answer = self.ready(self.http, self.began, self.process)
            wait_for(self.http, self.process)
            if self.contender.uses_tls:
                wait_for(self.https, self.process)
        except BaseException as failure:
            self.__exit__()
            if isinstance(failure, Failed):
                log = self.log.read_text(errors="replace")[-2000:]
                raise Failed(f"{self.name} did not start: {failure}\n{log}") from None
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
                        os.kill(member, signal.SIGKILL)
        self.process.wait()

    def url(self, path="/", tls=False):
        return f"https://127.0.0.1:{self.https}{path}" if tls else f"http://127.0.0.1:{self.http}{path}"


def version(name):
    """The version of a contender, of the lock file or as it tells itself."""
    contender = CONTENDERS[name]
    if contender.crate:
        return in_lock(BENCH / "peers/Cargo.lock", contender.crate)
    if name == "narae":
        return in_lock(BENCH.parent / "Cargo.lock", "narae")
    if contender.version:
        return told_by(contender.version)
    package = NODE / "node_modules" / name / "package.json"
    if name in ("express", "fastify", "express-session", "bun", "deno") and package.exists():
        return json.loads(package.read_text())["version"]
    return "?"


def in_lock(lock, crate):
    lines = lock.read_text().split("\n")
    at = lines.index(f'name = "{crate}"')
    return lines[at + 1].split('"')[1]
