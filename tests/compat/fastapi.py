#!/usr/bin/env python3
"""The monitoring guide's FastAPI service, all its sections, watched by sonde.

`fastapi_app/` is the guide's code as it stands, with the lines that it leaves out added and marked. Its metrics are scraped,
its output goes through `sonde ship`, its spans come over OTLP, in HTTP and in gRPC.
"""
import json
import os
import subprocess
import sys
import time

import servers

APP = servers.ROOT / "tests/compat/fastapi_app"


def build(folder):
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True, check=False)
    if made.returncode:
        raise servers.Skip("python3 has no venv")
    servers.run_installer([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1",
                           "-r", APP / "requirements.txt"], folder)


def start_service(name, protocol, port, sonde, arguments, folder, venv, start):
    """The process of the service and that of `sonde ship` behind it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "PYTHON")) and not k.lower().endswith("_proxy")}
    endpoint = sonde.otlp_http if protocol == "http/protobuf" else f"http://{sonde.otlp_grpc}"
    env = clean | {"DATABASE": str(folder / f"{name}.db"), "OTEL_SERVICE_NAME": name, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                   "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "500", "PYTHONUNBUFFERED": "1",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    # The guide's handler writes to standard error and the console exporter to standard output: `2>&1 | sonde ship`.
    read, write = os.pipe()
    ship = start(servers.Process(f"{name}-ship", [arguments.server, "ship", "--service", name, "--url", sonde.url], folder,
                                 env=clean, stdin=read))
    app = start(servers.Process(name, [venv / "bin/python", "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", port,
                                       "--log-level", "warning"], folder, env=env, cwd=APP, into=write))
    os.close(read)
    os.close(write)

    def ready():
        assert app.running(), f"{name} ended: {ship.output()}"
        return servers.fetch(f"http://127.0.0.1:{port}/health/ready").status == 200
    servers.wait_for(f"{name} ready", ready)
    return app, ship


def use(url):
    """What a few users do."""
    statuses = []
    for i in range(5):
        statuses.append(servers.fetch(f"{url}/login/{40 + i}", method="POST").status)
        statuses.append(servers.fetch(f"{url}/orders/{1 + i % 2}").status)
    statuses += [servers.fetch(url + path).status for path in ("/orders/99", "/broken", "/health/live")]
    assert statuses == [200] * 10 + [404, 500, 200], statuses


def test_metrics(findings, sonde):
    def count():
        return servers.samples(sonde.get("/api/v1/query", query='http_requests_total{job="api",endpoint=~"/login.*"}'))
    found = servers.wait_for("the guide's counter scraped", count)
    findings.check(sorted(found.values()) == [1] * 5, "http_requests_total counts what was asked", found)
    up = servers.samples(sonde.get("/api/v1/query", query='up{job="api"}'))
    findings.check(list(up.values()) == [1], "up is 1", up)
    errors = servers.samples(sonde.get("/api/v1/query", query='sum(http_requests_total{job="api",status=~"5.."})'))
    findings.check(list(errors.values()) == [1], "the guide's selector of errors finds the one", errors)
    p95 = sonde.get("/api/v1/query", query='histogram_quantile(0.95, sum by (le) (http_request_duration_seconds_bucket{job="api"}))')
    values = list(servers.samples(p95).values())
    findings.check(len(values) == 1 and 0 < values[0] < 10, "a quantile of http_request_duration_seconds", p95)
    targets = sonde.get("/api/v1/targets").json()["data"]["activeTargets"]
    findings.check([t["lastError"] for t in targets] == [""], "the scrape has no complaint", targets)


def lines(sonde, query, **parameters):
    """(stream labels, line, structured metadata, parsed) of each line."""
    now = time.time_ns()
    a = servers.fetch(servers.url_of(sonde.url, "/loki/api/v1/query_range", query=query, start=now - 600_000_000_000,
                                     end=now + 1_000_000_000, limit=1000, **parameters),
                      headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
    assert a.status == 200, f"{query}: {a}"
    return [(s["stream"], v[1], v[2].get("structuredMetadata", {}), v[2].get("parsed", {}))
            for s in a.json()["data"]["result"] for v in s["values"]]


def test_logs(findings, sonde):
    logins = servers.wait_for("five lines of logins", lambda: (f := lines(sonde, '{service_name="api"} |= `User logged in`'))
                              and len(f) == 5 and f)
    fields = sorted((meta.get("user_id"), meta.get("ip")) for _, _, meta, _ in logins)
    findings.check(fields == [(str(40 + i), "127.0.0.1") for i in range(5)], "the extra fields are fields", logins[:2])
    findings.check(all(meta.get("levelname", "INFO") == "INFO" and stream.get("service_name") == "api"
                       for stream, _, meta, _ in logins), "service and level", logins[:1])
    # Text would compare as text: "9" > "41", and 240.0 is not "240".
    found = lines(sonde, '{service_name="api"} | user_id > 9 | user_id <= 41')
    findings.check(len(found) == 2, "numbers compare as numbers, with nothing parsed in the query", found)
    found = lines(sonde, '{service_name="api"} | price = 240')
    findings.check(len(found) == 2, "so do fractions", found)
    failed = lines(sonde, '{service_name="api"} |= `Order failed`')
    findings.check(len(failed) == 1 and "the till is stuck" in json.dumps(failed[0]) and failed[0][2].get("attempts") == "3",
                   "a traceback stays with its line", failed)
    queries = lines(sonde, '{service_name="api"} |= `Query: SELECT item, price FROM orders`')
    findings.check(len(queries) == 6, "the guide's log of statements", queries[:2])
    durations = lines(sonde, '{service_name="api"} |= `Query duration: `')
    findings.check(len(durations) >= 6, "the guide's log of durations", durations[:2])


def spans_of(sonde, service, operation):
    a = sonde.get("/api/traces", service=service, operation=operation, limit=20, lookback="1h")
    return a.json()["data"] if a.status == 200 else []


def test_traces(findings, sonde, service):
    traces = servers.wait_for(f"traces of {service}", lambda: spans_of(sonde, service, "GET /orders/{order_id}"))
    trace = max(traces, key=lambda t: len(t["spans"]))
    spans = {s["spanID"]: {**s, "tag": {t["key"]: t["value"] for t in s["tags"]}} for s in trace["spans"]}
    roots = [s for s in spans.values() if not s["references"]]
    findings.check(len(roots) == 1 and roots[0]["operationName"] == "GET /orders/{order_id}"
                   and roots[0]["tag"].get("span.kind") == "server", f"{service}: the request's span", roots)
    sql = [s for s in spans.values() if "SELECT item, price FROM orders" in str(s["tag"].get("db.statement", s["tag"].get("db.query.text")))]
    findings.check(len(sql) == 1 and sql[0]["references"][0]["spanID"] in spans, f"{service}: the statement's span below it", spans)
    processes = {p["serviceName"] for p in trace["processes"].values()}
    findings.check(processes == {service}, f"{service}: the resource's name", processes)


def test_queries(findings, sonde):
    a = sonde.get("/api/sonde/v1/queries", service="api")
    if a.status == 404:
        findings.note("/api/sonde/v1/queries is not in this server: statements are not checked")
        return
    rows = a.json().get("statements", []) if a.status == 200 else []
    found = [r for r in rows if "FROM orders WHERE id = ?" in json.dumps(r)]
    findings.check(len(found) == 1 and found[0].get("calls") == 6, "the statement in Queries, with its six calls", a)


def test_console_spans(findings, sonde):
    """The console exporter prints a document over many lines. Those that belong together arrive together."""
    found = lines(sonde, '{service_name="api"} |= `"name": "GET /orders/{order_id}"`')
    findings.check(len(found) == 6 and all(line.startswith("{") and '"service.name": "api"' in line for _, line, _, _ in found),
                   "the console exporter's spans", found[:1])


def test_rules(findings, sonde):
    """Section 6, as it stands. Its second alert can never fire, which sonde says, with what would."""
    groups = sonde.get("/api/v1/rules").json()["data"]["groups"]
    rules = {r["name"]: r for g in groups for r in g["rules"]}
    findings.check(set(rules) == {"HighErrorRate", "HighLatency"} and all(r["health"] != "err" for r in rules.values()),
                   "the guide's alerts are evaluated", groups)

    def said():
        a = sonde.get("/api/sonde/v1/findings")
        return [f for f in a.json()["findings"] if f["rule"] == "HighLatency"] if a.status == 200 else []
    found = servers.wait_for("HighLatency among the findings", said)
    findings.check(found[0]["class"] == "no-series-but-bucket" and found[0]["severity"] == "error"
                   and "http_request_duration_seconds_bucket" in found[0].get("rewrite", ""),
                   "HighLatency cannot fire, and what would", found)
    rewritten = sonde.get("/api/v1/query", query=found[0]["rewrite"].rsplit(">", 1)[0])
    findings.check(len(servers.samples(rewritten)) > 0, "what would has data", rewritten)


def test(arguments, folder, findings, start):
    venv = servers.install("compat-venv", APP / "requirements.txt", build)
    port, grpc_port = servers.free_port(), servers.free_port()
    sonde = start(servers.Sonde(arguments.server, folder, f"""
