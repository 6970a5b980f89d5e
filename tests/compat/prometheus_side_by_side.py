#!/usr/bin/env python3
"""Debian's Prometheus beside sonde: both scrape the shop, sonde itself and a target of fixed samples, and answer alike.

The target hands each of the two servers the same history, one step a scrape, with explicit timestamps that lie off the
grid of the queries: Prometheus 2 counts a sample at the left edge of a range, Prometheus 3 and sonde do not.
"""
import http.server
import math
import re
import shutil
import subprocess
import threading
import time

import servers

STEPS = 60
STEP_MS = 10_000
OFFSET_MS = 3_137  # off every grid used below

# --- the history ------------------------------------------------------------------------------------------------------


def counter(start, slope, reset_at=None):
    """Starts far from zero: how a rate is cut at zero changed between Prometheus 2 and 3 (see DIFFERENCES)."""
    def at(k):
        if reset_at is not None and k >= reset_at:
            return (k - reset_at) * slope + 3 + (k % 4)
        return start + k * slope + (k * k) % 7
    return at


def only(steps, value):
    return lambda k: value(k) if k in steps else None


BOUNDS = [0.005, 0.05, 0.25, 1.0, 5.0]


def histogram(name, labels, slope, reset_at):
    """Classic buckets, sum and count that start over together."""
    total = [counter(5000 + 400 * i, slope * (i + 1), reset_at) for i in range(len(BOUNDS) + 1)]

    def cumulated(i):
        return lambda k: sum(f(k) for f in total[:i + 1])
    rows = [(f"{name}_bucket", {**labels, "le": str(b)}, cumulated(i)) for i, b in enumerate(BOUNDS)]
    rows.append((f"{name}_bucket", {**labels, "le": "+Inf"}, cumulated(len(BOUNDS))))
    rows.append((f"{name}_count", labels, cumulated(len(BOUNDS))))
    rows.append((f"{name}_sum", labels, lambda k: cumulated(len(BOUNDS))(k) * 0.173 + k * 0.5))
    return rows


def wave(scale, period, shift=0.0):
    return lambda k: shift + scale * math.sin(2 * math.pi * k / period)


def families():
    """(name, type, [(series name, labels, value of step)])"""
    yield "http_requests_total", "counter", [
        ("http_requests_total", {"method": m, "status": s}, counter(10_000 * (i + 1), 3 + 2 * i, [None, 31, None, 17, 44, None][i]))
        for i, (m, s) in enumerate([("get", "200"), ("get", "404"), ("get", "500"),
                                    ("post", "200"), ("post", "500"), ("delete", "200")])]
    yield "temperature_celsius", "gauge", [
        ("temperature_celsius", {"room": r}, wave(7.25 + i, 23 + 4 * i, 19.5 - 12 * i))
        for i, r in enumerate(["kitchen", "cellar", "roof"])]
    yield "unit_interval", "gauge", [
        ("unit_interval", {"phase": p}, wave(0.95, 37, 0.0) if p == "a" else wave(0.4, 17, 0.5)) for p in "ab"]
    yield "queue_length", "gauge", [
        ("queue_length", {"queue": q, "path": f"/srv/{q}/in"}, lambda k, i=i: (k * (7 + i)) % 13 + i)
        for i, q in enumerate(["mail", "print", "video-7"])]
    yield "odd_value", "gauge", [
        ("odd_value", {"kind": "nan"}, lambda k: math.nan if k % 3 == 0 else k),
        ("odd_value", {"kind": "inf"}, lambda k: math.inf if k % 5 == 0 else -math.inf if k % 7 == 0 else k / 3),
        ("odd_value", {"kind": "zero"}, lambda k: -0.0 if k % 2 else 0.0)]
    yield "event_time_seconds", "gauge", [
        ("event_time_seconds", {"event": "leap"}, lambda k: 1709164800 + k * 3601.0),
        ("event_time_seconds", {"event": "old"}, lambda k: -86400.0 * 366 + k * 86400 * 5.25)]
    yield "request_seconds", "histogram", (histogram("request_seconds", {"route": "/cart"}, 2, None) +
                                           histogram("request_seconds", {"route": "/pay"}, 5, 38))
    yield "rpc_seconds", "summary", [
        ("rpc_seconds", {"quantile": "0.5"}, wave(0.02, 19, 0.1)), ("rpc_seconds", {"quantile": "0.99"}, wave(0.2, 29, 0.7)),
        ("rpc_seconds_sum", {}, counter(900, 1.25)), ("rpc_seconds_count", {}, counter(9000, 11))]
    yield "vanishing", "gauge", [("vanishing", {"what": "early"}, only(range(0, 21), lambda k: k * 1.5)),
                                 ("vanishing", {"what": "gap"}, only([*range(0, 12), *range(50, 60)], lambda k: 100 - k))]
    yield "appearing", "gauge", [("appearing", {"what": "late"}, only(range(40, 60), lambda k: k * 0.25))]
    yield "service_info", "gauge", [("service_info", {"version": "1.4.2", "team": "shop"}, lambda k: 1)]
    yield "constant", "gauge", [("constant", {"which": w}, lambda k, v=v: v) for w, v in [("pi", 3.14159), ("small", 1e-9)]]


