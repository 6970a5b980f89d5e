#!/usr/bin/env python3
"""The demo as a newcomer sees it: live data within a minute, a fault, an alert, and the way from it to the statement.

Starts `sonde demo`, and asserts by id that the alert's exemplar leads to a trace with the faulted statement, to its log lines and to the
statement's history; that the guide's rule is found unable to fire; and that Ctrl-C ends everything cleanly.
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)
    print("ok  ", what, flush=True)


class Server:
    def __init__(self, url):
        self.url = url

    def get(self, path, **params):
        query = "?" + urllib.parse.urlencode(params, doseq=True) if params else ""
        with urllib.request.urlopen(self.url + path + query, timeout=20) as r:
            body = r.read()
            return json.loads(body) if "json" in r.headers.get("Content-Type", "") else body.decode()

    def own(self, path, **params):
        return self.get("/api/sonde/v1" + path, **params)

    def value(self, expr):
        result = self.get("/api/v1/query", query=expr)["data"]["result"]
        return float(result[0]["value"][1]) if result else None


def wait_for(what, seconds, probe):
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = probe()
            if last:
                print("ok  ", what, flush=True)
                return last
        except (urllib.error.URLError, ConnectionError, KeyError, IndexError) as e:
            last = e
        time.sleep(0.5)
    raise Failure(f"{what}: not within {seconds} s (last: {str(last)[:300]})")


def run(server_path, shop_path, then):
    port = free_port()
    folder = tempfile.mkdtemp(prefix="sonde-demo-")
    log = open(os.path.join(folder, "demo.out"), "w+")
    process = subprocess.Popen(
        [server_path, "demo", f"--shop={shop_path}", f"--web.listen-address=127.0.0.1:{port}", f"--otlp.http.listen-address=127.0.0.1:{free_port()}",
         f"--otlp.grpc.listen-address=127.0.0.1:{free_port()}", "--fault-after=12s", "--fault-length=3m"],
        cwd=folder, stdout=log, stderr=log)
    sonde = Server(f"http://127.0.0.1:{port}")
    began = time.monotonic()
    try:
        wait_for("the server is ready", 15, lambda: "ready" in sonde.get("/-/ready"))
        wait_for("all targets are up", 20, lambda: sonde.value("sum(up)") == 4)
        wait_for("traces of three services", 20, lambda: set(sonde.own("/services")["services"]) >= {"web", "orders", "stock"})
        wait_for("logs arrive", 20, lambda: sonde.get("/loki/api/v1/query_range", query='{service_name="orders"}')["data"]["result"])
        wait_for("statements arrive", 30, lambda: [s for s in sonde.own("/queries", start=time.time() - 300, end=time.time())["statements"] if s["service"] == "stock"])
        overview = wait_for("the overview has rates", 20, lambda: (o := sonde.own("/overview", start=time.time() - 300, end=time.time()))
                            and all(s["rate"] for s in o["services"] if s["service"] in ("web", "orders", "stock")) and o)
        check(overview["targets"] == {"up": 4, "down": 0}, "the overview counts four targets up")
        check(sonde.own("/status")["synthetic_until"] > time.time() - 600, "the made-up history is labelled")
        check(sonde.value('count(http_requests_total{synthetic="true"} offset 10m)') > 0, "the made-up series say so")
        finding = wait_for("the guide's HighLatency is found unable to fire", 30, lambda: [
            f for f in sonde.own("/findings")["findings"] if f["rule"] == "HighLatency" and f["severity"] == "error"])[0]
        check("_bucket" in finding["rewrite"], "with a rewrite")

        states = set()

        def firing():
            for a in sonde.own("/alerts")["alerts"]:
                if a["name"] == "OrdersSlow":
                    states.add(a["state"])
                    if a["state"] == "firing":
                        return a
            return None

        alert = wait_for("OrdersSlow fires", 60, firing)
        check("pending" in states, "after it was pending")
        print(f"     firing {time.monotonic() - began:.0f} s after the start")
        message = wait_for("the inbox has it", 10, lambda: [m for m in sonde.own("/inbox")["messages"] if m["status"] == "firing" and "OrdersSlow" in m["title"]])[0]
        check(message["labels"]["job"] == "orders", "with its labels")
        history = sonde.own("/alerts/history", start=time.time() - 300, end=time.time())["transitions"]
        check({t["to"] for t in history if t["rule"] == "OrdersSlow"} >= {"pending", "firing"}, "the history has both steps")

        def evidence():
            e = sonde.own("/evidence", labels=json.dumps(alert["labels"]), t=time.time())
            return e if e.get("exemplar") else None

        found = wait_for("the alert's own labels and time lead to an exemplar", 20, evidence)
        trace_id = found["exemplar"]["trace_id"]
        trace = sonde.own("/traces/" + trace_id)
        check(trace["trace_id"] == trace_id, f"the exemplar's trace {trace_id} exists")
        slow = [s for s in trace["spans"] if s["service"] == "stock" and "db.query.text" in s["attributes"] and s["duration"] > 0.1]
        check(slow, "it contains the slow statement")
        check({s["service"] for s in trace["spans"]} >= {"web", "orders", "stock"}, "and all three services")
        check(trace["logs"] and {l["service"] for l in trace["logs"]}, "and its log lines")
        fingerprint = slow[0]["attributes"].get("sonde.db.fingerprint")
        check(fingerprint, "the span names the statement's fingerprint")
        statement = sonde.own("/queries/" + fingerprint, start=time.time() - 300, end=time.time())
        check(statement["statement"]["calls"] > 0 and statement["series"]["p95"], "whose history is there")
        check(any(s["fingerprint"] == fingerprint for s in found["statements"]), "and which the evidence lists")
        jaeger = sonde.get("/api/traces/" + trace_id)["data"][0]
        check(len(jaeger["spans"]) == len(trace["spans"]), "Jaeger's API shows the same trace")
        lines = sonde.get("/loki/api/v1/query_range", query='{service_name=~".+"} | trace_id="' + trace_id + '"')["data"]["result"]
        check(lines, "and Loki's the same lines")
        if then:
            then(sonde.url)
        check(process.poll() is None, "the demo still runs")
        process.send_signal(signal.SIGINT)
        check(process.wait(timeout=20) == 0, "Ctrl-C ends it cleanly")
        check(not os.path.exists(os.path.join(folder, "sonde-demo")), "and removes its data")
    except Exception:
        log.flush()
        log.seek(0)
        print(log.read()[-4000:], file=sys.stderr)
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--server", required=True)
    p.add_argument("--shop", required=True)
    p.add_argument("--pages", help="script that visits every page of the given URL, run while the alert fires")
    args = p.parse_args()

    def pages(url):
        subprocess.run([args.pages, url], check=True, timeout=600)

    for port in (8081, 8082, 8083):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                print(f"port {port}, which the example needs, is taken")
                return 1
    try:
        run(os.path.abspath(args.server), os.path.abspath(args.shop), pages if args.pages else None)
    except Failure as e:
        print("FAILED", e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
