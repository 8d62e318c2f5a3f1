"""Opens N keep-alive connections, asks on each, keeps all open, asks on each again. Counts every answer."""

import resource
import socket
import sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
count = min(count, hard - 100) if hard != resource.RLIM_INFINITY else count

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def ask(connection):
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"hello"):
        part = connection.recv(4096)
        if not part:
            raise SystemExit(f"closed after {answer!r}")
        answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"wrong answer {answer!r}")


connections = []
answers = 0
for _ in range(count):
    connections.append(socket.create_connection((host, port), timeout=60))
    ask(connections[-1])
    answers += 1
for connection in connections:
    ask(connection)
    answers += 1
print(f"{answers} answers on {len(connections)} connections")
