#!/usr/bin/env python3
"""Hostile targets and clients, all at once; whoever else uses the server must not notice.

While they are at work: every probe of /-/healthy answers 200, queries answer, the healthy target stays up and
is scraped at its interval, the process stays below its bound of memory. Each hostile request gets a clear
refusal. Afterwards the server takes data, answers queries and stops as ever.
"""

import argparse
import collections
import http.client
import http.server
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time

from hostile_clients import ATTACKS, PROTOBUF
from hostile_targets import HostileTarget, make_behaviours

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from server_process import Failure, ServerProcess, free_ports  # noqa: E402
from write_request import snappy, time_series, write_request  # noqa: E402

RESIDENT_BYTES_MAX = 512 << 20
PROBE_SECONDS_MAX = 5
HEALTHY_INTERVAL = 2
ATTACK_SECONDS_MIN = 20  # also when the clients are through earlier: the targets are not


class HealthyPage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"healthy_value 42\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve_healthy(port):
    http.server.ThreadingHTTPServer(("127.0.0.1", port), HealthyPage).serve_forever()


def probe(port, path, interval, stop, results):
    """Asks again and again over new connections; a process of its own, so that nothing here slows it down."""
    took, failures = [], []
    while not stop.is_set():
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                failures.append(f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
        took.append(time.monotonic() - began)
        stop.wait(max(0, interval - took[-1]))
    results.put((took, failures))


class Prober:
    def __init__(self, name, port, path, interval):
        self.name = name
        self.stop_event = multiprocessing.Event()
        self.results = multiprocessing.Queue()
        self.process = multiprocessing.Process(
            target=probe, args=(port, path, interval, self.stop_event, self.results), daemon=True)
        self.process.start()

    def finish(self):
        """The problems found."""
        self.stop_event.set()
        took, failures = self.results.get(timeout=60)
        self.process.join(10)
        took.sort()
        p99 = took[int(len(took) * 0.99)]
        print(f"{self.name}: {len(took)} probes, median {took[len(took) // 2] * 1000:.1f} ms, "
              f"p99 {p99 * 1000:.0f} ms, at most {took[-1] * 1000:.0f} ms")
        problems = [f"{self.name}: {len(failures)} probes failed: {failures[:3]}"] if failures else []
        if took[-1] > PROBE_SECONDS_MAX:
            problems.append(f"{self.name}: a probe took {took[-1]:.1f} s")
        return problems


class MemoryWatch(threading.Thread):
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.highest = 0
        self.running = True

    def run(self):
        while self.running:
            try:
                self.highest = max(self.highest, self.server.resident_bytes())
            except (OSError, AttributeError, Failure):  # it was stopped
                return
            time.sleep(0.05)


def configuration(healthy_port, targets):
    jobs = [f"""
- job_name: healthy
  scrape_interval: {HEALTHY_INTERVAL}s
  scrape_timeout: {HEALTHY_INTERVAL}s
  static_configs: [{{targets: ["127.0.0.1:{healthy_port}"]}}]"""]
    for name, target in targets.items():
        limit = "\n  sample_limit: 10000" if name in ("many_series", "new_series") else ""
        # One whose answer takes longer to read than its interval is.
        interval, timeout = (1, 1) if name == "many_series" else (3, 2)
        jobs.append(f"""
- job_name: {name}
  scrape_interval: {interval}s
  scrape_timeout: {timeout}s{limit}
  static_configs: [{{targets: ["127.0.0.1:{target.port}"]}}]""")
    return "scrape_configs:" + "".join(jobs) + "\n"


def run_attacks(server):
    """All at once; their outcomes, and the attacks that broke."""
    outcomes, broken = [], []

    def run(attack):
        try:
            outcomes.extend(attack(server))
        except Exception as error:  # the thread's own end must not pass for success
            broken.append(f"{attack.__name__}: {error!r}")

    threads = [threading.Thread(target=run, args=(a,), daemon=True) for a in ATTACKS]
    for t in threads:
        t.start()
    end = time.monotonic() + 60
    for t in threads:
        t.join(max(0, end - time.monotonic()))
    broken += [f"{a.__name__} did not end" for a, t in zip(ATTACKS, threads) if t.is_alive()]
    return outcomes, broken


def check_outcomes(outcomes):
    problems = []
    table = collections.Counter()
    for name, outcome, expected in outcomes:
        table[name, str(outcome)] += 1
        if outcome not in expected:
            problems.append(f"{name}: {outcome}, not one of {sorted(map(str, expected))}")
    for (name, outcome), count in sorted(table.items()):
        print(f"  {name}: {outcome}" + (f" ({count} times)" if count > 1 else ""))
    return problems


def check_targets(server, targets, seconds):
    problems = []
    samples = server.query('up{job="healthy"}[10m]')[0]["values"]
    if any(value != "1" for _, value in samples):
        problems.append(f"the healthy target was down: {samples}")
    if len(samples) < seconds / HEALTHY_INTERVAL * 0.7:
        problems.append(f"the healthy target was scraped {len(samples)} times in {seconds:.0f} s")
    times = [t for t, _ in samples]
    pause = max((b - a for a, b in zip(times, times[1:])), default=0)
    print(f"healthy target: {len(samples)} scrapes, at most {pause:.1f} s apart")
    if pause > HEALTHY_INTERVAL * 1.75:
        problems.append(f"the healthy target was not scraped for {pause:.1f} s")
    up = {series["metric"]["job"]: series["value"][1] for series in server.query("up")}
    errors = {t["labels"]["job"]: t["lastError"]
              for t in server.get_json("/api/v1/targets")["data"]["activeTargets"]}
    for name, target in targets.items():
        print(f"  target {name}: up {up.get(name)}, {target.visits} visits, {errors.get(name, '')[:100]}")
        if up.get(name) != "0":
            problems.append(f"target {name}: up is {up.get(name)}")
        if not errors.get(name):
            problems.append(f"target {name}: no error is shown")
        if target.visits == 0:
            problems.append(f"target {name} was never scraped")
    if server.query('count({__name__=~"bomb|endless|a"})'):
        problems.append("a hostile target's samples were stored")
    return problems


def check_afterwards(server):
    problems = []
    now = int(time.time() * 1000)
    body = snappy(write_request([time_series({"__name__": "afterwards"}, [(now, 7.5)])]))
    status, text = server.request("POST", "/api/v1/write", body, PROTOBUF)
    if status != 204:
        problems.append(f"afterwards a push is {status} {text[:200]!r}")
    result = server.query("afterwards * 2")
    if not result or result[0]["value"][1] != "15":
        problems.append(f"afterwards a query gives {result}")
    if not server.query("healthy_value == 42"):
        problems.append("afterwards the healthy target's value is not there")
    return problems


def test(server, targets):
    server.start()
    server.wait_ready()
    probers = [Prober("health", server.port, "/-/healthy", 0.05),
               Prober("query", server.port, "/api/v1/query?query=up", 0.25)]
    began = time.monotonic()
    memory = MemoryWatch(server)
    memory.start()
    outcomes, problems = run_attacks(server)
    time.sleep(max(0, began + ATTACK_SECONDS_MIN - time.monotonic()))
    seconds = time.monotonic() - began
    if server.process.poll() is not None:
        raise Failure(f"the server ended by itself with {server.process.returncode}:\n{server.log_tail()}")
    for p in probers:
        problems += p.finish()
    problems += check_outcomes(outcomes)
    problems += check_targets(server, targets, seconds)
    problems += check_afterwards(server)
    memory.running = False
    print(f"resident memory: at most {memory.highest >> 20} MiB; {seconds:.0f} s")
    if memory.highest > RESIDENT_BYTES_MAX:
        problems.append(f"resident memory reached {memory.highest >> 20} MiB")
    server.stop()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="the executable")
    options = parser.parse_args()
    multiprocessing.set_start_method("fork")
    directory = tempfile.mkdtemp(prefix="sonde-hostile-")
    (healthy_port,) = free_ports(1)
    healthy = multiprocessing.Process(target=serve_healthy, args=(healthy_port,), daemon=True)
    healthy.start()
    targets = {name: HostileTarget(behaviour) for name, behaviour in make_behaviours().items()}
    server = ServerProcess(options.server, directory, configuration(healthy_port, targets))
    try:
        problems = test(server, targets)
    except Failure as failure:
        problems = [str(failure)]
    finally:
        server.abandon()
        healthy.terminate()
        shutil.rmtree(directory, ignore_errors=True)
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
