"""A sonde server as a child process, and plain HTTP to it. Python's standard library alone."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse


def free_ports(count):
    """Ports of 127.0.0.1 that nobody had a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Failure(Exception):
    """What the test found wrong."""


class ServerProcess:
    """Started and ended as often as one likes, always on the same directory and ports."""

    def __init__(self, executable, directory, config):
        self.executable = executable
        self.directory = directory
        self.port, self.otlp_port, self.grpc_port = free_ports(3)
        self.log_path = os.path.join(directory, "server.log")
        self.config_path = os.path.join(directory, "prometheus.yml")
        self.process = None
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(config)

    def start(self):
        assert self.process is None
        arguments = [
            self.executable, "server",
            f"--config.file={self.config_path}",
            f"--storage.tsdb.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--otlp.http.listen-address=127.0.0.1:{self.otlp_port}",
            f"--otlp.grpc.listen-address=127.0.0.1:{self.grpc_port}",
        ]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(
                    f"the server ended by itself with {self.process.returncode}:\n{self.log_tail()}")
            try:
                status, _ = self.request("GET", "/-/ready", timeout=5)
                if status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)
        raise Failure(f"the server was not ready after {seconds} s:\n{self.log_tail()}")

    def kill(self):
        """kill -9. Fails when the server was no longer there to be killed."""
        process, self.process = self.process, None
        gone = process.poll()
        if gone is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        if gone is not None:
            raise Failure(f"the server ended by itself with {gone}:\n{self.log_tail()}")

    def terminate(self):
        """Asks the server to stop, and does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds=30):
        """Asks the server to stop; fails when it does not, or not cleanly."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"the server did not stop within {seconds} s of SIGTERM") from None
        if code != 0:
            raise Failure(f"the server stopped with {code}:\n{self.log_tail()}")

    def abandon(self):
        """For clean-up: ends the process, if there is one, and asks nothing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log_tail(self, bytes_max=4000):
        with open(self.log_path, "rb") as f:
            return f.read()[-bytes_max:].decode("utf-8", "replace")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise Failure("the server has no resident memory: it is gone")

    def request(self, method, path, body=None, headers=None, timeout=30, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get_json(self, path, parameters=None, timeout=60):
        if parameters:
            path += "?" + urllib.parse.urlencode(parameters)
        status, body = self.request("GET", path, timeout=timeout)
        if status != 200:
            raise Failure(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def query(self, expression, timeout=60, at=None):
        """The result of an instant query."""
        parameters = {"query": expression}
        if at is not None:
            parameters["time"] = str(at)
        return self.get_json("/api/v1/query", parameters, timeout)["data"]["result"]

    def own_metric(self, series):
        """The value of one series on /metrics, as it is written there: name and labels."""
        status, body = self.request("GET", "/metrics")
        if status != 200:
            raise Failure(f"GET /metrics: {status}")
        for line in body.decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        raise Failure(f"/metrics has no {series}")
