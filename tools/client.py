"""A server of one's own and a Lambda client of a few lines, for the demo and the bench: what they
measure is Virga, so the client's own cost must be small and known (http.client, no SDK)."""
import base64
import hashlib
import hmac
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

ROLE = "arn:aws:iam::000000000000:role/lambda"
API = "/2015-03-31/functions"


def signature(keys, method, target, host, stamp, body, service="lambda", region="us-east-1"):
    """The Authorization header of a request whose target needs no canonical form of its own."""
    def mac(key, text):
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    path, _, query = target.partition("?")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    canonical = "\n".join([method, path, query, f"host:{host}", f"x-amz-date:{stamp}", "",
                           "host;x-amz-date", hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys[1]).encode()
    for part in scope.split("/"):
        key = mac(key, part)
    return f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders=host;x-amz-date, " \
           f"Signature={mac(key, text).hex()}"


class Server:
    """`virga serve` on a free port, with its data in a folder that goes away. dev: takes any
    credentials; else every request is signed by the root key. options: further arguments."""

    def __init__(self, build, dev=True, options=()):
        self.data = tempfile.mkdtemp(prefix="virga-")
        self.log = open(os.path.join(self.data, "log"), "w+", encoding="utf-8")
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [os.path.join(build, "virga"), "serve", *(["--dev"] if dev else []), "--listen",
             "127.0.0.1:0", "--data", os.path.join(self.data, "state"), *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        banner = line = self.process.stdout.readline()
        while line and not line.startswith("Ready."):
            line = self.process.stdout.readline()
            banner += line
        self.keys = re.findall(r"AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY)=(\S+)", banner)
        if not line.startswith("Ready."):
            self.process.wait(10)
            self.log.seek(0)
            sys.exit("Virga did not start:\n" + line + self.log.read())
        self.endpoint = re.search(r"http://[\d.:]+", line).group(0)
        self.pid = self.process.pid
        self.connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"),
                                                     timeout=60)
        self.request("GET", "/_virga/health")
        self.ready_ms = (time.perf_counter() - begin) * 1000  # to the first answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        shutil.rmtree(self.data, ignore_errors=True)
        if code != 0:
            sys.exit(f"Virga ended with {code}")

    def request(self, method, path, body=None, headers=None, fails=False):
        """(headers, body) of a success; anything else ends the program, but for errors of a function
        that fails."""
        headers = headers or {}
        if self.keys:
            headers = {**headers, **self.signed(method, path, body)}
        response = self.exchange(method, path, body, headers)
        answer = response.read()
        if response.status >= 300 or (response.getheader("X-Amz-Function-Error") and not fails):
            sys.exit(f"{method} {path} answered {response.status}: {answer.decode()}")
        return response.headers, answer

    def exchange(self, *request):
        """The answer's head. A connection that lay idle for minutes the server has closed, which shows
        when it is used again, before the server has seen the request: then by another one."""
        is_kept = self.connection.sock is not None
        try:
            self.connection.request(*request)
            return self.connection.getresponse()
        except ConnectionError:
            if not is_kept:
                raise
            self.connection.close()
            self.connection.request(*request)
            return self.connection.getresponse()

    def instances(self):
        """How many there are now."""
        return json.loads(self.request("GET", "/_virga/health")[1])["instances"]["alive"]

    def signed(self, method, target, body):
        """The headers that sign a request now; good for five minutes."""
        host = self.endpoint.removeprefix("http://")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return {"Host": host, "X-Amz-Date": stamp, "Authorization": signature(
            self.keys, method, target, host, stamp, (body or "").encode())}

    def wait_for_log(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            self.log.seek(0)
            if text in self.log.read():
                return
            if time.monotonic() > deadline:
                sys.exit(f"not in the log after {seconds} s: {text}")
            time.sleep(0.01)

    def create(self, name, source, runtime="python3.12", file="f.py", **options):
        """A function of one file; what it exports is named handler."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            entry = zipfile.ZipInfo(file)
            entry.external_attr = 0o755 << 16  # a custom runtime's bootstrap is a program
            out.writestr(entry, source)
        self.request("POST", API, json.dumps({
            "FunctionName": name, "Runtime": runtime, "Handler": "f.handler", "Role": ROLE,
            "MemorySize": 1769, "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
            **options}))

    def delete(self, name):
        self.request("DELETE", f"{API}/{name}")

    def invoke(self, name, event, fails=False):
        """(answer, last lines of the log)."""
        headers, answer = self.request("POST", f"{API}/{name}/invocations", json.dumps(event),
                                       {"X-Amz-Log-Type": "Tail"}, fails)
        return json.loads(answer), base64.b64decode(headers["X-Amz-Log-Result"]).decode()
