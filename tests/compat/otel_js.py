#!/usr/bin/env python3
"""A Node service watched by OpenTelemetry's SDK: its traces, metrics and logs arrive over OTLP/HTTP and over gRPC."""
import os
import shutil
import time

import servers

APP = servers.ROOT / "tests/compat/otel_js_app"


def build(npm):
    def fill(folder):
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(APP / name, folder)
        servers.run_installer([npm, "ci", "--loglevel=error", "--fetch-retries=1", "--no-progress"], folder)
    return fill


def start_service(name, protocol, sonde, folder, node, modules, start):
    port = servers.free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "NODE_")) and not k.lower().endswith("_proxy")}
    endpoint = sonde.otlp_http if protocol == "http/protobuf" else f"http://{sonde.otlp_grpc}"
    env = clean | {"PORT": str(port), "PROTOCOL": protocol, "OTEL_SERVICE_NAME": name, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                   "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OTEL_BSP_SCHEDULE_DELAY": "300",
                   "OTEL_LOG_LEVEL": "warn", "NODE_PATH": str(modules / "node_modules")}
    app = start(servers.Process(name, [node, APP / "service.js"], folder, env=env))

    def ready():
        assert app.running(), f"{name} ended: {app.output()}"
        return "ready" in app.output()
    servers.wait_for(f"{name} ready", ready)
    statuses = [servers.fetch(f"http://127.0.0.1:{port}/orders/{i}").status for i in (1, 2, 3, 4, 9)]
    assert statuses == [200] * 4 + [503], statuses
    return app


def test_traces(findings, sonde, name):
    def found():
        a = sonde.get("/api/traces", service=name, operation="look up order", limit=20, lookback="1h")
        return [t for t in a.json()["data"] if len(t["spans"]) == 4] if a.status == 200 else []
    traces = servers.wait_for(f"five traces of four spans of {name}", lambda: (t := found()) and len(t) == 5 and t)
    chains = []
    for trace in traces:
        spans = {s["spanID"]: s for s in trace["spans"]}
        kinds = []
        current = next(s for s in spans.values() if not s["references"])
        while current:
            kinds.append(next(t["value"] for t in current["tags"] if t["key"] == "span.kind"))
            current = next((s for s in spans.values() if s["references"] and s["references"][0]["spanID"] == current["spanID"]), None)
        chains.append(kinds)
    findings.check(chains == [["server", "internal", "client", "server"]] * 5, f"{name}: spans below each other", chains)
    orders = {}
    for trace in traces:
        span = next(s for s in trace["spans"] if s["operationName"] == "look up order")
        tags = {t["key"]: (t["type"], t["value"]) for t in span["tags"]}
        orders[tags["order.id"][1]] = (tags, span)
    findings.check(sorted(orders) == [1, 2, 3, 4, 9] and orders[2][0]["order.gift"] == ("bool", True)
                   and orders[1][0]["order.id"] == ("int64", 1), f"{name}: attributes keep their types", list(orders.values())[:1])
    findings.check(orders[9][0].get("error", (0, 0))[1] is True and "error" not in orders[1][0], f"{name}: one of them failed", orders)
    events = [f for log in orders[1][1]["logs"] for f in log["fields"]]
    findings.check([f for f in events if f["value"] == "stock asked"] and [f for f in events if f["key"] == "status"],
                   f"{name}: the event in the span", events)
    environment = [t["value"] for p in traces[0]["processes"].values() for t in p["tags"] if t["key"] == "deployment.environment.name"]
    findings.check(environment[:1] == ["test"], f"{name}: the resource's attributes", traces[0]["processes"])


