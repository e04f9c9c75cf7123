"""A Virga of the test's own: on a free port, with its data in a folder that goes away, stopped by
pid. A stop checks that it ends by itself, and that no line of its log is an error.

The environment names the binaries: VIRGA_BUILD (default: build).
"""
import glob
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
import zipfile

import boto3
import botocore.config

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("VIRGA_BUILD", os.path.join(ROOT, "build")))
VIRGA = os.path.join(BUILD, "virga")
ROLE = "arn:aws:iam::000000000000:role/lambda"
START_SECONDS = 30
STOP_SECONDS = 30

CLIENT_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "",
    "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class Server:
    """options: further arguments of `virga serve`. data: a folder to keep between servers."""
    command = [VIRGA]

    def __init__(self, *options, data=None, dev=True):
        self.folder = None if data else tempfile.mkdtemp(prefix="virga-test-")
        self.data = data or os.path.join(self.folder, "data")
        self.options = (["--dev"] if dev else []) + list(options)
        self.process = None
        self.endpoint = None
        self.log = self.logs = None
        self.start()

    def start(self):
        self.logs = None  # a client of the endpoint that was
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            self.command + ["serve", "--listen", "127.0.0.1:0", "--data", self.data] + self.options,
            stdout=subprocess.PIPE, stderr=self.log, bufsize=0)  # select must see what readline left
        self.banner = []
        deadline = time.monotonic() + START_SECONDS
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                self.process.kill()
                raise AssertionError("Virga did not start in time:\n" + self.log_text())
            line = self.process.stdout.readline().decode()
            if not line:
                self.process.wait(START_SECONDS)
                raise AssertionError(f"Virga ended with {self.process.returncode}:\n"
                                     + "".join(self.banner) + self.log_text())
            self.banner.append(line)
            if line.startswith("Ready."):
                self.endpoint = re.search(r"https?://[\d.:]+", line).group(0)
                return

    @property
    def root_key(self):
        """(id, secret): what a server that wants signatures prints at its first start."""
        text = "".join(self.banner)
        return tuple(re.search(rf"{name}=(\S+)", text).group(1)
                     for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))

    @property
    def port(self):
        return int(self.endpoint.rsplit(":", 1)[1])

    @property
    def pid(self):
        return self.process.pid

    def health(self):
        with urllib.request.urlopen(self.endpoint + "/_virga/health") as answer:
            return json.load(answer)

    def messages(self, name):
        """What the log of a function holds now; its last lines are on their way for a moment."""
        if self.logs is None:
            self.logs = self.client("logs")
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + name)
            return [event["message"] for page in pages for event in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        """SIGTERM; a clean exit is part of every test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("Virga did not stop in time:\n" + self.log_text())
        self.process.stdout.close()
        text = self.log_text()
        self.log.close()
        assert code == 0, f"Virga ended with {code}:\n{text}"
        errors = [line for line in text.splitlines() if " lvl=error " in line or "Sanitizer" in line]
        assert not errors, "errors in the log:\n" + text

    def kill(self):
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def remove(self):
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
        except AssertionError:
            if kind is None:
                raise
        finally:
            self.remove()

    def client(self, service="lambda", region="us-east-1", key="test", secret="test", **config):
        """A boto3 client that neither retries nor hides an error; of a session of its own, because
        the default one is not for threads."""
        return boto3.session.Session().client(
            service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=60,
                                          max_pool_connections=64, **config))


class ServerTest(unittest.TestCase):
    """Tests that share one server and a client of it. OPTIONS: of `virga serve`; dev: whether it takes
    any credentials. keys: what Server.client() wants of them."""
    OPTIONS = ()
    dev = True

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS, dev=cls.dev)
        cls.addClassCleanup(cls.server.remove)  # cleanups come also when a set-up fails half-way
        cls.addClassCleanup(cls.server.stop)
        cls.keys = {} if cls.dev else dict(zip(("key", "secret"), cls.server.root_key))
        cls.client = cls.server.client(**cls.keys)
        cls.addClassCleanup(cls.client.close)


def zip_of(files, executable=("bootstrap",)):
    """A ZIP of {name: text or bytes}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if name in executable else 0o644) << 16
            archive.writestr(info, content)
    return out.getvalue()


# The ids of the system's interpreters, for which nothing stands in.
PYTHON_ID = "python3.%d" % int(os.path.realpath("/usr/bin/python3").rsplit(".", 1)[1])
NODE_ID = "nodejs%s.x" % subprocess.run(["/usr/bin/node", "--version"], capture_output=True, text=True,
                                        check=True).stdout[1:].split(".")[0]


def python_function(client, name, source, **options):
    """Creates a function whose module `f` is `source` and whose handler is f.handler."""
    return client.create_function(FunctionName=name, Runtime=PYTHON_ID, Role=ROLE,
                                  Handler="f.handler", Code={"ZipFile": zip_of({"f.py": source})},
                                  **options)


def children_of(pid, only_own=False):
    """All descendants of a process that live now, or its children only."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        own, parent = int(text.split(" ", 1)[0]), int(text.rsplit(")", 1)[1].split()[1])
        if parent == pid:
            found += [own] + ([] if only_own else children_of(own))
    return found


def cgroups_of(pids):
    """The names of Virga's control groups that these processes are in."""
    names = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
                names.update(re.findall(r"/(virga-[^/\n]+)", file.read()))
        except OSError:
            continue
    return names


def cgroups_left(names):
    """Which of these control groups still exist, in any hierarchy."""
    return [os.path.join(top, name) for top, folders, _ in os.walk("/sys/fs/cgroup")
            for name in folders if name in names]


def wait_until(true, what, seconds=20, every=0.01):
    """Waits for a condition of another process that offers nothing to wait on; bounded. Every poll of
    a test is here. every: seconds between two looks."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("not in time: " + what)
        time.sleep(every)
