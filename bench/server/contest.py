"""sonde beside Prometheus: the same data and the same questions, one after the other, on empty folders."""
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from server import load
from server.contestant import Contestant

RATE = "sum by (job) (rate(http_requests_total[5m]))"
QUERIES = [  # name, expression, range query?
    ("instant_count", 'count by (__name__) ({job="api"})', False),
    ("instant_rate_by_status", "sum by (status) (rate(http_requests_total[5m]))", False),
    ("instant_scan_1h", "sum(count_over_time(http_request_duration_seconds_bucket[1h]))", False),
    ("instant_topk", "topk(10, sum by (instance) (worker_queue_depth))", False),
    ("range_rate", RATE, True),
    ("range_error_ratio", 'sum by (endpoint) (rate(http_requests_total{status="500"}[5m])) '
                          "/ sum by (endpoint) (rate(http_requests_total[5m]))", True),
    ("range_quantile", "histogram_quantile(0.95, sum by (le, endpoint) (rate(http_request_duration_seconds_bucket[5m])))", True),
    ("range_regex", 'max by (zone) (worker_queue_depth{queue=~"q0[1-7]", instance=~"10[.]0[.]3[.]1.*"})', True),
    ("range_over_time", "avg by (queue) (avg_over_time(worker_queue_depth[10m]))", True),
    ("range_subquery", f"max_over_time({RATE}[15m:1m])", True),
]
ASKED = 7  # times each, in one round
WHAT = {
    "ingest": "remote write, CPU for one sample",
    "ingest_wall": "remote write, one connection, time for one sample",
    "memory": "resident memory after the hour of data",
    "memory_per_series": "memory gained by the data, for one series",
    "restart": "start on the hour of data until ready",
    **{f"{name}_cpu": f"`{expr}`, {'range' if is_range else 'instant'}, CPU" for name, expr, is_range in QUERIES},
    **{f"{name}_wall": f"`{expr}`, {'range' if is_range else 'instant'}, latency" for name, expr, is_range in QUERIES},
}
BETWEEN_MS = 7_000
CONFIG = "global: {scrape_interval: 1h}\n"


def prometheus(folder, port):
    return ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=warn"]


def sonde(binary):
    def command(folder, port):
        return [binary, "server", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                "--otlp.http.listen-address=", "--otlp.grpc.listen-address="]
    return command


def same_number(a, b):
    x, y = float(a), float(b)
    return x == y or math.isnan(x) and math.isnan(y) or math.isclose(x, y, rel_tol=1e-9)


def difference(a, b):
    """What two answers disagree on, or None."""
    a, b = json.loads(a)["data"], json.loads(b)["data"]
    if a["resultType"] != b["resultType"]:
        return f"{a['resultType']} and {b['resultType']}"
    left, right = ({json.dumps(s["metric"], sort_keys=True): s.get("values") or [s["value"]] for s in d["result"]} for d in (a, b))
    if left.keys() != right.keys():
        return f"{len(left)} and {len(right)} series, {len(left.keys() ^ right.keys())} of them different"
    for metric, values in left.items():
        others = right[metric]
        if len(values) != len(others):
            return f"{metric}: {len(values)} and {len(others)} samples"
        for (t, v), (u, w) in zip(values, others):
            if t != u or not same_number(v, w):
                return f"{metric}: {v} at {t}, {w} at {u}"
    return None


def parameters(expr, is_range, first_ms, last_ms):
    """Questions are asked between two samples. On one, the answers of Prometheus 2 and 3 differ rightly: the first takes the
    sample at the left end of a range in, the second leaves it out."""
    first_ms += BETWEEN_MS
    last_ms += BETWEEN_MS
    if is_range:
        return "/api/v1/query_range", {"query": expr, "start": first_ms / 1000, "end": last_ms / 1000, "step": 15}
    return "/api/v1/query", {"query": expr, "time": last_ms / 1000}


