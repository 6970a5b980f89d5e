"""A server under test: started, asked, measured and stopped. CPU time comes from the process's own clock, so that figures
hold on a machine that is busy with other things."""
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Contestant:
    def __init__(self, name, command, folder):
        self.name = name
        self.command = command  # a function of (folder, port)
        self.folder = pathlib.Path(folder)
        self.process = None

    def start(self, limit=60):
        """Starts it and returns the seconds until it is ready."""
        self.port = free_port()
        log = open(self.folder / "log", "ab")
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command(self.folder, self.port), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, cwd=self.folder)
        log.close()
        while time.monotonic() - begun < limit:
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/-/ready")
                if connection.getresponse().status == 200:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                    return time.monotonic() - begun
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.002)
        tail = (self.folder / "log").read_text(errors="replace").splitlines()[-8:]
        self.stop()
        raise RuntimeError(f"{self.name} did not become ready:\n  " + "\n  ".join(tail))

    def stop(self):
        """Ends it in an orderly way and returns the seconds that took."""
        if self.process is None:
            return 0.0
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        return time.monotonic() - begun

    def cpu(self):
        """CPU seconds of all its threads so far, ended ones too: the clock that clock_getcpuclockid() names."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory(self):
        """Bytes that are resident."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def write(self, body):
        self.connection.request("POST", "/api/v1/write", body, {
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0", "User-Agent": "sonde-bench"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status // 100 != 2:
            raise RuntimeError(f"{self.name} refused a write: {response.status} {answer[:300].decode(errors='replace')}")

    def get(self, path, parameters):
        """The body of the answer; an error is an exception."""
        self.connection.request("GET", path + "?" + urllib.parse.urlencode(parameters))
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{self.name}: {path} {parameters.get('query')}: {response.status} {body[:300].decode(errors='replace')}")
        return body
