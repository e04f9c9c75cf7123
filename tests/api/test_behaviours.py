"""The same behaviours in every runtime: one table, run for each language against the real server.

A behaviour is a method of Behaviours; a language is a row of LANGUAGES with what its users see of it
(error types, how a missing file is told). The functions are in behaviours/<language>; each does what
the event's `do` says.
"""
import base64
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request

import botocore.exceptions
from server import BUILD, NODE_ID, PYTHON_ID, ROLE, ROOT, Server, wait_until, zip_of

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "behaviours")
TOO_LARGE = 6291556
LINE = "a line of 60 characters that fills a log quicker than others"


def read_files(folder):
    paths = [path for path in glob.glob(os.path.join(folder, "**"), recursive=True) if os.path.isfile(path)]
    return {os.path.relpath(path, folder): open(path, "rb").read() for path in paths if "__pycache__" not in path}


def plain_files(language):
    return read_files(os.path.join(FOLDER, language))


def java_files(language):
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["javac", "-cp", os.path.join(BUILD, "bootstraps", "virga.jar"), "--release", "11",
                        "-d", out]
                       + sorted(glob.glob(os.path.join(FOLDER, language, "**", "*.java"), recursive=True)),
                       check=True)
        return read_files(out)


def c_files(language):
    with tempfile.TemporaryDirectory() as out:
        program = os.path.join(out, "bootstrap")
        library = os.path.join(ROOT, "bootstraps", "c")
        subprocess.run(["cc", "-static", "-O1", "-I", library, "-o", program,
                        os.path.join(FOLDER, language, "bootstrap.c")]
                       + sorted(glob.glob(os.path.join(library, "*.c"))), check=True)
        return read_files(out)


class Language:
    """error: type of the fixture's Custom. trace: member with the stack, and what its first line has.
    missing_file, missing_function, syntax, breaks: (handler, errorType, a part of errorMessage).
    bad: type of a result that JSON cannot say. exit: errorType of an exit in the handler."""

    def __init__(self, runtime, handler="app.handler", files=plain_files, **facts):
        self.runtime, self.handler, self.files = runtime, handler, files
        self.__dict__.update(facts)


