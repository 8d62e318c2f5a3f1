# A small server that knows nothing of narae: it inherits its socket, says when it is ready, and finishes on SIGTERM.
import os
import select
import signal
import socket

assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
listener = socket.socket(fileno=3)
listener.setblocking(False)
reads, writes = os.pipe()
os.set_blocking(writes, False)
signal.set_wakeup_fd(writes)
signal.signal(signal.SIGTERM, lambda number, frame: None)

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    address = os.environ["NOTIFY_SOCKET"]
    manager.sendto(b"READY=1\nSTATUS=python", "\0" + address[1:] if address[0] == "@" else address)

while True:
    ready, _, _ = select.select([listener, reads], [], [])
    if reads in ready:
        break
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        continue
    with connection:
        connection.settimeout(10)
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        if request.startswith(b"GET /abort "):
            os.abort()
        body = str(os.getpid()).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)
