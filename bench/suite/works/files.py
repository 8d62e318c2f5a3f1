"""Static files, plain, over TLS and over HTTP/2: each answer is the whole file as it is.

curl fetches the file before each measurement and every byte is compared; after it the bytes that came must be
enough for the requests. With large files the generator is the slower side: look at requests/s beside the cost.
"""

from contenders import Server
from loads import h2load, wrk
from machine import Failed
from measure import Work, check, loaded
from place import SIZES

NAMES = {"1k": "1 KiB", "10k": "10 KiB", "1m": "1 MiB"}
WAYS = {"plain": ("file", ""), "tls": ("tls-file", " over TLS"), "h2": ("h2-file", " over HTTP/2, 16 × 32 streams")}
CONTENDERS = ["narae", "nginx", "h2o", "caddy", "tower-http"]
H2_CONNECTIONS, H2_STREAMS = 16, 32


def file(way, size):
    def measure(bench, name):
        place = bench.place
        path, what = place.paths[size][0], f"{name}, {way} {size}"
        with Server(name, place) as server:
            check(bench, server, (place.root / path[1:]).read_bytes(), path, tls=way == "tls", h2=way == "h2")
            url = server.url(path, way != "plain")
            if way == "h2":
                return loaded_by_h2load(bench, server, url, what, H2_CONNECTIONS, H2_STREAMS, SIZES[size])

            def load(seconds):
                done = wrk(url, seconds, what, openssl=place.openssl)
                if done["bytes"] < done["requests"] * SIZES[size]:
                    raise Failed(f"{what}: {done['requests']} answers had only {done['bytes']} bytes together")
                return done

            return loaded(bench, server, load)

    return measure


def loaded_by_h2load(bench, server, url, what, connections, streams, size):
    """For a second to warm up, then as many requests as that makes likely to take the time asked for: after a
    number of requests none is left half answered, which would be hundreds of them."""
    openssl, rate = bench.place.openssl, 0.0

    def warm_up(seconds):
        nonlocal rate
        done = h2load(url, what, connections, streams, openssl, seconds=seconds)
        rate = done["requests"] / done["seconds"]

    def load(seconds):
        count = max(connections * streams, round(rate * seconds))
        done = h2load(url, what, connections, streams, openssl, count=count)
        if done["body_bytes"] != count * size:
            raise Failed(f"{what}: {count} answers had bodies of {done['body_bytes']} bytes together")
        return done

    return loaded(bench, server, load, warm_up=warm_up)


WORKS = [
    Work(f"{WAYS[way][0]}-{size}", f"A file of {NAMES[size]}{WAYS[way][1]}", CONTENDERS, file(way, size))
    for way in WAYS
    for size in NAMES
]
