"""The processes that the compatibility tests start, and how they ask them."""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77
# What is wrong is found early where it can be; this only bounds the wait on a machine that is busy with other things.
PATIENCE = 60
DETAIL_MAX = 2000


class Skip(Exception):
    """What the test needs is not on this machine."""


class Findings:
    """Collects what does not hold, so that one run shows all of it."""

    def __init__(self):
        self.failed = []
        self.notes = []

    def expect(self, holds, message):
        if not holds:
            self.failed.append(message)
            print(f"FAILED  {message}", flush=True)
        return bool(holds)

    def ok(self, message):
        print(f"ok      {message}", flush=True)

    def check(self, holds, name, detail=""):
        """`detail` is shown when it does not hold."""
        if holds:
            self.ok(name)
        else:
            said = str(detail)
            self.expect(False, f"{name}: {said[:DETAIL_MAX]}{'…' if len(said) > DETAIL_MAX else ''}" if said else name)
        return bool(holds)

    def note(self, message):
        self.notes.append(message)
        print(f"note    {message}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.status} {self.text()[:400]}"


def fetch(url, *, data=None, headers=None, method=None, timeout=30):
    """The answer whatever its status; 0 when there is none."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as r:
            return Answer(r.status, r.headers, r.read())
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.headers, e.read())
    except OSError as e:
        return Answer(0, {}, str(e).encode())


def url_of(base, path, **parameters):
    return base + path + ("?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else "")


def wait_for(what, condition, seconds=PATIENCE, pause=0.2):
    """The first true value of `condition()`. Fails with the name of what did not come."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s: not {what}")
        time.sleep(pause)


class Process:
    """A child with its output in a file, in a process group of its own that ends with it."""

    def __init__(self, name, command, folder, *, env=None, cwd=None, stdin=None, into=None):
        """`into`: a file descriptor that its output goes to instead."""
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            out = log if into is None else into
            self.child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL if stdin is None else stdin,
                                          stdout=out, stderr=out, cwd=cwd, env=env, start_new_session=True)

    def running(self):
        return self.child.poll() is None

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, seconds=20):
        """The exit status; None if it had to be killed."""
        if self.running():
            os.killpg(self.child.pid, signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            return None


class Sonde(Process):
    def __init__(self, binary, folder, config="scrape_configs: []\n", name="sonde", flags=()):
        port, otlp_http, otlp_grpc = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.address = f"127.0.0.1:{port}"
        self.otlp_http = f"http://127.0.0.1:{otlp_http}"
        self.otlp_grpc = f"127.0.0.1:{otlp_grpc}"
        file = folder / f"{name}.yml"
        file.write_text(config.replace("SONDE_ADDRESS", self.address), encoding="utf-8")
        super().__init__(name, [binary, "server", f"--config.file={file}", f"--storage.tsdb.path={folder / (name + '-data')}",
                                f"--web.listen-address=127.0.0.1:{port}", f"--otlp.http.listen-address=127.0.0.1:{otlp_http}",
                                f"--otlp.grpc.listen-address=127.0.0.1:{otlp_grpc}", *flags], folder)

    def get(self, path, **parameters):
        return fetch(url_of(self.url, path, **parameters))

    def wait_ready(self):
        def ready():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.child.returncode}:\n{self.output()}")
            return fetch(self.url + "/-/ready", timeout=2).status == 200
        wait_for(f"{self.name} ready", ready)
        return self


class Prometheus(Process):
    def __init__(self, binary, folder, config):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        file = folder / "prometheus.yml"
        file.write_text(config, encoding="utf-8")
        super().__init__("prometheus", [binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus-data'}",
                                        f"--web.listen-address=127.0.0.1:{port}", "--log.format=logfmt"], folder)

    def get(self, path, **parameters):
        return fetch(url_of(self.url, path, **parameters))

    wait_ready = Sonde.wait_ready


def needed(program):
    found = shutil.which(program)
    if not found:
        raise Skip(f"{program} is not installed")
    return found


def cache_folder():
    folder = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sonde"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def install(name, source, build):
    """A folder in the cache that `build(folder)` fills from `source`, again when the contents of `source` change."""
    folder = cache_folder() / name
    stamp = folder / ".built-from"
    wanted = source.read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    build(folder)
    stamp.write_bytes(wanted)
    return folder


NETWORK_WORDS = ("getaddrinfo", "EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "NewConnectionError",
                 "Name or service not known", "Temporary failure in name resolution", "Connection refused",
                 "Network is unreachable")


def run_installer(command, cwd, env=None):
    """Skips when the registry cannot be reached; any other failure is one."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=400, check=False)
    if done.returncode:
        said = done.stdout + done.stderr
        if any(word in said for word in NETWORK_WORDS):
            raise Skip(f"{pathlib.Path(str(command[0])).name} cannot reach its registry")
        raise AssertionError(f"{' '.join(map(str, command))}:\n{said[-4000:]}")


def samples(answer):
    """An instant query's result as {labels: value}."""
    if answer.status != 200:
        return {}
    return {tuple(sorted(s["metric"].items())): float(s["value"][1]) for s in answer.json()["data"]["result"]}


def main(test, description):
    """Runs `test(arguments, folder, findings, started)`; the processes in the stack `started` end with it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", required=True, type=pathlib.Path, help="the sonde binary")
    parser.add_argument("--shop", required=True, type=pathlib.Path, help="the example's binary")
    arguments = parser.parse_args()
    arguments.server, arguments.shop = arguments.server.resolve(), arguments.shop.resolve()
    findings = Findings()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sonde-compat-"))
    keep = False
    try:
        with contextlib.ExitStack() as started:
            def start(process):
                started.callback(process.stop)
                return process
            try:
                test(arguments, folder, findings, start)
            except AssertionError as e:
                findings.expect(False, str(e))
    except Skip as e:
        print(f"skipped: {e}")
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(SKIPPED)
    finally:
        keep = bool(findings.failed)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    for message in findings.notes:
        print(f"note    {message}")
    if findings.failed:
        print(f"{len(findings.failed)} failed; what the processes said is in {folder}")
        sys.exit(1)
    print("all ok")