EXIT = "Runtime.ExitError"
LANGUAGES = {
    "python": Language(
        PYTHON_ID, error="Custom", trace=("stackTrace", 'File "/var/task/app.py"'),
        missing_file=("nofile.handler", "Runtime.ImportModuleError", "Unable to import module 'nofile'"),
        missing_function=("app.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'"),
        syntax=("syntax.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax'"),
        breaks=("breaks.handler", "RuntimeError", "no start"),
        bad=("Runtime.MarshalError", "Unable to marshal response"), oom={"Runtime.OutOfMemory", "MemoryError"},
        paths={"PYTHONPATH": "/var/runtime"}),
    "node": Language(
        NODE_ID, error="Custom", trace=("trace", "Custom: my words"),
        missing_file=("nofile.handler", "Runtime.ImportModuleError", "Cannot find module 'nofile'"),
        missing_function=("app.nothing", "Runtime.HandlerNotFound", "app.nothing is undefined or not exported"),
        syntax=("syntax.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        breaks=("breaks.handler", "Error", "no start"),
        bad=("Error", "Unable to stringify response body"), oom={"Runtime.OutOfMemory"},
        paths={"NODE_PATH": f"/opt/nodejs/node{NODE_ID[6:-2]}/node_modules:/opt/nodejs/node_modules:"
                            "/var/runtime/node_modules:/var/runtime:/var/task"}),
    "ruby": Language(
        "ruby3.3", error="Function<Custom>", trace=("stackTrace", "/var/task/app.rb:"),
        missing_file=("nofile.handler", "Init<LoadError>", "cannot load such file -- nofile"),
        missing_function=("app.nothing", "Function<NoMethodError>", "undefined method `nothing'"),
        syntax=("syntax.handler", "Init<SyntaxError>", "syntax"),
        breaks=("breaks.handler", "Init<RuntimeError>", "no start"),
        bad=("Function<JSON::GeneratorError>", "NaN not allowed"),
        oom={"Runtime.OutOfMemory", "Function<NoMemoryError>"},
        paths={"RUBYLIB": "/var/task:/var/runtime/lib:/opt/ruby/lib"}),
    "java": Language(
        "java17", "behaviours.App", java_files, error="behaviours.App$Custom",
        trace=("stackTrace", "behaviours.App.doing(App.java:"),
        missing_file=("behaviours.No", "java.lang.ClassNotFoundException", "Class not found: behaviours.No"),
        missing_function=("behaviours.App::nothing", None, "No public method named nothing"),
        syntax=("behaviours.App$Custom", None, "does not implement an appropriate handler interface"),
        breaks=("behaviours.Breaks::handle", "java.lang.IllegalStateException", "no start"),
        bad=("java.lang.RuntimeException", "An error occurred during JSON serialization of response"),
        oom={"Runtime.OutOfMemory", "java.lang.OutOfMemoryError"}, paths={}),
    "provided": Language(
        "provided.al2023", files=lambda language: {**plain_files("python"), **plain_files(language)},
        error="Custom", trace=("stackTrace", None),
        missing_file=("nofile.handler", "ModuleNotFoundError", "No module named 'nofile'"),
        missing_function=("app.nothing", "AttributeError", "module 'app' has no attribute 'nothing'"),
        syntax=("syntax.handler", "SyntaxError", ""), breaks=("breaks.handler", "RuntimeError", "no start"),
        bad=("TypeError", "not JSON serializable"), oom={"Runtime.OutOfMemory", "MemoryError"}, paths={}),
    "c": Language(
        "provided.al2023", files=c_files, error="Custom", trace=("stackTrace", None),
        missing_file=("nofile.handler", "NoHandler", "no handler nofile.handler"),
        missing_function=("app.nothing", "NoHandler", "no handler app.nothing"),
        syntax=("syntax.handler", "NoHandler", ""), breaks=("breaks.handler", "NoHandler", ""),
        bad=("Bad", "no JSON for this"), oom={"Runtime.OutOfMemory"}, paths={}),
}
CUSTOM = ("provided", "c")  # whose runtime is the program's own

server = client = None


def setUpModule():
    global server, client
    server = Server()
    client = server.client()


def tearDownModule():
    server.stop()


class Behaviours:
    """Mixed into one test case for each language."""

    language = None  # key of LANGUAGES

    @classmethod
    def setUpClass(cls):
        cls.facts = LANGUAGES[cls.language]
        cls.zip = zip_of(cls.facts.files(cls.language))
        cls.main = cls.make("main")

    @classmethod
    def make(cls, name, handler=None, **options):
        name = f"{cls.language}-{name}"
        client.create_function(FunctionName=name, Runtime=cls.facts.runtime, Role=ROLE,
                               Handler=handler or cls.facts.handler, Code={"ZipFile": cls.zip},
                               **{"MemorySize": 512, "Timeout": 20, **options})
        return name

    def invoke(self, event, name=None, **options):
        answer = client.invoke(FunctionName=name or self.main, Payload=json.dumps(event), LogType="Tail", **options)
        self.log = base64.b64decode(answer["LogResult"]).decode()
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def do(self, what, name=None, **event):
        error, result = self.invoke({"do": what, **event}, name)
        self.assertIsNone(error, (result, self.log))
        return result

    def fails(self, what, name=None, **event):
        error, result = self.invoke({"do": what, **event}, name)
        self.assertEqual(error, "Unhandled", result)
        return result

    def echo(self, *values):
        for value in values:
            got = self.do("echo", value=value)
            self.assertEqual(got, value)
            self.assertEqual(type(got), type(value))

    # ---- values

    def test_scalars(self):
        self.echo(True, False, None, 0, -1, 42, "", "text", "line\nbreak \"quoted\" \\ / \t \x01")

    def test_unicode(self):
        self.echo("äöü", "日本語", "😀 e\u0301", "\u2028\u2029\ufeff", {"ключ": "значение"})

    def test_big_integers(self):
        self.echo(2 ** 31, -2 ** 31 - 1, 2 ** 53 - 1, 1 - 2 ** 53)
        if self.language != "node":  # its numbers are floats
            self.echo(2 ** 63 - 1, 2 ** 64, 12345678901234567890123)

    def test_floats(self):
        self.echo(0.1, -2.5, 1e-9, 1.7976931348623157e308, 123456789.125)

    def test_nesting(self):
        value = "deep"
        for _ in range(45):  # Ruby's JSON stops at 100
            value = [{"in": value}]
        self.echo(value)

    def test_empty(self):
        self.echo({}, [], "", [[]], {"": {}})

    def test_mixed(self):
        self.echo({"list": [1, "two", None, [3.5], {"four": True}], "a b": {"c": ["d"]}})

    def test_no_result(self):
        self.assertIsNone(self.do("none"))

    # ---- context and environment

    def test_context(self):
        got = self.do("context")
        request = re.search("START RequestId: ([0-9a-f-]{36}) Version: ", self.log).group(1)
        stream = got.pop("stream")
        self.assertRegex(stream, r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        self.assertEqual(str(got.pop("memory")), "512")
        self.assertEqual(got, {
            "id": request, "name": self.main, "version": "$LATEST", "client": None, "identity": None,
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:" + self.main,
            "group": "/aws/lambda/" + self.main})

    def test_request_ids_differ(self):
        self.assertEqual(len({self.do("context")["id"] for _ in range(3)}), 3)

    def test_trace_id(self):
        ids = [self.do("trace") for _ in range(2)]
        for id in ids:
            self.assertRegex(id, "^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$")
        self.assertNotEqual(*ids)

    def test_the_callers_trace(self):
        root = "Root=1-5759e988-bd862e3fe1be46a994272793"
        seen = set()
        for sampled in "10":
            header = f"{root};Parent=53995c3f42cd8ad8;Sampled={sampled}"
            got, told = self.traced(header)
            self.assertRegex(got, f"^{root};Parent=[0-9a-f]{{16}};Sampled={sampled}$")
            self.assertNotIn("53995c3f42cd8ad8", got)  # the function's own, below the caller's
            self.assertEqual(told, got)
            seen.add(got)
        self.assertEqual(len(seen), 2)
        got, told = self.traced("Root=1-5759e988-bd86;Sampled=1")
        self.assertRegex(got, "^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$")
        self.assertEqual(told, got)

    def traced(self, header):
        """What the function finds, and what the answer says, for a call with this header."""
        request = urllib.request.Request(
            f"{server.endpoint}/2015-03-31/functions/{self.main}/invocations", method="POST",
            data=json.dumps({"do": "trace"}).encode(), headers={"X-Amzn-Trace-Id": header})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer), answer.headers["X-Amzn-Trace-Id"]

    def test_client_context(self):
        context = {"custom": {"key": "wert ä"}, "env": {"a": "b"}, "client": {"installation_id": "i"}}
        error, got = self.invoke({"do": "context"}, ClientContext=base64.b64encode(
            json.dumps(context).encode()).decode())
        self.assertIsNone(error)
        self.assertEqual(got["client"], {"key": "wert ä"})

    def test_remaining_time(self):
        first, second = self.do("remaining")
        self.assertTrue(10000 < second <= first - 19 < 20000, (first, second))

    def test_environment(self):
        env = self.do("env")
        expected = {
            "_HANDLER": self.facts.handler, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": self.main, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + self.main, "AWS_LAMBDA_LOG_FORMAT": "Text",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "LAMBDA_TASK_ROOT": "/var/task",
            "LAMBDA_RUNTIME_DIR": "/var/runtime", "TZ": ":UTC", "LANG": "en_US.UTF-8",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
            "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            **self.facts.paths}
        if self.language not in CUSTOM:
            expected["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + self.facts.runtime
        self.assertEqual({name: env.get(name) for name in expected}, expected)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
                     "AWS_LAMBDA_LOG_STREAM_NAME"):
            self.assertTrue(env.get(name), name)
        self.assertEqual(env.get("AWS_EXECUTION_ENV") is None, self.language in CUSTOM)

    def test_own_variables(self):
        name = self.make("variables", Environment={"Variables": {
            "MINE": "ö = \"x\"", "EMPTY": "", "TZ": "Asia/Tokyo", "LANG": "C.UTF-8"}})
        env = self.do("env", name)
        self.assertEqual((env["MINE"], env["EMPTY"], env["TZ"], env["LANG"]),
                         ("ö = \"x\"", "", "Asia/Tokyo", "C.UTF-8"))

    def test_place(self):
        got = self.do("place")
        self.assertEqual((got["cwd"], got["zone"]), ("/var/task", "+0000"))
        self.assertGreater(int(got["uid"]), 1000)

    def test_code_is_read_only(self):
        for path in ("/var/task/new", "/var/runtime/new", "/opt/new", "/new"):
            self.assertEqual(self.do("write", path=path).lower(), "read-only file system")

    def test_warm_state_and_tmp(self):
        name = self.make("warm")
        self.assertEqual(self.do("tmp", name), False)
        self.assertIn("Init Duration: ", self.log)
        self.assertEqual(self.do("tmp", name), True)
        self.assertNotIn("Init Duration: ", self.log)
        self.assertEqual(self.do("count", name), 3)

    def test_many_calls_of_one_instance(self):
        name = self.make("many")
        self.assertEqual([self.do("count", name) for _ in range(20)], list(range(1, 21)))

    def test_event_invocation(self):
        name = self.make("later")
        answer = client.invoke(FunctionName=name, InvocationType="Event",
                               Payload=json.dumps({"do": "print", "lines": ["done later"]}))
        self.assertEqual(answer["StatusCode"], 202)
        wait_until(lambda: "done later\n" in server.messages(name), "the invocation")

    def test_instances_are_apart(self):
        name = self.make("apart", MemorySize=1769)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(client.invoke, FunctionName=name, Payload=json.dumps({"do": "sleep", "ms": 700}))
                     for _ in range(2)]
            got = [json.loads(call.result()["Payload"].read()) for call in calls]
        self.assertEqual(got, [1, 1])

    # ---- errors

    def test_error(self):
        error = self.fails("raise", message="my words ä")
        member, first = self.facts.trace
        self.assertEqual((error["errorType"], error["errorMessage"]), (self.facts.error, "my words ä"))
        trace = error.get(member, [])
        if first:
            self.assertTrue(any(first in line for line in trace[:2]), trace)
            self.assertIn("my words ä", self.log)
        if self.language != "node":  # AWS's has its own frames in it, too
            self.assertFalse([line for line in trace if "/var/runtime" in line or "virga." in line], trace)

    def test_error_keeps_the_instance(self):
        name = self.make("kept")
        self.assertEqual(self.do("count", name), 1)
        self.fails("raise", name, message="x")
        self.assertEqual(self.do("count", name), 3)

    def check_load(self, label, fact, times=1):
        handler, kind, message = fact
        name = self.make(label, handler)
        for _ in range(times):
            error = self.fails("none", name)
            self.assertEqual(error.get("errorType"), kind, error)
            self.assertIn(message, error["errorMessage"])

    def test_missing_file(self):
        self.check_load("no-file", self.facts.missing_file)

    def test_missing_function(self):
        self.check_load("no-function", self.facts.missing_function)

    def test_code_that_cannot_be_read(self):
        self.check_load("syntax", self.facts.syntax)

    def test_init_error_and_again(self):
        self.check_load("breaks", self.facts.breaks, times=2)

    def test_init_error_and_then_better(self):
        name = self.make("mended", self.facts.breaks[0])
        self.fails("none", name)
        client.update_function_configuration(FunctionName=name, Handler=self.facts.handler)
        self.assertEqual(self.do("count", name), 1)

    def test_bad_result(self):
        kind, message = self.facts.bad
        error = self.fails("bad")
        self.assertEqual(error["errorType"], kind)
        self.assertIn(message, error["errorMessage"])
        self.echo("next")

    def check_end(self, name, text, **event):
        error = self.fails(name=name, **event)
        request = re.search("START RequestId: (\\S+)", self.log).group(1)
        self.assertEqual(error, {"errorType": EXIT, "errorMessage":
                                 f"RequestId: {request} Error: Runtime exited with {text}"})
        self.assertIn("Status: error\tError Type: " + EXIT, self.log)
        self.assertEqual(self.do("count", name), 1)

    def test_exit(self):
        name = self.make("exit")
        self.check_end(name, "error: exit status 3", what="exit", code=3)
        error = self.fails("exit", name, code=0)
        self.assertEqual(error["errorType"], EXIT)
        self.assertIn("Runtime exited without providing a reason", error["errorMessage"])
        self.assertEqual(self.do("count", name), 1)

    def test_kill(self):
        self.check_end(self.make("kill"), "error: signal: killed", what="kill")

    def test_timeout(self):
        name = self.make("timeout", Timeout=1)
        self.do("none", name)
        error = self.fails("sleep", name, ms=60000)
        self.assertEqual(error["errorType"], "Sandbox.Timedout")
        self.assertRegex(error["errorMessage"], r"^RequestId: \S+ Error: Task timed out after 1.00 seconds$")
        self.assertIn("Task timed out after 1.00 seconds", self.log)
        self.assertEqual(self.do("count", name), 1)

    def test_out_of_memory(self):
        name = self.make("memory", MemorySize=160)
        error = self.fails("oom", name)
        self.assertIn(error["errorType"], self.facts.oom)
        self.assertIn(self.do("count", name), (1, 2))  # 2: the language has noticed, and lives on

    # ---- sizes

    def test_answer_too_large(self):
        error = self.fails("big", size=TOO_LARGE)
        self.assertEqual(error["errorType"], "Function.ResponseSizeTooLarge")
        self.assertEqual(len(self.do("big", size=TOO_LARGE - 100)), TOO_LARGE - 100)

    def test_large_event(self):
        size = 6 * 1024 * 1024 - 100
        self.assertEqual(self.do("size", value="x" * size), size)
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.invoke({"do": "size", "value": "x" * (size + 200)})
        self.assertEqual(caught.exception.response["Error"]["Code"], "RequestEntityTooLargeException")

    def test_large_answer(self):
        self.assertEqual(len(self.do("big", size=6 * 1024 * 1024 - 2)), 6 * 1024 * 1024 - 2)

    # ---- log

    def lines(self):
        return self.log.split("\n")

    def test_output(self):
        self.do("print", lines=["first", "", "umlaut ä"])
        at = self.lines().index("first")
        inside = [line for line in self.lines()[at:] if not line.startswith(("END", "REPORT"))]
        self.assertEqual(sorted(inside[:6]), sorted(["first", "", "umlaut ä"] * 2))

    def test_report_lines(self):
        self.do("none")
        lines = self.lines()
        self.assertRegex(lines[0], r"^START RequestId: \S{36} Version: \$LATEST$")
        self.assertRegex(self.log, r"END RequestId: \S{36}\nREPORT RequestId: \S{36}\tDuration: [\d.]+ ms\t"
                                   r"Billed Duration: \d+ ms\tMemory Size: 512 MB\tMax Memory Used: \d+ MB\t")

    def test_log_tail(self):
        self.do("print", lines=[f"{LINE} {n}" for n in range(100)])
        self.assertTrue(4000 < len(self.log.encode()) <= 4096, len(self.log))
        self.assertIn(LINE + " 99", self.log)
        self.assertNotIn("START", self.log)

    def test_events_of_the_log(self):
        name = self.make("log")
        self.do("event", name, text="one\ntwo")
        wait_until(lambda: any("REPORT" in event for event in server.messages(name)), "the log")
        events = server.messages(name)
        self.assertTrue(events[0].startswith("INIT_START Runtime Version: "), events)
        starting = [n for n, event in enumerate(events) if "said while starting" in event]
        self.assertEqual(len(starting), 1)
        self.assertLess(starting[0], next(n for n, event in enumerate(events) if event.startswith("START")))
        holding = [event for event in events if re.search(r"one[\n\r]two", event)]
        self.assertEqual(len(holding), 0 if self.language in CUSTOM else 1, events)


for key in LANGUAGES:
    globals()[key.capitalize()] = type(key.capitalize(), (Behaviours, unittest.TestCase), {"language": key})


if __name__ == "__main__":
    unittest.main()
