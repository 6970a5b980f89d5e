#!/usr/bin/env python3
"""What Grafana's data sources for Prometheus, Loki and Jaeger send on "Save & test" and while editors load.

Recorded shapes of requests: Grafana itself is in no registry. The answers are checked for what Grafana reads of them.
"""
import json
import time
import urllib.parse

import servers


def form(base, path, headers=None, **parameters):
    return servers.fetch(base + path, data=urllib.parse.urlencode(parameters, doseq=True).encode(),
                         headers={"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})


def data(answer):
    """`data` of a successful answer; {} otherwise."""
    if answer.status != 200:
        return {}
    document = answer.json()
    return document.get("data", {}) if document.get("status", "success") == "success" else {}


def test_prometheus(findings, url):
    now = int(time.time()) + 1  # the first sample is not a second old yet
    # Save & test: one query, and what the server is.
    a = form(url, "/api/v1/query", query="1+1", time=str(now))
    d = data(a)
    value = d.get("result", [None, None])
    findings.check(d.get("resultType") == "scalar" and value[1] == "2" and float(value[0]) == now, "prometheus: 1+1", a)
    a = servers.fetch(url + "/api/v1/status/buildinfo")
    findings.check(str(data(a).get("version", "")).split(".")[0].isdigit(), "prometheus: buildinfo has a version", a)
    # The editor and Explore.
    a = form(url, "/api/v1/labels", start=now - 300, end=now)
    findings.check({"__name__", "job"} <= set(data(a)), "prometheus: labels by POST", a)
    a = servers.fetch(servers.url_of(url, "/api/v1/label/__name__/values", start=now - 300, end=now, limit=40000))
    findings.check("up" in data(a), "prometheus: metric names", a)
    a = servers.fetch(servers.url_of(url, "/api/v1/metadata", limit=40000))
    findings.check(data(a), "prometheus: metadata", a)
    a = form(url, "/api/v1/series", **{"match[]": "up", "start": now - 300, "end": now})
    findings.check([s for s in data(a) if s.get("__name__") == "up"], "prometheus: series by POST", a)
    a = form(url, "/api/v1/query_range", query="up", start=f"{now - 300}.000", end=f"{now}.000", step="15",
             headers={"X-Dashboard-Uid": "x", "X-Panel-Id": "2"})
    findings.check(data(a).get("resultType") == "matrix" and data(a).get("result"), "prometheus: a panel", a)
    a = form(url, "/api/v1/query_exemplars", query="up", start=now - 300, end=now)
    findings.check(a.status == 200 and a.json().get("data") == [], "prometheus: exemplars of what has none", a)
    a = servers.fetch(url + "/api/v1/rules")
    findings.check("groups" in data(a), "prometheus: rules", a)
    # A mistake has to come back as Prometheus's error, which Grafana shows.
    a = form(url, "/api/v1/query", query="sum(")
    findings.check(a.status == 400 and a.json().get("errorType") == "bad_data", "prometheus: a parse error", a)


def push(url, now_ns, trace_id):
    lines = [[str(now_ns - 3_000_000_000), json.dumps({"level": "info", "message": "paid", "amount": 12.5}), {"trace_id": trace_id}],
             [str(now_ns - 2_000_000_000), "level=error msg=\"card refused\" code=51"]]
    body = json.dumps({"streams": [{"stream": {"service_name": "checkout", "env": "test"}, "values": lines}]}).encode()
    return servers.fetch(url + "/loki/api/v1/push", data=body, headers={"Content-Type": "application/json"})


def test_loki(findings, url):
    now = time.time_ns()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    a = push(url, now, trace_id)
    findings.check(a.status == 204, "loki: push", a)
    start, end = now - 300_000_000_000, now + 1_000_000_000

    # Save & test: exactly one sample of 2, or "no data" is what the user reads.
    a = servers.fetch(servers.url_of(url, "/loki/api/v1/query", query="vector(1)+vector(1)", time=now, limit=1000,
                                     direction="backward"), headers={"X-Query-Tags": "Source=grafana"})
    result = data(a).get("result", [])
    findings.check(data(a).get("resultType") == "vector" and [r["value"][1] for r in result] == ["2"],
                   "loki: vector(1)+vector(1) is one sample of 2", a)
    a = servers.fetch(url + "/loki/api/v1/status/buildinfo")
    findings.check(a.status == 200 and a.json().get("version", "").split(".")[0].isdigit(), "loki: buildinfo has a version", a)

    def fetch(path, headers=None, **parameters):
        return servers.fetch(servers.url_of(url, "/loki/api/v1/" + path, **parameters), headers=headers)

    selector = '{service_name="checkout"}'
    a = fetch("labels", start=start, end=end)
    findings.check({"service_name", "env"} <= set(data(a) or []), "loki: labels", a)
    a = fetch("label/service_name/values", start=start, end=end)
    findings.check("checkout" in (data(a) or []), "loki: values of a label", a)
    a = fetch("label/env/values", start=start, end=end, query=selector)
    findings.check(data(a) == ["test"], "loki: values of a label within a selector", a)
    a = fetch("series", **{"match[]": selector, "start": start, "end": end})
    findings.check([s for s in data(a) or [] if s.get("env") == "test"], "loki: series", a)
    a = fetch("index/stats", query=selector, start=start, end=end)
    stats = a.json() if a.status == 200 else {}
    findings.check({"streams", "chunks", "bytes", "entries"} <= stats.keys() and stats["entries"] == 2, "loki: index/stats", a)
    a = fetch("index/volume", query=selector, start=start, end=end, limit=100)
    findings.check(data(a).get("resultType") == "vector" and data(a).get("result"), "loki: index/volume", a)

    a = fetch("query_range", query=selector, start=start, end=end, step="1000ms", limit=1000, direction="backward",
              headers={"X-Loki-Response-Encoding-Flags": "categorize-labels", "X-Query-Tags": "Source=grafana"})
    d = data(a)
    values = sorted(v for s in d.get("result", []) for v in s["values"])
    findings.check(d.get("resultType") == "streams" and d.get("encodingFlags") == ["categorize-labels"] and len(values) == 2,
                   "loki: Explore's lines, labels by category", a)
    if len(values) == 2:
        findings.check(values[0][2].get("structuredMetadata", {}).get("trace_id") == trace_id,
                       "loki: a line carries its structured metadata", values[0])
    plain = fetch("query_range", query=selector, start=start, end=end, limit=1000)
    streams = data(plain).get("result", [])
    findings.check("encodingFlags" not in data(plain) and [s for s in streams if s["stream"].get("trace_id") == trace_id]
                   and all(len(v) == 2 for s in streams for v in s["values"]), "loki: without categories metadata is merged", plain)
    a = fetch("query_range", query=f'sum by (level) (count_over_time({selector} | logfmt | __error__="" [1m]))', start=start,
              end=end, step="15000ms")
    findings.check(data(a).get("resultType") == "matrix" and data(a).get("result"), "loki: the volume histogram", a)
    a = fetch("query_range", query=f"{selector} |= `refused`", start=start, end=end, limit=10)
    findings.check([v[1] for s in data(a).get("result", []) for v in s["values"]] == ['level=error msg="card refused" code=51'],
                   "loki: a line filter", a)
    a = fetch("query_range", query=f"{selector} | json | amount > 12", start=start, end=end, limit=10)
    findings.check(len([v for s in data(a).get("result", []) for v in s["values"]]) == 1, "loki: a filter of a parsed number", a)
    a = fetch("format_query", query='{service_name="checkout"}|="x"')
    findings.check(a.status == 200 and a.json().get("data") == '{service_name="checkout"} |= "x"', "loki: format_query", a)
    a = fetch("query_range", query="{", start=start, end=end)
    findings.check(a.status == 400 and a.headers.get("Content-Type", "").startswith("text/plain"),
                   "loki: a parse error is plain text", a)


def push_span(sonde, trace_id, span_id, now_ns):
    span = {"traceId": trace_id, "spanId": span_id, "name": "POST /pay", "kind": 2,
            "startTimeUnixNano": str(now_ns - 2_000_000_000), "endTimeUnixNano": str(now_ns - 1_750_000_000),
            "attributes": [{"key": "http.request.method", "value": {"stringValue": "POST"}},
                           {"key": "http.response.status_code", "value": {"intValue": "502"}}],
            "status": {"code": 2, "message": "card refused"}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]})
    return servers.fetch(sonde.otlp_http + "/v1/traces", data=body.encode(), headers={"Content-Type": "application/json"})