global: {{evaluation_interval: 1s}}
rule_files: ['{servers.ROOT / "deploy/rules/alerts.guide.yml"}']
scrape_configs:
  - job_name: api
    scrape_interval: 1s
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
""")).wait_ready()
    app, ship = start_service("api", "http/protobuf", port, sonde, arguments, folder, venv, start)
    use(f"http://127.0.0.1:{port}")
    servers.wait_for("a scrape after the last request", lambda: servers.samples(
        sonde.get("/api/v1/query", query='http_requests_total{job="api",endpoint="/health/live"}')))
    test_metrics(findings, sonde)
    test_traces(findings, sonde, "api")
    test_logs(findings, sonde)
    test_console_spans(findings, sonde)
    test_queries(findings, sonde)
    test_rules(findings, sonde)
    app.stop()
    try:
        findings.check(ship.child.wait(20) == 0, "sonde ship ends well when the service does", ship.output())
    except subprocess.TimeoutExpired:
        findings.expect(False, f"sonde ship ends when the service does: {ship.output()}")

    start_service("api-grpc", "grpc", grpc_port, sonde, arguments, folder, venv, start)
    use(f"http://127.0.0.1:{grpc_port}")
    test_traces(findings, sonde, "api-grpc")


if __name__ == "__main__":
    servers.main(test, __doc__.splitlines()[0])
