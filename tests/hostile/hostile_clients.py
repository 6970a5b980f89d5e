"""Clients that misbehave. Each attack returns (name, outcome, what would be right) of every request it made;
an outcome is a status, or "closed" where the server ended the connection without one."""

import json
import os
import socket
import struct
import sys
import time

from hostile_targets import gzip_bomb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from write_request import snappy, varint  # noqa: E402

CLOSED = "closed"
NOTHING = "no answer"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PROTOBUF = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
JSON = {"Content-Type": "application/json"}


def connect(port, timeout=30):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return s


def request_head(path, headers, method="POST"):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"] + [f"{k}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def outcome_of(s, seconds=30):
    """Waits for a status line."""
    s.settimeout(seconds)
    got = b""
    try:
        while b"\r\n" not in got and len(got) < 4096:
            piece = s.recv(4096)
            if not piece:
                break
            got += piece
    except (ConnectionError, BrokenPipeError):
        pass
    except socket.timeout:
        return NOTHING
    parts = got.split(b" ", 2)
    if got.startswith(b"HTTP/1.1 ") and parts[1].isdigit():
        return int(parts[1])
    return CLOSED


def exchange(port, data, seconds=30):
    with connect(port) as s:
        try:
            s.sendall(data)
        except OSError:
            pass  # it has answered, and reads no more
        return outcome_of(s, seconds)


def post(port, path, headers, body):
    return exchange(port, request_head(path, {**headers, "Content-Length": len(body)}) + body)