def test_metrics(findings, sonde, name):
    def ask(query):
        return servers.samples(sonde.get("/api/v1/query", query=query))

    def total():
        found = ask(f'orders_shown_total{{job="{name}"}}')
        return found if sum(found.values()) == 5 else None
    found = servers.wait_for(f"orders_shown_total of {name}", total)
    findings.check(sorted((dict(k)["status"], v) for k, v in found.items()) == [("200", 4), ("503", 1)], f"{name}: a counter", found)
    found = ask(f'orders_price_EUR_bucket{{job="{name}"}}')
    buckets = {float(dict(k)["le"]): v for k, v in found.items()}
    findings.check(buckets == {10: 0, 100: 3, 1000: 5, float("inf"): 5}, f"{name}: a histogram", found)
    found = ask(f'orders_price_EUR_sum{{job="{name}"}}')
    findings.check(list(found.values()) == [570], f"{name}: its sum", found)
    found = ask(f'orders_stock{{job="{name}"}}')
    findings.check([(dict(k)["shelf"], v) for k, v in found.items()] == [("a", 7.5)], f"{name}: an observable gauge", found)
    found = ask(f'orders_open{{job="{name}"}}')
    findings.check(list(found.values()) == [0], f"{name}: an up-down counter is a gauge", found)
    found = ask(f'target_info{{job="{name}"}}')
    findings.check(len(found) == 1 and dict(list(found)[0]).get("deployment_environment_name") == "test", f"{name}: target_info", found)
    found = ask(f'sum(http_server_duration_milliseconds_count{{job="{name}"}}) or sum(http_server_request_duration_seconds_count{{job="{name}"}})')
    findings.check(list(found.values()) == [10], f"{name}: the instrumentation's own histogram", found)


def test_logs(findings, sonde, name):
    def lines(query):
        now = time.time_ns()
        a = servers.fetch(servers.url_of(sonde.url, "/loki/api/v1/query_range", query=query, start=now - 600_000_000_000,
                                         end=now + 1_000_000_000, limit=100),
                          headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
        assert a.status == 200, f"{query}: {a}"
        return [(s["stream"], v[1], v[2].get("structuredMetadata", {})) for s in a.json()["data"]["result"] for v in s["values"]]
    selector = f'{{service_name="{name}"}}'
    found = servers.wait_for(f"five lines of {name}", lambda: (f := lines(selector)) and len(f) == 5 and f)
    findings.check(sorted(line for _, line, _ in found) == [f"order {i} shown" for i in (1, 2, 3, 4, 9)], f"{name}: bodies", found)
    one = next(meta for _, line, meta in found if line == "order 2 shown")
    findings.check(one.get("order_id") == "2" and float(one.get("order_price", "nan")) == 61 and one.get("gift") == "true",
                   f"{name}: attributes", one)
    found = lines(f"{selector} | order_price > 100")
    findings.check(len(found) == 2, f"{name}: numbers compare as numbers", found)
    found = lines(f'{selector} | detected_level="error"')
    findings.check([line for _, line, _ in found] == ["order 9 shown"], f"{name}: severity", found)
    trace_id = one.get("trace_id", "")
    a = sonde.get(f"/api/traces/{trace_id}")
    findings.check(len(trace_id) == 32 and a.status == 200 and len(a.json()["data"][0]["spans"]) == 4,
                   f"{name}: from the line to its trace", one)


def test(arguments, folder, findings, start):
    node, npm = servers.needed("node"), servers.needed("npm")
    modules = servers.install("compat-node", APP / "package-lock.json", build(npm))
    sonde = start(servers.Sonde(arguments.server, folder)).wait_ready()
    for name, protocol in (("orders-http", "http/protobuf"), ("orders-grpc", "grpc")):
        app = start_service(name, protocol, sonde, folder, node, modules, start)
        test_traces(findings, sonde, name)
        test_metrics(findings, sonde, name)
        test_logs(findings, sonde, name)
        findings.check(app.stop() == 0, f"{name}: its SDK shuts down without an error", app.output())
        said = app.output().replace("ready\n", "")
        findings.check(not said.strip(), f"{name}: its SDK has no complaint", said)


if __name__ == "__main__":
    servers.main(test, __doc__.splitlines()[0])