def number(v):
    return "NaN" if math.isnan(v) else "+Inf" if v == math.inf else "-Inf" if v == -math.inf else repr(float(v))


def page(k, base_ms):
    """What the target shows at step `k`."""
    lines = []
    for family, kind, rows in families():
        lines += [f"# HELP {family} Fixed samples.", f"# TYPE {family} {kind}"]
        for name, labels, value in rows:
            v = value(k)
            if v is not None:
                inner = ",".join(f'{n}="{t}"' for n, t in labels.items())
                lines.append(f"{name}{{{inner}}} {number(v)} {base_ms + k * STEP_MS + OFFSET_MS}")
    return ("\n".join(lines) + "\n").encode()


class Target(http.server.ThreadingHTTPServer):
    """/fixed/WHO: the next step for WHO, and nothing after the last one."""

    daemon_threads = True

    def __init__(self, base_ms):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = [page(k, base_ms) for k in range(STEPS)]
        self.next = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, who):
        with self.lock:
            k = self.next.get(who, 0)
            self.next[who] = k + 1
        return self.pages[k] if k < STEPS else b""

    def done(self, who):
        return self.next.get(who, 0) > STEPS


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.take(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# --- the queries ------------------------------------------------------------------------------------------------------

# Functions of Prometheus 2.42 that are not compared, and why.
DIFFERENCES = {
    "histogram_count": "takes native histograms only, which the text format cannot carry",
    "histogram_sum": "takes native histograms only, which the text format cannot carry",
    "histogram_fraction": "took native histograms only in 2.42; classic ones came with 3.x",
    "holt_winters": "is called double_exponential_smoothing since 3.0; each server is asked in its own words",
}
# Functions of sonde that 2.42 does not know: they came with later versions.
NEWER = """double_exponential_smoothing first_over_time histogram_avg histogram_quantiles histogram_stddev histogram_stdvar info
mad_over_time max_of min_of range sort_by_label sort_by_label_desc start_timestamp step
ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time""".split()
# Deliberate differences of the language between Prometheus 2.42 and 3.x, which sonde follows. Each is kept out of what is
# compared by how the history and the queries are made.
# Name: reason. `test_differences` shows those that these samples can show.
LANGUAGE_DIFFERENCES = {
    "left-open ranges": "a sample at the very left edge of a range counts in 2.42 and not in 3.x; samples, and the steps of "
                        "subqueries, lie off the edges of what is compared",
    "cut at zero": "a counter is extrapolated back to the start of its window, but not below zero; 3.x cuts by what it would "
                   "extrapolate, 2.42 by the whole way to the start; counters here start far from zero",
    "atan2 and names": "2.42 leaves the metric's name on the result of atan2; it is summed away",
    "start() and end()": "are functions too in 3.x; in 2.42 they stand behind @ only",
    "dots": "`.` in a regular expression matches a newline in 3.x; no value here has one",
}

# {S}, {E}: first and last instant of the range queries, in seconds, for the @ modifier.
QUERIES = """
# selectors
temperature_celsius
http_requests_total{status=~"5..",method!="delete"}
{__name__=~"queue_.+|constant",queue!~"m.*"}
temperature_celsius{room=""} or temperature_celsius{room!="roof"}
vanishing
appearing
odd_value
temperature_celsius offset 2m
temperature_celsius offset -90s
temperature_celsius @ {E}
temperature_celsius @ end() - temperature_celsius @ start()
sum_over_time(queue_length[1m] @ {S})
rate(http_requests_total[2m] offset 1m)
# arithmetic
temperature_celsius + 1
10 - queue_length
queue_length * queue_length
temperature_celsius / queue_length{queue="mail"} or temperature_celsius / on () group_left () constant{which="pi"}
queue_length % 4
-temperature_celsius % 3
queue_length ^ 2 ^ 0.5
-queue_length ^ 2
sum by (room) (temperature_celsius atan2 on () group_left () constant{which="pi"})
queue_length / 0
1 / (queue_length - queue_length)
+temperature_celsius
2 ^ 3 ^ 2 + 7 % 4 - -1
# comparison
temperature_celsius > 10
temperature_celsius >= bool 10
queue_length == 6
queue_length != bool 6
queue_length < 5
3 <= bool queue_length
1 == bool 1
odd_value == odd_value
odd_value != bool 0
# sets
http_requests_total{method="get"} and on (status) http_requests_total{method="post"}
http_requests_total{method="get"} or http_requests_total{method="post"}
http_requests_total unless on (status) http_requests_total{method="post"}
vanishing or ignoring (what) appearing
# matching
http_requests_total / ignoring (method, instance, job) group_left () sum by (status) (http_requests_total)
sum by (instance) (queue_length) * on (instance) group_right () service_info
queue_length * on (instance) group_left (version, team) service_info
http_requests_total{method="get"} - on (status) http_requests_total{method="post"}
rate(http_requests_total[1m]) / ignoring (status) group_left () sum without (status) (rate(http_requests_total[1m]))
# aggregation
sum(http_requests_total)
sum by (method) (rate(http_requests_total[2m]))
avg without (status, instance) (http_requests_total)
min by (job) (temperature_celsius)
max(temperature_celsius)
count by (status) (http_requests_total)
group by (queue) (queue_length)
stddev(temperature_celsius)
stdvar by (method) (http_requests_total)
topk(2, temperature_celsius)
bottomk by (method) (1, http_requests_total)
topk(1, queue_length)
quantile(0.9, temperature_celsius)
quantile by (method) (0.25, http_requests_total)
count_values("level", queue_length)
count_values without (queue, path) ("level", floor(queue_length / 4))
avg(odd_value)
sum by (kind) (odd_value)
max by (kind) (odd_value)
# rates
rate(http_requests_total[1m])
rate(http_requests_total[5m])
increase(http_requests_total[3m])
irate(http_requests_total[1m])
delta(temperature_celsius[2m])
idelta(temperature_celsius[1m])
deriv(temperature_celsius[3m])
predict_linear(temperature_celsius[3m], 600)
changes(queue_length[2m])
resets(http_requests_total[5m])
delta(vanishing[2m])
increase(rpc_seconds_count[2m]) / increase(rpc_seconds_sum[2m])
holt_winters(temperature_celsius[3m], 0.3, 0.6) | double_exponential_smoothing(temperature_celsius[3m], 0.3, 0.6)
# over time
avg_over_time(temperature_celsius[2m])
min_over_time(temperature_celsius[2m])
max_over_time(temperature_celsius[2m])
sum_over_time(temperature_celsius[2m])
count_over_time(vanishing[3m])
quantile_over_time(0.75, temperature_celsius[2m])
stddev_over_time(temperature_celsius[2m])
stdvar_over_time(temperature_celsius[2m])
last_over_time(vanishing[5m])
present_over_time(vanishing[4m])
absent_over_time(no_such_series{job="x",y=~"z"}[5m])
avg_over_time(odd_value[1m])
max_over_time(odd_value{kind!="zero"}[1m])
stddev_over_time(constant[2m])
# subqueries
max_over_time(rate(http_requests_total[1m])[3m:20s])
avg_over_time((temperature_celsius > 0)[2m:])
min_over_time(sum by (method) (increase(http_requests_total[1m]))[3m:30s] offset 30s)
quantile_over_time(0.5, deriv(temperature_celsius[1m])[2m:15s])
rate(http_requests_total[4m:20s])
# histograms
histogram_quantile(0.9, rate(request_seconds_bucket[2m]))
histogram_quantile(0.5, sum by (le) (rate(request_seconds_bucket[1m])))
histogram_quantile(0.999, request_seconds_bucket)
histogram_quantile(0.01, request_seconds_bucket)
rate(request_seconds_sum[2m]) / rate(request_seconds_count[2m])
sum(rate(request_seconds_bucket{le="0.25"}[2m])) / sum(rate(request_seconds_count[2m]))
rpc_seconds{quantile="0.99"}
# labels
label_replace(queue_length, "kind", "$1-$2", "queue", "([a-z]+)-?(.*)")
label_join(queue_length, "both", "|", "queue", "path", "job")
sort(queue_length)
sort_desc(temperature_celsius)
absent(no_such_series{job="x"})
scalar(constant{which="pi"}) * temperature_celsius
vector(scalar(service_info) + 2)
vector(time())
time() - timestamp(temperature_celsius)
timestamp(vanishing)
# rounding
abs(temperature_celsius)
ceil(temperature_celsius)
floor(temperature_celsius)
round(temperature_celsius)
round(temperature_celsius, 0.25)
sgn(temperature_celsius)
clamp(temperature_celsius, 0, 20)
clamp_min(temperature_celsius, 5)
clamp_max(temperature_celsius, 5)
# powers
exp(unit_interval)
sqrt(queue_length)
ln(queue_length)
log2(queue_length)
log10(queue_length)
ln(temperature_celsius)
# trigonometry
sin(temperature_celsius)
cos(temperature_celsius)
tan(temperature_celsius)
asin(unit_interval)
acos(unit_interval)
atan(temperature_celsius)
sinh(unit_interval)
cosh(unit_interval)
tanh(unit_interval)
asinh(temperature_celsius)
acosh(queue_length + 1)
atanh(unit_interval)
deg(unit_interval)
rad(temperature_celsius)
pi() * temperature_celsius
# calendar
minute(event_time_seconds)
hour(event_time_seconds)
day_of_week(event_time_seconds)
day_of_month(event_time_seconds)
day_of_year(event_time_seconds)
days_in_month(event_time_seconds)
month(event_time_seconds)
year(event_time_seconds)
hour()
# strings and numbers
"a string"
0x1f + 1e3
"""

FUNCTIONS = """abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min
cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp floor histogram_count
histogram_fraction histogram_quantile histogram_sum holt_winters hour idelta increase irate label_join label_replace
last_over_time ln log10 log2 max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time
rad rate resets round scalar sgn sin sinh sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time
timestamp vector year""".split()
AGGREGATIONS = "sum avg min max count group stddev stdvar topk bottomk quantile count_values".split()
OPERATORS = ["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", "<=", ">", ">=", "and", "or", "unless", "bool",
             "on (", "ignoring (", "group_left (", "group_right (", "by (", "without (", "offset", "@", "@ start()", "@ end()",
             "=~", "!~", "!="]


def queries():
    for line in QUERIES.strip().splitlines():
        if line and not line.startswith("#"):
            theirs, _, ours = line.partition(" | ") if " | double" in line else (line, "", line)
            yield theirs, ours or theirs


def test_coverage(findings):
    text = "\n".join(q for q, _ in queries())
    missing = [f for f in FUNCTIONS if f not in DIFFERENCES and not re.search(rf"\b{f}\(", text)]
    missing += [a for a in AGGREGATIONS if not re.search(rf"\b{a}\b", text)]
    missing += [o for o in OPERATORS if o not in text]
    findings.check(not missing, "every function, aggregation and operator is asked for", str(missing))


def test_functions_known(findings, prometheus, sonde):
    """What is left out of the comparison is left out for the reason that is given."""
    def unknown(server, name):
        a = server.get("/api/v1/query", query=f"{name}()")
        return a.status == 400 and "unknown function" in a.text()
    known = [f for f in NEWER if not unknown(prometheus, f)]
    findings.check(not known, "Prometheus 2.42 knows none of the newer functions", known)
    missing = [f for f in [*NEWER, *FUNCTIONS] if f != "holt_winters" and unknown(sonde, f)]
    findings.check(not missing, "sonde knows every function of 2.42 and the newer ones", missing)


# --- comparing --------------------------------------------------------------------------------------------------------


def same(a, b):
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-13)