def measure(contestant, data):
    """One round of one contestant: figures by case, and the answers."""
    series, first, last, bodies = data
    samples = series * len(bodies)
    figures, answers = {}, {}
    contestant.start()
    try:
        time.sleep(1)
        empty, cpu, begun = contestant.memory(), contestant.cpu(), time.monotonic()
        for body in bodies:
            contestant.write(body)
        figures["ingest_wall"] = (time.monotonic() - begun) / samples * 1e9
        time.sleep(1)  # what was put off is paid for too
        figures["ingest"] = (contestant.cpu() - cpu) / samples * 1e9
        figures["memory"] = contestant.memory() / 2**20
        figures["memory_per_series"] = (contestant.memory() - empty) / series
        check_count(contestant, samples, last)
        for name, expr, is_range in QUERIES:
            path, asked = parameters(expr, is_range, first, last)
            answers[name] = contestant.get(path, asked)
            cpus, walls = [], []
            for _ in range(ASKED):
                cpu, begun = contestant.cpu(), time.monotonic()
                contestant.get(path, asked)
                walls.append(time.monotonic() - begun)
                cpus.append(contestant.cpu() - cpu)
            figures[f"{name}_cpu"] = statistics.median(cpus) * 1e3
            figures[f"{name}_wall"] = statistics.median(walls) * 1e3
        contestant.stop()
        figures["restart"] = contestant.start() * 1e3
        check_count(contestant, samples, last)
    finally:
        contestant.stop()
    return figures, answers


def check_count(contestant, samples, last):
    """Everything that was acknowledged is there."""
    count = 0
    for name in load.NAMES:
        asked = {"query": f"sum(count_over_time({name}[2h]))", "time": last / 1000}
        for found in json.loads(contestant.get("/api/v1/query", asked))["data"]["result"]:
            count += int(found["value"][1])
    if count != samples:
        raise RuntimeError(f"{contestant.name} has {count} of {samples} samples")


UNITS = {"ingest": "ns", "ingest_wall": "ns", "memory": "MiB", "memory_per_series": "bytes", "restart": "ms"}


def run(binary, rounds, emit):
    """Prints a row a case; 0, or 1 if the servers disagree or one of them failed."""
    version = peer_version()
    # Samples lie 5 s past a full quarter of a minute: neither they nor the questions meet the minutes of a subquery.
    data = load.requests(seed=20, end_ms=int(time.time()) // 15 * 15_000 - 25_000)
    series, _, _, bodies = data
    print(f"server: {series} series, {series * len(bodies)} samples, {rounds} rounds", file=sys.stderr)
    ours, peers, wrong = [], [], {}
    for round_ in range(rounds):
        contestants = [("sonde", sonde(binary), ours), (version, prometheus, peers)]
        answers = {}
        for name, command, figures in contestants if round_ % 2 == 0 else contestants[::-1]:
            with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
                with open(f"{folder}/prometheus.yml", "w", encoding="ascii") as f:
                    f.write(CONFIG)
                try:
                    measured, answers[name] = measure(Contestant(name, command, folder), data)
                except (RuntimeError, OSError, KeyError, ValueError) as e:
                    print(f"server: {e}", file=sys.stderr)
                    return 1
                figures.append(measured)
        for name, *_ in QUERIES:
            found = difference(answers["sonde"][name], answers[version][name])
            if found:
                wrong[name] = found
    for case in peers[0]:
        a, b = (statistics.median(f[case] for f in side) for side in (ours, peers))
        query = case.rsplit("_", 1)[0]
        if query in wrong:
            continue  # a quick wrong answer is no figure
        emit({"bench": "server", "case": case, "unit": UNITS.get(case, "ms"), "ours": round(a, 4), "peer": round(b, 4),
              "peer_name": version, "ratio": round(b / a, 3) if a > 0 else None})
    for name, found in wrong.items():
        print(f"server: {name}: sonde and {version} disagree: {found}", file=sys.stderr)
    return 1 if wrong else 0


def peer_version():
    path = shutil.which("prometheus")
    if path is None:
        raise SystemExit("the server's contest needs Debian's package prometheus")
    out = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return "Prometheus " + (out.stdout or out.stderr).split()[2].split("+")[0]
