"""The works: what is asked of the contenders, one module for each kind, in the order of the report."""

from works import files, handshakes, hello, idle, overload, reload, scaling, sessions, startup, tls

MODULES = [hello, files, tls, handshakes, sessions, idle, startup, scaling, overload, reload]
WORKS = {work.name: work for module in MODULES for work in module.WORKS}