NO_DATA = "neither has data"


def keyed(result):
    return {tuple(sorted(s["metric"].items())): s for s in result}


def difference(theirs, ours, ordered):
    """None, or the first thing that differs between two answers' data."""
    if theirs["resultType"] != ours["resultType"]:
        return f"type {theirs['resultType']} against {ours['resultType']}"
    a, b = theirs["result"], ours["result"]
    if theirs["resultType"] == "string":
        return None if a[1] == b[1] else f"{a} against {b}"
    if theirs["resultType"] == "scalar":
        return None if a[0] == b[0] and same(a[1], b[1]) else f"{a} against {b}"
    if not a and not b:
        return NO_DATA
    if ordered and [s["metric"] for s in a] != [s["metric"] for s in b]:
        return f"order: {[s['metric'] for s in a]} against {[s['metric'] for s in b]}"
    ka, kb = keyed(a), keyed(b)
    if ka.keys() != kb.keys():
        return f"only Prometheus: {list(ka.keys() - kb.keys())[:3]}; only sonde: {list(kb.keys() - ka.keys())[:3]}"
    for key in ka:
        va = ka[key].get("values") or [ka[key]["value"]]
        vb = kb[key].get("values") or [kb[key]["value"]]
        if [t for t, _ in va] != [t for t, _ in vb]:
            return f"{dict(key)}: {len(va)} points against {len(vb)}"
        for (t, x), (_, y) in zip(va, vb):
            if not same(x, y):
                return f"{dict(key)} at {t}: {x} against {y}"
    return None


