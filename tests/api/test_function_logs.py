"""What functions print, in CloudWatch Logs: the platform's lines around it, in order, whole, and
nothing lost without a count."""
import base64
import http.client
import json
import os
import re
import subprocess
import time
import unittest

from server import CLIENT_ENVIRONMENT, NODE_ID, PYTHON_ID, ROLE, Server, ServerTest, python_function, wait_until, zip_of

AWS = "/usr/bin/aws"
WAIT_SECONDS = 20

PYTHON = r"""
import logging, os, sys, time
print("loading")
log = logging.getLogger()

def handler(event, context):
    return globals()[event.get("do", "hello")](event)

def hello(event):
    print("hello", event.get("n"))
    print("to stderr", file=sys.stderr)
    log.warning("first\nsecond")
    sys.stdout.write("no end")

def fail(event):
    raise ValueError("on purpose")

def leave(event):
    print("leaving")
    sys.stdout.flush()
    os._exit(3)

def sleep(event):
    print("asleep")
    time.sleep(60)

def flood(event):
    line = "x" * 99 + "\n"
    for n in range(event["lines"]):
        sys.stdout.write(line)

def tiny(event):
    os.write(1, b"\n" * event["lines"])

def long(event):
    print("y" * 600000)
"""

JSON_PYTHON = r"""
import logging, time
log = logging.getLogger()

def handler(event, context):
    print("plain", flush=True)
    time.sleep(event.get("sleep", 0))
    log.debug("first\nsecond", extra={"tenant": "t1"})
    try:
        {}["k"]
    except KeyError:
        log.exception("caught")
    if event["fail"]:
        raise ValueError("on purpose")
"""

NODE = r"""
console.log('loading');
exports.handler = async (event) => {
  if (event.fail) throw new TypeError('on purpose');
  console.log('hello', event.n);
  console.error('two\nlines');
};
"""


class FunctionLogsTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.server.client("logs")

    def function(self, name, code=PYTHON, **more):
        """Debian's boto3 does not know LoggingConfig: the request is made by hand."""
        is_node = code is NODE
        package = zip_of({"f.js" if is_node else "f.py": code})
        request = {"FunctionName": name, "Role": ROLE, "Handler": "f.handler", "MemorySize": 512,
                   "Runtime": NODE_ID if is_node else PYTHON_ID, "Timeout": 30,
                   "Code": {"ZipFile": base64.b64encode(package).decode()}, **more}
        answer = self.raw("POST", "/2015-03-31/functions", request)
        self.addCleanup(self.client.delete_function, FunctionName=name)
        return answer

    def raw(self, method, path, body, status=201):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        self.assertEqual(response.status, status, answer)
        return answer

    def invoke(self, name, payload="{}"):
        answer = self.client.invoke(FunctionName=name, Payload=payload)
        answer["Payload"].read()
        return answer["ResponseMetadata"]["RequestId"]

    def read(self, group, **more):
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group, **more)
        try:
            return [event for page in pages for event in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []

    def events(self, group, until, count=1):
        """Once `count` messages start with `until`: logs are on their way for a moment."""
        events = []

        def look():
            events[:] = self.read(group)
            return sum(event["message"].startswith(until) for event in events) >= count
        wait_until(look, f"{count} times {until} in {group}", WAIT_SECONDS)
        return events

    def messages(self, group, until, count=1):
        return [event["message"] for event in self.events(group, until, count)]

    def test_python(self):
        self.function("py")
        request = self.invoke("py", '{"n": 1}')
        events = self.events("/aws/lambda/py", "REPORT")
        init, loading, start, hello, error, warning, rest, end, report = (
            event["message"] for event in events)
        self.assertRegex(init, r"^INIT_START Runtime Version: python:3\.\d+\.v1\tRuntime Version ARN: "
                               r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n$")
        self.assertEqual(loading, "loading\n")
        self.assertEqual(start, f"START RequestId: {request} Version: $LATEST\n")
        self.assertEqual((hello, error), ("hello 1\n", "to stderr\n"))
        self.assertRegex(warning, rf"^\[WARNING\]\t\S+Z\t{request}\tfirst\nsecond\n$")
        self.assertEqual(rest, "no end")
        self.assertEqual(end, f"END RequestId: {request}\n")
        self.assertTrue(report.startswith(f"REPORT RequestId: {request}\tDuration: "))
        streams = {event["logStreamName"] for event in events}
        self.assertEqual(len(streams), 1)
        self.assertRegex(streams.pop(), r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        times = [event["timestamp"] for event in events]
        self.assertEqual(times, sorted(times))
        self.assertLess(abs(times[-1] / 1000 - time.time()), 60)

    def test_node(self):
        self.function("js", NODE)
        request = self.invoke("js", '{"n": 2}')
        messages = self.messages("/aws/lambda/js", "REPORT")
        self.assertRegex(messages[0], r"^INIT_START Runtime Version: nodejs:\d+\.v1\t")
        self.assertRegex(messages[1], r"\tINFO\tloading\n$")
        self.assertEqual(messages[2], f"START RequestId: {request} Version: $LATEST\n")
        self.assertRegex(messages[3], rf"^\S+Z\t{request}\tINFO\thello 2\n$")
        self.assertRegex(messages[4], rf"^\S+Z\t{request}\tERROR\ttwo[\r\n]lines\n$")
        self.assertEqual(messages[5], f"END RequestId: {request}\n")
        self.assertTrue(messages[6].startswith(f"REPORT RequestId: {request}\t"))
        self.assertEqual(len(messages), 7)

    def test_errors(self):
        self.function("bad")
        self.invoke("bad", '{"do": "fail"}')
        trace = [m for m in self.messages("/aws/lambda/bad", "REPORT") if m.startswith("[ERROR]")]
        self.assertEqual(len(trace), 1)  # one event, whatever its lines
        self.assertRegex(trace[0], r"^\[ERROR\] ValueError: on purpose\nTraceback \(most recent call "
                                   r"last\):\n")
        self.assertIn('File "/var/task/f.py", line', trace[0])
        request = self.invoke("bad", '{"do": "leave"}')
        self.assertEqual(self.messages("/aws/lambda/bad", "REPORT", 2)[-4:-1], [
            "leaving\n", f"RequestId: {request} Error: Runtime exited with error: exit status 3\n"
            "Runtime.ExitError\n", f"END RequestId: {request}\n"])
        self.function("slow", Timeout=1)
        request = self.invoke("slow", '{"do": "sleep"}')
        *_, asleep, timeout, end, report = self.messages("/aws/lambda/slow", "REPORT")
        self.assertEqual((asleep, end), ("asleep\n", f"END RequestId: {request}\n"))
        self.assertRegex(timeout, rf"^\S+Z {request} Task timed out after 1\.00 seconds\n\n$")
        self.assertTrue(report.endswith("Status: timeout\n"))

    def test_failed_init(self):
        self.function("broken", "import nothing_like_this")
        self.invoke("broken")
        messages = self.messages("/aws/lambda/broken", "REPORT")
        kinds = [re.match(r"\[?\w+", message).group(0) for message in messages]
        self.assertEqual(kinds, ["INIT_START", "[ERROR", "INIT_REPORT", "START", "END", "REPORT"])
        self.assertRegex(messages[2], r"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: "
                                      r"error\tError Type: Runtime\.ImportModuleError\n$")

    def test_json(self):
        config = {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "DEBUG"}
        made = self.function("json", JSON_PYTHON, LoggingConfig=config)
        self.assertEqual(made["LoggingConfig"], {**config, "LogGroup": "/aws/lambda/json"})
        request = self.invoke("json", '{"fail": false}')
        failed = self.invoke("json", '{"fail": true}')
        messages = self.messages("/aws/lambda/json", '{"time":', 8)
        logs = [json.loads(message) for message in messages if message != "plain\n"]
        self.assertEqual([log.get("type", log.get("level")) for log in logs], [
            "platform.initStart", "platform.initRuntimeDone", "platform.initReport",
            "platform.start", "DEBUG", "ERROR",
            "platform.runtimeDone", "platform.report", "platform.start", "DEBUG", "ERROR", "ERROR",
            "platform.runtimeDone", "platform.report"])
        self.assertEqual(logs[3]["record"], {"requestId": request, "version": "$LATEST"})
        self.assertEqual({key: logs[4][key] for key in ("message", "logger", "requestId", "tenant")},
                         {"message": "first\nsecond", "logger": "root", "requestId": request,
                          "tenant": "t1"})
        self.assertEqual((logs[5]["errorType"], logs[5]["errorMessage"]), ("KeyError", "'k'"))
        self.assertIn("in handler", logs[5]["stackTrace"][0])
        report = logs[7]["record"]
        self.assertEqual((report["requestId"], report["status"]), (request, "success"))
        self.assertEqual(set(report["metrics"]), {"durationMs", "billedDurationMs", "memorySizeMB",
                                                  "maxMemoryUsedMB", "initDurationMs"})
        self.assertEqual((logs[11]["errorMessage"], logs[11]["requestId"]), ("on purpose", failed))

    def test_json_levels(self):
        config = {"LogFormat": "JSON", "ApplicationLogLevel": "FATAL", "SystemLogLevel": "WARN"}
        self.function("quiet", JSON_PYTHON, LoggingConfig=config, Timeout=1)
        self.invoke("quiet", '{"fail": false}')
        self.invoke("quiet", '{"sleep": 60}')
        messages = self.messages("/aws/lambda/quiet", '{"time":', 2)
        self.assertEqual(messages[0], "plain\n")
        report = json.loads(messages[-1])
        self.assertEqual((report["type"], report["record"]["status"]), ("platform.report", "timeout"))
        self.assertFalse(any('"level"' in message for message in messages))
        answer = self.raw("POST", "/2015-03-31/functions", {
            "FunctionName": "wrong", "Role": ROLE, "Handler": "f.handler", "Runtime": PYTHON_ID,
            "Code": {"ZipFile": base64.b64encode(zip_of({"f.py": PYTHON})).decode()},
            "LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "WARN"}}, 400)
        self.assertIn('LogLevel is not supported when LogFormat is set to "Text".', str(answer))

    def test_json_node(self):
        config = {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}
        self.function("njson", NODE, LoggingConfig=config)
        request = self.invoke("njson")
        logs = [json.loads(m) for m in self.messages("/aws/lambda/njson", '{"time":', 3)]
        self.assertEqual([log.get("type", log.get("level")) for log in logs], [
            "platform.initStart", "platform.start", "ERROR", "platform.report"])
        self.assertEqual((logs[2]["message"], logs[2]["requestId"]), ("two\nlines", request))

    def test_group_of_choice(self):
        self.function("chosen", LoggingConfig={"LogGroup": "/my/own"})
        self.invoke("chosen")
        self.assertIn("hello None\n", self.messages("/my/own", "REPORT"))

    def test_thousand_calls(self):
        self.function("often")
        requests = {self.invoke("often", f'{{"n": {n}}}') for n in range(1000)}
        self.assertEqual(len(requests), 1000)
        messages = self.messages("/aws/lambda/often", "REPORT", 1000)
        for kind in ("START", "END", "REPORT"):
            found = [re.match(kind + r" RequestId: (\S+)", message) for message in messages]
            found = [match.group(1) for match in found if match]
            self.assertEqual((len(found), set(found)), (1000, requests), kind)
        said = [message for message in messages if message.startswith("hello ")]
        self.assertEqual(said, [f"hello {n}\n" for n in range(1000)])

    def test_flood(self):
        """More than the log takes at once: the function waits, each line is there or counted."""
        lines = 300000
        self.function("flood", Timeout=120)
        self.invoke("flood", f'{{"do": "flood", "lines": {lines}}}')
        self.invoke("flood")
        messages = self.messages("/aws/lambda/flood", "REPORT", 2)
        lost = sum(int(re.match(r"\[virga\] (\d+) log events were lost", message).group(1))
                   for message in messages if message.startswith("[virga]"))
        self.assertEqual(messages.count("x" * 99 + "\n") + lost, lines)
        self.assertLess(lost, 1000)
        self.invoke("flood", '{"do": "tiny", "lines": 50000}')
        messages = self.messages("/aws/lambda/flood", "REPORT", 3)
        self.assertEqual(messages.count("\n"), 50000)

    def test_long_line(self):
        self.function("long")
        self.invoke("long", '{"do": "long"}')
        parts = [m for m in self.messages("/aws/lambda/long", "REPORT") if m.startswith("yyy")]
        self.assertEqual([len(part) for part in parts], [262118, 262118, 75765])

    def test_tail_command(self):
        self.function("tailed")
        self.invoke("tailed", '{"n": 7}')
        self.messages("/aws/lambda/tailed", "REPORT")
        out = subprocess.run([AWS, "--endpoint-url", self.server.endpoint, "logs", "tail",
                              "/aws/lambda/tailed", "--format", "short"],
                             env={**os.environ, **CLIENT_ENVIRONMENT}, capture_output=True, text=True,
                             timeout=60, check=True).stdout
        self.assertRegex(out, r"(?s)START RequestId.*hello 7\n.*END RequestId.*REPORT RequestId")


class StopTest(unittest.TestCase):
    def test_clean_stop_loses_nothing(self):
        with Server() as server:
            client = server.client()
            python_function(client, "f", PYTHON)
            for n in range(20):
                client.invoke(FunctionName="f", Payload=f'{{"n": {n}}}')["Payload"].read()
            server.stop()
            server.start()
            messages = server.messages("f")
            self.assertEqual([m for m in messages if m.startswith("hello")],
                             [f"hello {n}\n" for n in range(20)])
            self.assertEqual(sum(m.startswith("REPORT") for m in messages), 20)


if __name__ == "__main__":
    unittest.main()
