"""New TLS connections, one request on each: full handshakes with ECDSA P-256, and resumed ones by ticket."""

from contenders import Server
from loads import handshakes
from measure import Work, check, loaded
from works.hello import HELLO

CONTENDERS = ["narae", "hyper-tls", "nginx", "h2o", "caddy", "node"]
# Those that resume each session of TLS 1.3: h2o 2.2.5 and Node make some anew.
RESUMING = [name for name in CONTENDERS if name not in ("h2o", "node")]


def measure_of(resumed):
    def measure(bench, name):
        with Server(name, bench.place) as server:
            check(bench, server, HELLO, tls=True)
            what = f"{name}, {'resumed' if resumed else 'full'} handshakes"
            return loaded(bench, server, lambda seconds: handshakes(server.https, seconds, what, resumed))

    return measure


UNIT = "µs CPU per connection"
WORKS = [
    Work("handshake", "A full TLS handshake and a request", CONTENDERS, measure_of(False), unit=UNIT),
    Work("resumed", "A resumed TLS handshake and a request", RESUMING, measure_of(True), unit=UNIT),
]