def answers(prometheus, sonde, path, query, **parameters):
    theirs, ours = query
    a = prometheus.get(path, query=theirs, **parameters)
    b = sonde.get(path, query=ours, **parameters)
    if a.status != 200:
        return f"Prometheus: {a}"
    if b.status != 200:
        return f"sonde: {b}"
    ordered = path == "/api/v1/query" and theirs.startswith(("sort(", "sort_desc(", "topk(", "bottomk("))
    return difference(a.json()["data"], b.json()["data"], ordered)


def compare(findings, prometheus, sonde, base):
    # Off the grid of every subquery too: a step at the left edge of a subquery is the same difference.
    start, end = base + 127, base + 607
    instants = [base + 187, base + 307, base + 517, base + 607]
    asked = 0
    for theirs, ours in queries():
        query = tuple(q.replace("{S}", str(start)).replace("{E}", str(end)) for q in (theirs, ours))
        problems = []
        # At some instants a filter leaves nothing; at one of them both must have data.
        found = [answers(prometheus, sonde, "/api/v1/query", query, time=t) for t in instants]
        if all(f == NO_DATA for f in found):
            problems.append(f"instant: {NO_DATA}")
        problems += [f"instant {t - base}: {f}" for t, f in zip(instants, found) if f and f != NO_DATA]
        if not theirs.startswith('"'):
            f = answers(prometheus, sonde, "/api/v1/query_range", query, start=start, end=end, step=30)
            if f:
                problems.append(f"range: {f}")
        asked += 1
        if problems:
            findings.expect(False, f"{theirs}: {problems[0]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
    findings.check(asked >= 60, f"{asked} queries, instant and range")


def test_differences(findings, prometheus, sonde, base):
    def both(query, at):
        return [servers.samples(s.get("/api/v1/query", query=query, time=f"{at:.3f}")) for s in (prometheus, sonde)]

    edge = base + OFFSET_MS / 1000 + 20 * STEP_MS / 1000
    theirs, ours = both("count_over_time(constant{which='pi'}[1m])", edge)
    findings.check(list(theirs.values()) == [7] and list(ours.values()) == [6], "left-open ranges", f"{theirs} {ours}")

    # 50 at 503.137 s and, after a reset, 49 at 513.137 s. Zero is 10 * 50 / 49 s before the first: 2.42 goes back that far,
    # 3.x half the gap between the samples.
    theirs, ours = both("increase(vanishing{what='gap'}[2m])", base + 517)
    expected = [49 * (10 + back + 3.863) / 10 for back in (10 * 50 / 49, 5)]
    findings.check(same(sum(theirs.values()), expected[0]) and same(sum(ours.values()), expected[1]), "cut at zero",
                   f"{theirs} {ours} {expected}")

    theirs, ours = both("count by (__name__) (temperature_celsius atan2 temperature_celsius)", base + 517)
    findings.check(list(theirs) == [(("__name__", "temperature_celsius"),)] and list(ours) == [()], "atan2 and names",
                   f"{theirs} {ours}")


# --- scraping each other ----------------------------------------------------------------------------------------------


def start_shop(arguments, folder, start, ports, otlp):
    def url(role):
        return f"http://127.0.0.1:{ports[role]}"
    more = {"stock": ["--database", folder / "stock.db"], "orders": ["--stock-url", url("stock")],
            "web": ["--orders-url", url("orders")]}
    for role, flags in more.items():
        start(servers.Process(role, [arguments.shop, role, "--port", ports[role], "--log", folder / f"{role}.json",
                                     "--drain-ms", 100, "--otlp", otlp, *flags], folder))
    servers.wait_for("the shop ready", lambda: all(servers.fetch(url(r) + "/health/ready").status == 200 for r in ports))
    start(servers.Process("load", [arguments.shop, "load", "--web-url", url("web"), "--orders-url", url("orders"),
                                   "--stock-url", url("stock"), "--rate", 5], folder))


def config(who, target, shop):
    addresses = ", ".join(f"'127.0.0.1:{p}'" for p in shop.values())
    return f"""
global:
  scrape_interval: 2s
  evaluation_interval: 10s
scrape_configs:
  - job_name: fixed
    metrics_path: /fixed/{who}
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs: [{{targets: ['127.0.0.1:{target}']}}]
  - job_name: shop
    static_configs: [{{targets: [{addresses}]}}]
  - job_name: sonde
    static_configs: [{{targets: ['SONDE_ADDRESS']}}]
"""


def test_scrapes(findings, prometheus, sonde):
    def all_up(server):
        found = servers.samples(server.get("/api/v1/query", query="min by (job) (up)"))
        return len(found) == 3 and all(v == 1 for v in found.values())
    for server in (prometheus, sonde):
        try:
            servers.wait_for(f"everything up in {server.name}", lambda s=server: all_up(s), 20)
        except AssertionError as e:
            findings.expect(False, str(e))
        targets = server.get("/api/v1/targets").json()["data"]["activeTargets"]
        errors = {t["scrapeUrl"]: t["lastError"] for t in targets if t["lastError"] or t["health"] != "up"}
        findings.check(len(targets) == 5 and not errors, f"{server.name} scrapes the shop, sonde and the fixed samples", errors)
    complaints = [line for line in prometheus.output().splitlines() if re.search(r"level=(warn|error)", line)]
    findings.check(not complaints, "Prometheus has no complaint", complaints[:3])


def test_promtool(findings, promtool, folder, addresses):
    for name, address in addresses.items():
        text = servers.fetch(f"http://{address}/metrics")
        findings.check(text.status == 200 and text.body, f"{name} shows its metrics", text)
        done = subprocess.run([promtool, "check", "metrics"], input=text.body, capture_output=True, check=False)
        findings.check(done.returncode == 0, f"promtool check metrics: {name}", (done.stdout + done.stderr).decode())
    deploy = servers.ROOT / "deploy"
    rules = sorted(p for p in (deploy / "rules").glob("*.yml") if not p.name.endswith(".test.yml"))
    findings.check(rules, "rules are shipped")
    for file in rules:
        done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
        findings.check(done.returncode == 0, f"promtool check rules: {file.name}", done.stdout + done.stderr)
    shipped = folder / "shipped"
    shutil.copytree(deploy / "rules", shipped / "rules", ignore=shutil.ignore_patterns("*.test.yml"))
    shutil.copy(deploy / "compose/prometheus.yml", shipped)
    done = subprocess.run([promtool, "check", "config", shipped / "prometheus.yml"], capture_output=True, text=True, check=False)
    findings.check(done.returncode == 0, "promtool check config: prometheus.yml", done.stdout + done.stderr)


def test(arguments, folder, findings, start):
    binary, promtool = servers.needed("prometheus"), servers.needed("promtool")
    test_coverage(findings)
    base = int(time.time() - 900) // 60 * 60
    target = Target(base * 1000)
    port = target.server_address[1]
    shop = {role: servers.free_port() for role in ("stock", "orders", "web")}
    sonde = start(servers.Sonde(arguments.server, folder, config("sonde", port, shop),
                                flags=["--enable-feature=promql-experimental-functions"]))
    sonde.wait_ready()
    start_shop(arguments, folder, start, shop, sonde.otlp_http)
    prometheus = start(servers.Prometheus(binary, folder, config("prometheus", port, shop).replace("SONDE_ADDRESS", sonde.address)))
    prometheus.wait_ready()
    servers.wait_for("the whole history handed out", lambda: target.done("/fixed/sonde") and target.done("/fixed/prometheus"), 120)
    time.sleep(1)  # the scrape that took the last step ends
    for server in (prometheus, sonde):
        found = servers.samples(server.get("/api/v1/query", query="count_over_time(constant[20m])", time=base + 700))
        if not findings.check(list(found.values()) == [STEPS] * 2, f"{server.name} has each step once", found):
            raise AssertionError("the two servers hold different samples; a scrape did not come through in its time")
    test_scrapes(findings, prometheus, sonde)
    test_promtool(findings, promtool, folder, {"sonde": sonde.address} | {r: f"127.0.0.1:{p}" for r, p in shop.items()})
    test_functions_known(findings, prometheus, sonde)
    compare(findings, prometheus, sonde, base)
    test_differences(findings, prometheus, sonde, base)


if __name__ == "__main__":
    servers.main(test, __doc__.splitlines()[0])
