"""Hello over TLS 1.3: HTTP/1.1 on keep-alive connections, and HTTP/2 with many streams or many connections."""

from contenders import Server
from loads import wrk
from measure import Work, check, loaded
from works.files import loaded_by_h2load
from works.hello import HELLO

CONTENDERS = ["narae", "hyper-tls", "nginx", "h2o", "caddy", "node"]


def keep_alive(bench, name):
    with Server(name, bench.place) as server:
        check(bench, server, HELLO, tls=True)
        url = server.url(tls=True)
        return loaded(bench, server, lambda seconds: wrk(url, seconds, f"{name}, tls", openssl=bench.place.openssl))


def streams(connections, count):
    def measure(bench, name):
        with Server(name, bench.place) as server:
            check(bench, server, HELLO, h2=True)
            url, what = server.url(tls=True), f"{name}, h2 {connections}×{count}"
            return loaded_by_h2load(bench, server, url, what, connections, count, len(HELLO))

    return measure


WORKS = [
    Work("tls", "Hello over TLS, 64 keep-alive connections", CONTENDERS, keep_alive),
    Work("h2-16x32", "Hello over HTTP/2, 16 connections of 32 streams", CONTENDERS, streams(16, 32)),
    Work("h2-1x100", "Hello over HTTP/2, 1 connection of 100 streams", CONTENDERS, streams(1, 100)),
]
