"""Small answers over HTTP/1.1: hello in three ways, JSON, routers of several sizes, bodies that are parsed.

wrk on keep-alive connections: each asks again as soon as it has its answer.
"""

from contenders import Server
from loads import wrk
from measure import Work, check, loaded
from place import PERSON

HELLO = b"Hello, World!"
SMALL = ["narae", "floor", "hyper", "axum", "actix", "nginx", "h2o", "caddy", "node", "fastify", "express", "bun", "deno"]
APPLICATIONS = ["narae", "axum", "actix", "fastify", "express", "bun"]
SUMMARY = {"name": PERSON["name"], "email": PERSON["email"], "length": len(PERSON["text"])}
TOLD = f"{PERSON['name']} <{PERSON['email']}>: {len(PERSON['text'])}".encode()


def hello(connections, script):
    def measure(bench, name):
        with Server(name, bench.place) as server:
            check(bench, server, HELLO)

            def load(seconds):
                return wrk(server.url(), seconds, f"{name}, {script}", connections, script)

            return loaded(bench, server, load)

    return measure


def json_answer(bench, name):
    with Server(name, bench.place) as server:
        check(bench, server, {"message": "Hello, World!"}, "/json")
        return loaded(bench, server, lambda seconds: wrk(server.url("/json"), seconds, f"{name}, json"))


def routes(count):
    def measure(bench, name):
        path = f"/area{count - 1}/42"
        with Server(name, bench.place, routes=count) as server:
            check(bench, server, b"42", path)
            return loaded(bench, server, lambda seconds: wrk(server.url(path), seconds, f"{name}, {count} routes"))

    return measure


def body(path, expected):
    def measure(bench, name):
        file, kind = (
            (bench.place.form, "application/x-www-form-urlencoded")
            if path == "/form"
            else (bench.place.json, "application/json")
        )
        with Server(name, bench.place) as server:
            check(bench, server, expected, path, body=(file, kind))

            def load(seconds):
                return wrk(server.url(path), seconds, f"{name}, {path}", script="post.lua", BODY=str(file), TYPE=kind)

            return loaded(bench, server, load)

    return measure


WORKS = [
    Work("hello", "Hello, 64 keep-alive connections", SMALL, hello(64, "report.lua")),
    Work("pipelined", "Hello, 16 requests in each write, 64 connections",
         ["narae", "floor", "hyper", "axum", "actix", "nginx", "node", "bun"], hello(64, "pipelined.lua")),
    Work("512", "Hello, 512 keep-alive connections", SMALL, hello(512, "report.lua")),
    Work("json", "A JSON answer", ["narae", "axum", "actix", "node", "fastify", "express", "bun", "deno"], json_answer),
    *[
        Work(f"routes-{count}", f"A parameter of the last of {count:,} route{'s' * (count > 1)}", APPLICATIONS, routes(count))
        for count in (1, 100, 1000)
    ],
    Work("form", "A form of 1 KB is parsed", ["narae", "axum", "actix", "express", "bun"], body("/form", TOLD)),
    Work("json-body", "JSON of 1 KB is parsed", APPLICATIONS, body("/json-body", SUMMARY)),
]
