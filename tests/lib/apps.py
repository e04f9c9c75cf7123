"""What the tests of real applications share: packages made of tests/interop/apps and its npm modules, a
server whose idle instances go after a second, requests to function URLs."""
import http.client
import io
import json
import os
import subprocess
import urllib.request
import zipfile

import server
from interop import installed
from snapshots import SnapshotTest

SOURCES = os.path.join(server.ROOT, "tests/interop/apps")
LEFT_OUT = (".d.ts", ".d.mts", ".d.cts", ".map", ".md")


def closure(packages, name, place=""):
    """The keys of package-lock.json that `name` needs, found from `place` as require() finds them."""
    wanted, keys = [(name, place)], set()
    while wanted:
        name, place = wanted.pop()
        while f"{place}node_modules/{name}" not in packages and place:
            place = place[:-1].rpartition("node_modules/")[0]
        key = f"{place}node_modules/{name}"
        if key in keys or key not in packages:  # an optional one
            continue
        keys.add(key)
        package = packages[key]
        names = {**package.get("dependencies", {}), **package.get("optionalDependencies", {})}
        wanted += [(needed, key + "/") for needed in names]
    return keys


def zip_tree(archive, top, prefix):
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name != "node_modules"]
        for name in names:
            if not name.endswith(LEFT_OUT):
                path = os.path.join(folder, name)
                archive.write(path, os.path.join(prefix, os.path.relpath(path, top)))


def package(files=(), modules=(), prefix=""):
    """A ZIP of files of tests/interop/apps and of npm packages with what they need, below `prefix`."""
    root = installed("apps")
    with open(os.path.join(root, "package-lock.json"), encoding="utf-8") as lock:
        packages = json.load(lock)["packages"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in files:
            archive.write(os.path.join(SOURCES, name), prefix + name)
        for key in sorted(set().union(*(closure(packages, name) for name in modules))):
            zip_tree(archive, os.path.join(root, key), prefix + key)
    return out.getvalue()


class AppTest(SnapshotTest):
    """Applications that are called by Invoke or through function URLs, started anew and from snapshots."""

    OPTIONS = ("--keep-alive", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = {}

    @classmethod
    def deploy(cls, name, code, handler, mode=None, **options):
        """mode: of a URL, "BUFFERED" or "RESPONSE_STREAM"."""
        options = {"Runtime": server.NODE_ID, "MemorySize": 512, "Timeout": 60, **options}
        cls.client.create_function(FunctionName=name, Role=server.ROLE, Handler=handler,
                                   Code={"ZipFile": code}, **options)
        if mode:  # Debian's boto3 does not know InvokeMode
            request = urllib.request.Request(
                f"{cls.server.endpoint}/2021-10-31/functions/{name}/url", method="POST",
                data=json.dumps({"AuthType": "NONE", "InvokeMode": mode}).encode())
            with urllib.request.urlopen(request) as answer:
                cls.hosts[name] = json.load(answer)["FunctionUrl"][7:-1]

    def ask(self, name, path="/", method="GET", body=None, headers=()):
        """(status, headers, body) of the function's URL. headers: pairs, so that a name can come twice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self.hosts[name])
        for key, value in headers:
            connection.putheader(key, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def ask_json(self, *arguments, **options):
        status, _, content = self.ask(*arguments, **options)
        self.assertLess(status, 300, content)
        return json.loads(content)

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def of_status(self, name):
        with urllib.request.urlopen(self.server.endpoint + "/_virga/status") as answer:
            status = json.load(answer)
        return next(entry for entry in status["functions"] if entry["name"] == name)

    def logged(self, name, pattern, count):
        """The messages of the function's log that match, once there are `count`: logs follow the answer."""
        found, logs = [], self.server.client("logs")

        def look():
            found[:] = logs.filter_log_events(
                logGroupName=f"/aws/lambda/{name}", filterPattern=pattern)["events"]
            return len(found) >= count
        server.wait_until(look, f"{count} lines with {pattern}")
        return [event["message"] for event in found]

    def twice(self, name, check, why=None):
        """check() by an instance from scratch, then by one that is restored from a snapshot; by a second one
        from scratch where the log says that there is none, with `why` as the reason."""
        check()
        if why is None:
            self.wait_for_snapshot(name)
        else:
            self.assertIn(why, self.wait_for_refusal(name))
        server.wait_until(lambda: self.of_status(name)["instances"] == 0, f"{name}: idle instances end")
        restored = self.counts()["restored"]
        check()
        self.assertEqual(self.counts()["restored"] > restored, why is None)
        self.assertGreaterEqual(self.of_status(name)["coldStarts"], 2)