def half_open(server):
    """600 connections: a third says nothing, a third half a request line, a third half a head."""
    pieces = [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "]
    sockets = []
    for i in range(600):
        s = connect(server.port)
        s.sendall(pieces[i % 3])
        sockets.append(s)
    end = time.monotonic() + 30
    out = []
    for i, s in enumerate(sockets):
        with s:
            outcome = outcome_of(s, max(0.1, end - time.monotonic()))
        out.append(("half-open connection", outcome, {408, CLOSED} if i % 3 else {CLOSED}))
    return out


def slow_bodies(server):
    """Twice as many as the server can have handlers, at one byte a second."""
    out = []
    sockets = []
    for i in range(40):
        s = connect(server.port if i % 2 else server.otlp_port)
        path, headers = [("/v1/logs", JSON), ("/api/v1/write", PROTOBUF)][i % 2]
        s.sendall(request_head(path, {**headers, "Content-Length": 1000}))
        sockets.append(s)
    for _ in range(20):
        for s in sockets:
            try:
                s.sendall(b"{")
            except OSError:
                pass
        time.sleep(1)
        # One that has been answered stays answered: enough when the first of them is through.
        if all(has_data(s) for s in sockets):
            break
    for s in sockets:
        with s:
            out.append(("body at 1 B/s", outcome_of(s, 5), {408}))
    return out


def has_data(s):
    s.setblocking(False)
    try:
        s.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        s.setblocking(True)


def endless_bodies(server):
    """Each must be refused, and then cut off however much more comes."""
    out = []
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for path, headers in [("/loki/api/v1/push", JSON), ("/v1/traces", JSON), ("/api/v1/write", PROTOBUF),
                          ("/api/v1/query", FORM)]:
        outcome = None
        with connect(server.port) as s:
            s.sendall(request_head(path, {**headers, "Transfer-Encoding": "chunked"}))
            end = time.monotonic() + 20
            cut = "went on for 20 s"
            while time.monotonic() < end:
                try:
                    s.sendall(piece)
                except OSError:
                    cut = CLOSED
                    break
                if outcome is None and has_data(s):
                    outcome = outcome_of(s)
            out.append((f"endless body to {path}", outcome or outcome_of(s, 1), {400, 413}))
            out.append((f"endless body to {path}, after the refusal", cut, {CLOSED}))
    return out


def bombs(server):
    bomb = gzip_bomb(1024)
    out = []
    for path, content_type, expected in [
        ("/v1/logs", "application/json", {413}),
        ("/loki/api/v1/push", "application/json", {413}),
        ("/v1/traces", "application/x-protobuf", {413}),
        ("/api/v1/write", "application/x-protobuf", {415}),  # which knows snappy alone
    ]:
        outcome = post(server.port, path, {"Content-Type": content_type, "Content-Encoding": "gzip"}, bomb)
        out.append((f"gzip bomb to {path}", outcome, expected))
    return out


def nesting(server):
    deep = 20_000
    out = []
    parentheses = b"(" * deep + b"1" + b")" * deep
    for path in ["/api/v1/query", "/loki/api/v1/query"]:
        outcome = post(server.port, path, FORM, b"query=" + parentheses)
        out.append((f"nested parentheses to {path}", outcome, {400}))
        outcome = post(server.port, path, FORM, b"query=" + b"-" * deep + b"1")
        out.append((f"chained signs to {path}", outcome, {400}))
        outcome = post(server.port, path, FORM, b"query=" + b"%2B".join([b"1"] * deep))
        out.append((f"long sum to {path}", outcome, {400}))
    outcome = exchange(server.port, request_head("/api/v1/query?query=" + parentheses.decode(), {}, "GET"))
    out.append(("nested parentheses in the target", outcome, {414}))
    for path in ["/v1/logs", "/v1/traces", "/v1/metrics", "/loki/api/v1/push"]:
        outcome = post(server.port, path, JSON, b"[" * deep + b"]" * deep)
        out.append((f"nested arrays to {path}", outcome, {400}))
        outcome = post(server.port, path, JSON, b'{"a":' * deep + b"1" + b"}" * deep)
        out.append((f"nested objects to {path}", outcome, {200, 204, 400}))
    value = b'{"arrayValue":{"values":[' * 5000 + b"]}}" * 5000
    outcome = post(server.port, "/v1/logs", JSON,
                   b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + value + b"}]}]}]}")
    out.append(("nested values of a record", outcome, {200, 400}))
    line = json.dumps("{\"a\":" * deep + "1" + "}" * deep).encode()
    outcome = post(server.port, "/loki/api/v1/push", JSON,
                   b'{"streams":[{"stream":{"app":"deep"},"values":[["%d",%s]]}]}'
                   % (time.time_ns(), line))
    out.append(("a line of nested JSON", outcome, {204}))
    # An AnyValue of protobuf that holds an array that holds an AnyValue …
    any_value = b"\x0a\x01x"
    while len(any_value) < 60_000:
        array = b"\x0a" + varint(len(any_value)) + any_value
        any_value = b"\x2a" + varint(len(array)) + array
    record = b"\x2a" + varint(len(any_value)) + any_value
    for _ in range(3):  # LogRecord in ScopeLogs (2) in ResourceLogs (2) in the request (1)
        record = b"\x12" + varint(len(record)) + record
    record = b"\x0a" + record[1:]
    outcome = post(server.port, "/v1/logs", {"Content-Type": "application/x-protobuf"}, record)
    out.append(("nested values in protobuf", outcome, {200, 400, 413}))
    return out


def lies(server):
    out = []

    def one(name, data, expected, port=None, seconds=20):
        out.append((name, exchange(port or server.port, data, seconds), expected))

    def lying_head(*lines):
        return ("POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                + "".join(line + "\r\n" for line in lines) + "\r\n").encode()

    one("length beyond 64 bits", lying_head("Content-Length: 99999999999999999999") + b"{}", {400, 413})
    one("length of terabytes", lying_head("Content-Length: 9999999999999") + b"{}", {413})
    one("negative length", lying_head("Content-Length: -1") + b"{}", {400})
    one("two lengths", lying_head("Content-Length: 2", "Content-Length: 3") + b"{}", {400})
    one("length and chunks",
        lying_head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n", {400})
    one("chunk beyond 64 bits", lying_head("Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n{}", {400})
    one("chunk of exabytes", lying_head("Transfer-Encoding: chunked") + b"7fffffffffffffff\r\n{}",
        {400, 408, 413})
    one("chunk without end", lying_head("Transfer-Encoding: chunked") + b"2\r\n{}XX", {400, 408})
    one("head of 64 KiB", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 65536 + b"\r\n\r\n", {431})
    one("thousand fields", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 1000 + b"\r\n", {431})
    one("garbage", os.urandom(4096) + b"\r\n\r\n", {400, CLOSED})
    one("garbage to the gRPC port", os.urandom(4096) + b"\r\n\r\n", {400, CLOSED}, server.grpc_port)
    one("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), {400, 408, CLOSED})
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    one("an HTTP/2 frame of 16 MiB",
        preface + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + bytes(65536), {CLOSED}, server.grpc_port)
    with connect(server.port) as s:
        s.sendall(lying_head("Content-Length: 100") + b"{")
        s.shutdown(socket.SHUT_WR)
        out.append(("body shorter than its length", outcome_of(s), {400, 408, CLOSED}))
    for name, body in [
        ("snappy of 4 GiB in ten bytes", b"\xff\xff\xff\xff\x0f" + b"12345"),
        ("snappy length beyond 32 bits", b"\xff" * 9 + b"\x01" + b"12345"),
        ("snappy that is too short", varint(1 << 20) + b"\x00a"),
        ("snappy that copies from before its start", varint(10) + b"\x01\x40"),
        ("protobuf longer than the body", snappy(b"\x0a\xff\xff\xff\xff\x07abc")),
        ("protobuf of endless varints", snappy(b"\xff" * 100)),
        ("protobuf that is none", snappy(os.urandom(1000))),
    ]:
        out.append((name, post(server.port, "/api/v1/write", PROTOBUF, body), {400, 413}))
    frame = struct.pack(">BI", 0, 0x7FFFFFFF)
    out.append(("gRPC frame over HTTP/1", post(server.grpc_port,
                "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                {"Content-Type": "application/grpc"}, frame), {200, 400, 415, 505, CLOSED}))
    return out


def deaf_readers(server):
    """Ask for long answers, and never read them."""
    sockets = []
    for _ in range(40):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(30)
        s.connect(("127.0.0.1", server.port))
        s.sendall(request_head("/metrics", {}, "GET") * 200)
        sockets.append(s)
    time.sleep(8)
    for s in sockets:
        s.close()
    return []


ATTACKS = [half_open, slow_bodies, endless_bodies, bombs, nesting, lies, deaf_readers]