def test_jaeger(findings, sonde):
    now = time.time_ns()
    trace_id, span_id = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    a = push_span(sonde, trace_id, span_id, now)
    findings.check(a.status == 200, "jaeger: a span over OTLP JSON", a)
    # Save & test: a list of services, which must not be empty.
    a = sonde.get("/api/services")
    findings.check(a.status == 200 and "checkout" in (a.json().get("data") or []), "jaeger: services", a)
    a = sonde.get("/api/services/checkout/operations")
    findings.check(a.status == 200 and a.json().get("data") == ["POST /pay"], "jaeger: operations of a service", a)
    us = now // 1000
    a = sonde.get("/api/traces", service="checkout", operation="POST /pay", limit=20, start=us - 300_000_000, end=us,
                  minDuration="200ms", tags=json.dumps({"http.response.status_code": "502"}), lookback="custom")
    found = a.json().get("data") if a.status == 200 else None
    findings.check(found and [t["traceID"] for t in found] == [trace_id], "jaeger: search by operation, duration and tag", a)
    a = sonde.get("/api/traces", service="checkout", limit=20, start=us - 300_000_000, end=us, maxDuration="100ms")
    findings.check(a.status == 200 and a.json().get("data") == [], "jaeger: a search that finds nothing", a)
    a = sonde.get(f"/api/traces/{trace_id}", start=us - 300_000_000, end=us)
    found = a.json().get("data") if a.status == 200 else None
    if findings.check(found and len(found[0]["spans"]) == 1, "jaeger: one trace", a):
        span, processes = found[0]["spans"][0], found[0]["processes"]
        tags = {t["key"]: t for t in span["tags"]}
        findings.check(span["duration"] == 250_000 and span["startTime"] == us - 2_000_000, "jaeger: times in microseconds", span)
        findings.check(tags.get("http.response.status_code", {}).get("value") == 502
                       and tags["http.response.status_code"]["type"] == "int64", "jaeger: tags keep their type", tags)
        findings.check(tags.get("error", {}).get("value") is True, "jaeger: an error is marked", tags)
        findings.check(processes[span["processID"]]["serviceName"] == "checkout", "jaeger: the process", processes)
    a = sonde.get("/api/traces/00000000000000000000000000000abc")
    findings.check(a.status == 404 and a.json().get("errors"), "jaeger: an unknown trace", a)
    a = sonde.get("/api/dependencies", endTs=now // 1_000_000, lookback=3_600_000)
    findings.check(a.status == 200 and a.json().get("data") == [], "jaeger: the node graph of one service", a)


def test(arguments, folder, findings, start):
    config = """
scrape_configs:
  - job_name: sonde
    scrape_interval: 1s
    static_configs: [{targets: ['SONDE_ADDRESS']}]
"""
    sonde = start(servers.Sonde(arguments.server, folder, config)).wait_ready()
    servers.wait_for("sonde scraped by itself", lambda: servers.samples(sonde.get("/api/v1/query", query="up == 1")))
    test_prometheus(findings, sonde.url)
    test_loki(findings, sonde.url)
    test_jaeger(findings, sonde)


if __name__ == "__main__":
    servers.main(test, __doc__.splitlines()[0])
