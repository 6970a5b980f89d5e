"""Scrape targets that misbehave, each in a way of its own, over raw sockets."""

import gzip
import io
import random
import socket
import struct
import threading
import time
import zlib

TEXT = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"


def head(extra=b"", status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + TEXT + extra + b"\r\n"


def whole(body, extra=b""):
    return head(b"Content-Length: %d\r\n" % len(body) + extra) + body


def gzip_bomb(megabytes):
    """A gzip stream that never comes to its end honestly: some thousand times smaller than what it holds."""
    piece = b"a 1\n" * (1 << 18)  # a MiB
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
    buffer = io.BytesIO()
    gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0).close()
    return buffer.getvalue()[:10] + block * megabytes


def million_labels():
    return b"bomb{" + b",".join(b'l%d="v"' % i for i in range(1_000_000)) + b"} 1\n"


def many_series(count):
    return b"".join(b'bomb{i="%d"} 1\n' % i for i in range(count))


class NewSeries:
    """Other ones at every visit: what the server keeps of them adds up."""

    def __init__(self, count, end=b""):
        self.text = many_series(count) + end
        self.visits = 0

    def __call__(self, connection):
        self.visits += 1
        connection.sendall(whole(self.text.replace(b'"} 1', b'-%d"} 1' % self.visits)))


def hang(connection):
    while connection.recv(4096):
        pass


def drip(connection):
    connection.sendall(head(b"Content-Length: 1000000\r\n"))
    while True:
        connection.sendall(b"a")
        time.sleep(1)


def drip_head(connection):
    for byte in head():
        connection.sendall(bytes([byte]))
        time.sleep(0.5)


def endless(connection):
    connection.sendall(head())
    piece = b"endless 1\n" * 6000
    while True:
        connection.sendall(piece)


def endless_head(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: " + b"x" * 8000 + b"\r\n"
    while True:
        connection.sendall(line)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sending(data):
    def run(connection):
        connection.sendall(data)
    return run


def make_behaviours():
    noise = random.Random(1).randbytes(100_000)
    return {
        "hang": hang,
        "drip": drip,
        "drip_head": drip_head,
        "endless": endless,
        "endless_head": endless_head,
        "gzip_bomb": sending(head(b"Content-Encoding: gzip\r\n") + gzip_bomb(1024)),
        "million_labels": sending(whole(million_labels())),
        "many_series": sending(whole(many_series(2_000_000))),
        "new_series": NewSeries(200_000),
        "new_series_then_garbage": NewSeries(50_000, b"a{\n"),
        "nested_braces": sending(whole(b"a{" * 20_000 + b"}" * 20_000 + b" 1\n")),
        "length_too_large": sending(head(b"Content-Length: 1000\r\n") + b"a 1\n"),
        "length_absurd": sending(head(b"Content-Length: 99999999999999999999\r\n") + b"a 1\n"),
        "chunk_absurd": sending(head(b"Transfer-Encoding: chunked\r\n") + b"ffffffffffffffff\r\na 1\n"),
        "gzip_that_is_none": sending(whole(b"a 1\n", b"Content-Encoding: gzip\r\n")),
        "garbage_body": sending(whole(noise)),
        "garbage": sending(noise),
        "redirect_loop": sending(head(b"Location: /metrics\r\nContent-Length: 0\r\n", b"302 Found")),
        "reset": reset,
        "blank_lines": sending(whole(b"\n" * 1_000_000 + b"a{\n")),
    }


class HostileTarget:
    """Listens on a port of its own, and treats every scrape in the same bad way."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                connection.settimeout(30)
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    request += piece
                self.visits += 1
                self.behaviour(connection)
            except OSError:
                pass
