#!/usr/bin/env python3
"""Kills the server again and again under load; what it acknowledged must be there afterwards.

Writers push samples (remote write, OTLP), logs (Loki, OTLP) and traces (OTLP). Every item has an identity and
content computed from it. The ledger knows which items were sent and which of them were answered 2xx. After
kills, what the server's APIs give back is compared: every acknowledged item once and as it was sent, and
nothing that was never sent. An item that was sent but not acknowledged may be there or not.
"""

import argparse
import glob
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

from server_process import Failure, ServerProcess
from write_request import snappy, time_series, write_request

CONFIG = "global: {scrape_interval: 1h}\n"
TRACES_PER_SERVICE = 200  # a search answers at most 1,500
MIX = 0x9E3779B97F4A7C15


def mix(writer, n):
    """53 bits that belong to this item and no other: exact as a double."""
    x = (writer * 1_000_003 + n + 1) * MIX & (1 << 64) - 1
    x ^= x >> 29
    return x * 0xBF58476D1CE4E5B9 % (1 << 53)


def filler(writer, n, bytes_max):
    """Text that makes items as long as real ones, some of them much longer."""
    x = mix(writer, n)
    return f"{x:014x}" * (x % (bytes_max // 14))


class Server:
    """The process as the writers see it: they wait while it is down."""

    def __init__(self, process):
        self.process = process
        self.up = threading.Event()


class Writer(threading.Thread):
    """Sends batches of items with ascending numbers over one connection at a time, and keeps its
    ledger: `acknowledged` and `next` are all there is to know."""

    path = ""
    content_type = "application/json"
    port_name = "port"
    headers = {}
    batch_max = 20
    pause = 0.004

    def __init__(self, server, number, seed):
        super().__init__(daemon=True)
        self.server = server
        self.number = number
        self.random = random.Random(seed * 1000 + number)
        self.start_ms = int(time.time() * 1000) - 3_600_000
        self.next = 0              # items below it were sent, or their connection broke while they were
        self.acknowledged = set()  # numbers
        self.batches = 0
        self.retried = 0
        self.problems = []
        self.go = threading.Event()
        self.idle = threading.Event()
        self.ended = False

    def run(self):
        connection = None
        while not self.ended:
            if not self.go.is_set():
                self.idle.set()
                self.go.wait()
                self.idle.clear()
                continue
            first, last = self.next, self.next + self.random.randint(1, self.batch_max)
            body = self.body(range(first, last))
            attempts = 1 + self.random.randint(0, 1) * self.retries
            for attempt in range(attempts):
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection(
                            "127.0.0.1", getattr(self.server.process, self.port_name), timeout=20)
                        connection.connect()
                except OSError:
                    connection = None
                    time.sleep(0.01)
                    continue
                self.next = last
                try:
                    connection.request("POST", self.path, body,
                                       {"Content-Type": self.content_type, **self.headers})
                    answer = connection.getresponse()
                    status, text = answer.status, answer.read()
                except (OSError, http.client.HTTPException):
                    connection.close()
                    connection = None
                    self.retried += attempt + 1 < attempts
                    self.wait_for_server()
                    continue
                self.note(status, text, range(first, last), attempt)
                break
            time.sleep(self.pause * self.random.random() * 2)

    retries = 0  # 1: half of the batches whose answer was lost are sent again, once

    def wait_for_server(self):
        """Before a batch is sent again, or a repetition would find nobody."""
        self.server.up.wait(2)

    def note(self, status, text, numbers, attempt):
        if 200 <= status < 300:
            if self.partly_rejected(text):
                self.problems.append(f"{self.name_of()}: an item was rejected: {text[:200]!r}")
                return
            self.acknowledged.update(numbers)
            self.batches += 1
        elif status == 400 and attempt > 0:
            pass  # the first attempt was stored; its samples are now older than the newest
        elif status != 503:  # 503: the server is stopping; not acknowledged
            self.problems.append(f"{self.name_of()}: {status} {text[:200]!r}")

    def partly_rejected(self, text):
        return False

    def name_of(self):
        return f"{type(self).__name__} {self.number}"


class SampleWriter(Writer):
    """Ascending timestamps in a handful of series; the value belongs to writer and timestamp."""

    metric = "ledger_pushed"
    path = "/api/v1/write"
    content_type = "application/x-protobuf"
    headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
    lanes = 3
    retries = 1

    def value(self, n):
        return mix(self.number, n) + 0.0

    def lane_samples(self, numbers):
        lanes = {}
        for n in numbers:
            lanes.setdefault(n % self.lanes, []).append((self.start_ms + n, self.value(n)))
        return lanes

    def labels(self, lane):
        return {"__name__": self.metric, "writer": str(self.number), "lane": str(lane)}

    def body(self, numbers):
        return snappy(write_request(
            [time_series(self.labels(lane), samples)
             for lane, samples in self.lane_samples(numbers).items()]))

    def verify(self, server):
        found = set()
        for series in server.query(f'{self.metric}{{writer="{self.number}"}}[3h]'):
            lane = int(series["metric"]["lane"])
            for t, text in series["values"]:
                n = round(t * 1000) - self.start_ms
                if not 0 <= n < self.next or n % self.lanes != lane:
                    raise Failure(f"{self.name_of()}: sample {n} of lane {lane} was never sent")
                if n in found:
                    raise Failure(f"{self.name_of()}: sample {n} is there twice")
                if float(text) != self.value(n):
                    raise Failure(f"{self.name_of()}: sample {n} is {text}, was {self.value(n)!r}")
                found.add(n)
        self.compare(found, "sample")

    def compare(self, found, what):
        lost = self.acknowledged - found
        if lost:
            raise Failure(f"{self.name_of()}: {len(lost)} acknowledged {what}s are lost, "
                          f"the first {sorted(lost)[:5]} of {self.next}")


class OtlpSampleWriter(SampleWriter):
    metric = "ledger_gauge"
    path = "/v1/metrics"
    content_type = "application/json"
    port_name = "otlp_port"
    headers = {}
    retries = 0

    def body(self, numbers):
        points = []
        for lane, samples in self.lane_samples(numbers).items():
            for t, v in samples:
                points.append({"attributes": attributes(writer=str(self.number), lane=str(lane)),
                               "timeUnixNano": str(t * 1_000_000), "asDouble": v})
        return json.dumps({"resourceMetrics": [{
            "resource": {"attributes": attributes(**{"service.name": "ledger"})},
            "scopeMetrics": [{"metrics": [{"name": self.metric, "gauge": {"dataPoints": points}}]}]}]})

    def partly_rejected(self, text):
        return rejected(text)


class LogWriter(Writer):
    """Lines with ascending nanoseconds; a line names its item and holds its filler."""

    path = "/loki/api/v1/push"
    service = "ledger-loki"

    def line(self, n):
        return f"item writer={self.number} n={n} {filler(self.number, n, 4000)}"

    def time_ns(self, n):
        return (self.start_ms + n) * 1_000_000 + n % 1000

    def body(self, numbers):
        return json.dumps({"streams": [{
            "stream": {"service_name": self.service, "writer": str(self.number)},
            "values": [[str(self.time_ns(n)), self.line(n)] for n in numbers]}]})

    def verify(self, server):
        selector = f'{{service_name="{self.service}"}} |= "item writer={self.number} "'
        found = set()
        start, end = self.time_ns(0), self.time_ns(self.next) + 1
        while True:
            data = server.get_json("/loki/api/v1/query_range", {
                "query": selector, "start": start, "end": end, "limit": 1000, "direction": "forward"})
            entries = [entry for stream in data["data"]["result"] for entry in stream["values"]]
            for entry in entries:
                t = int(entry[0])
                n = t // 1_000_000 - self.start_ms
                if not 0 <= n < self.next or t != self.time_ns(n):
                    raise Failure(f"{self.name_of()}: a line at {t} was never sent")
                if entry[1] != self.line(n):
                    raise Failure(f"{self.name_of()}: line {n} is {entry[1][:80]!r}")
                if n in found:
                    raise Failure(f"{self.name_of()}: line {n} is there twice")
                found.add(n)
            if len(entries) < 1000:
                break
            start = max(int(entry[0]) for entry in entries) + 1
        lost = self.acknowledged - found
        if lost:
            raise Failure(f"{self.name_of()}: {len(lost)} acknowledged lines are lost, the first "
                          f"{sorted(lost)[:5]} of {self.next}")


class OtlpLogWriter(LogWriter):
    path = "/v1/logs"
    port_name = "otlp_port"
    service = "ledger-otlp"

    def body(self, numbers):
        return json.dumps({"resourceLogs": [{
            "resource": {"attributes": attributes(**{"service.name": self.service})},
            "scopeLogs": [{"logRecords": [
                {"timeUnixNano": str(self.time_ns(n)), "severityNumber": 9,
                 "body": {"stringValue": self.line(n)}} for n in numbers]}]}]})

    def partly_rejected(self, text):
        return rejected(text)


class TraceWriter(Writer):
    """Item n is a whole trace of one to four spans, sent in one request."""

    path = "/v1/traces"
    port_name = "otlp_port"
    batch_max = 3

    def __init__(self, server, number, seed):
        super().__init__(server, number, seed)
        self.salt = self.random.getrandbits(32) | 1

    def service(self, n):
        return f"ledger-{self.number}-{n // TRACES_PER_SERVICE}"

    def trace_id(self, n):
        return f"{self.salt:08x}{self.number:08x}{n:016x}"

    def spans(self, n):
        """span id → value of its attribute"""
        count = mix(self.number, n) % 4 + 1
        return {f"{self.number + 1:04x}{n:010x}{k:02x}": f"{k}:{filler(self.number, n * 4 + k, 3000)}"
                for k in range(count)}

    def body(self, numbers):
        out = []
        for n in numbers:
            start = (self.start_ms + n) * 1_000_000
            out.append({
                "resource": {"attributes": attributes(**{"service.name": self.service(n)})},
                "scopeSpans": [{"spans": [
                    {"traceId": self.trace_id(n), "spanId": span, "name": f"step {n}", "kind": 2,
                     "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 1_000_000),
                     "attributes": attributes(item=value)} for span, value in self.spans(n).items()]}]})
        return json.dumps({"resourceSpans": out})

    def partly_rejected(self, text):
        return rejected(text)

    def check_trace(self, trace, n):
        expected = self.spans(n)
        seen = set()
        for span in trace["spans"]:
            span_id = span["spanID"].zfill(16)
            if span_id not in expected:
                raise Failure(f"{self.name_of()}: span {span_id} of trace {n} was never sent")
            if span_id in seen:
                raise Failure(f"{self.name_of()}: span {span_id} of trace {n} is there twice")
            seen.add(span_id)
            value = next((t["value"] for t in span["tags"] if t["key"] == "item"), None)
            if value != expected[span_id]:
                raise Failure(f"{self.name_of()}: span {span_id} of trace {n} holds {value!r:.80}")
        if len(seen) != len(expected):
            raise Failure(f"{self.name_of()}: trace {n} has {len(seen)} of its {len(expected)} spans")

    def verify(self, server):
        """All of them through searches; some, the newest above all, by their ids too."""
        found = set()
        for first in range(0, self.next, TRACES_PER_SERVICE):
            traces = server.get_json("/api/traces", {
                "service": self.service(first), "limit": 1500,
                "start": (self.start_ms - 1000) * 1000, "end": (self.start_ms + self.next + 1000) * 1000})
            for trace in traces["data"]:
                identity = trace["traceID"].zfill(32)
                n = int(identity[16:], 16)
                if n >= self.next or identity != self.trace_id(n) or n // TRACES_PER_SERVICE != \
                        first // TRACES_PER_SERVICE:
                    raise Failure(f"{self.name_of()}: trace {identity} was never sent")
                if n in found:
                    raise Failure(f"{self.name_of()}: trace {n} is there twice")
                self.check_trace(trace, n)
                found.add(n)
        lost = self.acknowledged - found
        if lost:
            raise Failure(f"{self.name_of()}: {len(lost)} acknowledged traces are lost, the first "
                          f"{sorted(lost)[:5]} of {self.next}")
        ordered = sorted(self.acknowledged)
        by_id = set(ordered[-100:]) | set(self.random.sample(ordered, min(300, len(ordered))))
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for n in by_id:
            connection.request("GET", "/api/traces/" + self.trace_id(n))
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Failure(f"{self.name_of()}: /api/traces/{self.trace_id(n)}: {answer.status}")
            self.check_trace(json.loads(body)["data"][0], n)
        connection.close()


def attributes(**values):
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def rejected(text):
    partial = json.loads(text or b"{}").get("partialSuccess") or {}
    return any(int(value) for key, value in partial.items() if key.startswith("rejected"))


class Test:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.directory = tempfile.mkdtemp(prefix="sonde-kill-")
        self.process = ServerProcess(options.server, self.directory, CONFIG)
        self.server = Server(self.process)
        kinds = [SampleWriter, SampleWriter, OtlpSampleWriter, LogWriter, OtlpLogWriter, TraceWriter]
        self.writers = [kind(self.server, i, options.seed) for i, kind in enumerate(kinds)]
        self.logs_by_count = False
        self.start_seconds = []

    def writers_of(self, kind):
        return [w for w in self.writers if isinstance(w, kind)]

    def start(self):
        began = time.monotonic()
        self.process.start()
        self.process.wait_ready()
        self.start_seconds.append(time.monotonic() - began)
        self.server.up.set()

    def kill(self):
        self.server.up.clear()
        self.process.kill()

    def cycle(self):
        """One life of the server, ended by kill -9 at a random instant: at work, starting or stopping."""
        kind = self.random.random()
        if kind < 0.15:
            self.process.start()
            time.sleep(self.random.uniform(0, 0.1))
            self.process.kill()
            return
        self.start()
        time.sleep(self.random.uniform(0.02, self.options.life))
        if kind < 0.4:
            self.process.terminate()
            time.sleep(self.random.uniform(0, 0.05))
            # It may be gone already, which is a clean stop and no kill; that is fine as long as it is rare.
            if self.process.process.poll() is None:
                self.kill()
                return
            self.server.up.clear()
            self.process.abandon()
            self.start()
            time.sleep(self.random.uniform(0.02, self.options.life))
        self.kill()

    def verify(self, last):
        """With the writers at rest."""
        for w in self.writers:
            w.go.clear()
        self.start()
        for w in self.writers:
            if not w.idle.wait(60):
                raise Failure(f"{w.name_of()} does not come to rest")
        problems = [p for w in self.writers for p in w.problems]
        if problems:
            raise Failure(f"{len(problems)} requests were refused: " + "; ".join(problems[:5]))
        self.verify_names()
        self.verify_counts()
        status, _ = self.process.request("GET", "/loki/api/v1/labels")
        self.logs_by_count = status == 404
        for w in self.writers:
            if self.logs_by_count and isinstance(w, LogWriter):
                continue
            w.verify(self.process)
        if last:
            self.process.stop()
        else:
            self.kill()
        for w in self.writers:
            w.go.set()

    def verify_names(self):
        for series in self.process.query('group by (__name__, writer) (last_over_time({writer=~".+"}[3h]))'):
            labels = series["metric"]
            known = {(w.metric, str(w.number)) for w in self.writers_of(SampleWriter)}
            if (labels.get("__name__"), labels.get("writer")) not in known:
                raise Failure(f"series {labels} were never sent")
        known = {w.service(n) for w in self.writers_of(TraceWriter)
                 for n in range(0, w.next + TRACES_PER_SERVICE, TRACES_PER_SERVICE)}
        strange = set(self.process.get_json("/api/services")["data"]) - known
        if strange:
            raise Failure(f"services {strange} were never sent")

    def verify_counts(self):
        """Stored events lie between what was acknowledged and what was sent: nothing twice, nothing more."""
        for signal in ("logs", "spans"):
            acknowledged = sent = 0
            for w in self.writers_of(LogWriter if signal == "logs" else TraceWriter):
                size = (lambda n: 1) if signal == "logs" else (lambda n, w=w: len(w.spans(n)))
                acknowledged += sum(size(n) for n in w.acknowledged)
                sent += sum(size(n) for n in range(w.next))
            held = self.process.own_metric(f'sonde_events_records{{signal="{signal}"}}')
            if not acknowledged <= held <= sent:
                raise Failure(f"{held:.0f} {signal} are held; {acknowledged} were acknowledged, {sent} sent")
            damaged = self.process.own_metric(f'sonde_events_damaged{{signal="{signal}"}}')
            if damaged:
                raise Failure(f"{damaged:.0f} pieces of {signal} were set aside as damaged")

    def run(self):
        began = time.monotonic()
        cycles = self.options.cycles
        every = max(1, cycles // 4)
        for w in self.writers:
            w.go.set()
            w.start()
        for i in range(1, cycles + 1):
            self.cycle()
            if i % every == 0 and i < cycles:
                self.verify(last=False)
                print(f"{i} kills, {time.monotonic() - began:.0f} s: "
                      f"{sum(len(w.acknowledged) for w in self.writers)} items acknowledged, all there",
                      flush=True)
        self.verify(last=True)
        for w in self.writers:
            got = len(w.acknowledged)
            print(f"  {w.name_of()}: {got} of {w.next} items acknowledged in {w.batches} requests, "
                  f"{w.retried} sent again")
            if got < cycles:
                raise Failure(f"{w.name_of()}: hardly anything was acknowledged: the test proves nothing")
        starts = sorted(self.start_seconds)
        print(f"{cycles} kills, {time.monotonic() - began:.0f} s: nothing acknowledged is lost, nothing is "
              f"twice, nothing invented; "
              f"start in {starts[len(starts) // 2]:.2f} s, at most {starts[-1]:.2f} s")
        parts = [len(glob.glob(f"{self.directory}/data/{kind}/parts/*.part")) for kind in ("logs", "spans")]
        print(f"part files: {parts[0]} of logs, {parts[1]} of spans")
        if self.logs_by_count:
            print("LOGS WERE ONLY COUNTED: this server has no /loki/api/v1/query_range")

    def end(self, keep):
        for w in self.writers:
            w.ended = True
            w.go.set()
        self.process.abandon()
        if keep:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="the executable")
    parser.add_argument("--cycles", type=int, default=50, help="how often the server is killed")
    parser.add_argument("--life", type=float, default=0.9, help="how long it lives at most, in seconds")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--keep", action="store_true", help="keep the data when something is wrong")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    test = Test(options)
    try:
        test.run()
    except Failure as failure:
        print(f"FAILED (seed {options.seed}): {failure}")
        test.end(options.keep)
        return 1
    except BaseException:
        test.end(options.keep)
        raise
    test.end(False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
