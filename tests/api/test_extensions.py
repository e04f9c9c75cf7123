"""Extensions against the real server: programs of layers beside the runtime and threads inside it,
what they are told, what their end means, and how they are asked to end."""
import json
import os
import re
import unittest

from extension_case import BOTH, ECHO, ExtensionCase
from server import ROOT, Server, python_function, wait_until

# A function that is its own extension.
INTERNAL = '''
import http.client, json, os, signal, threading
def call(method, path, body=None, headers={}):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = api.getresponse()
    return answer.status, dict(answer.getheaders()), json.loads(answer.read())
def register(name, events):
    return call("POST", "register", json.dumps({"events": events}), {"Lambda-Extension-Name": name})
def next(id):
    return call("GET", "event/next", None, {"Lambda-Extension-Identifier": id} if id else {})
seen = []
def loop(id):
    while True:
        seen.append(next(id)[2]["requestId"])
id = register("thread", ["INVOKE"])[1]["Lambda-Extension-Identifier"]
refused = [register("a", ["INVOKE", "SHUTDOWN"])[::2], register("a", ["RESTART"])[::2],
           register("", ["INVOKE"])[::2], register("thread", [])[::2],
           call("POST", "register", "[", {"Lambda-Extension-Name": "a"})[::2],
           next("")[::2], next("1")[::2], next("0" * 8 + "-0000-0000-0000-" + "0" * 12)[::2]]
threading.Thread(target=loop, args=(id,), daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: (print("asked", flush=True), os._exit(0)))
def handler(event, context):
    if event == "refused":
        return refused
    if event == "late":
        status, _, body = register("late", [])
        return [status, body["errorType"]]
    while context.aws_request_id not in seen:
        pass
    return "seen"
'''


class Extensions(ExtensionCase):
    def test_the_example(self):
        with open(os.path.join(ROOT, "examples/extension-events/extensions/events"),
                  encoding="utf-8") as file:
            self.make("example", events=file.read())
        self.assertEqual((None, 7), self.call("example", 7))
        self.assertEqual((None, 8), self.call("example", 8))
        said = self.wait_for("example", r'\[events\] .*"INVOKE"')
        event = json.loads(said[len("[events] "):])
        self.assertEqual({"eventType", "deadlineMs", "requestId", "invokedFunctionArn", "tracing"},
                         set(event))
        self.assertEqual("arn:aws:lambda:us-east-1:000000000000:function:example",
                         event["invokedFunctionArn"])
        self.assertEqual("X-Amzn-Trace-Id", event["tracing"]["type"])
        self.assertRegex(event["tracing"]["value"], "^Root=1-")
        log = self.messages("example")
        self.wait_for("example",
                      r"^EXTENSION\tName: events\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]$")
        start = next(m for m in log if m.startswith("START"))
        self.assertIn(event["requestId"], start)
        self.end("example")
        said = self.wait_for("example", "SHUTDOWN.*spindown")
        self.assertGreater(json.loads(said[len("[events] "):])["deadlineMs"], event["deadlineMs"]
                           - 20000)

    def test_what_registering_answers(self):
        self.make("registers", one='''
say("env", "_HANDLER" in os.environ, "LAMBDA_TASK_ROOT" in os.environ,
    "AWS_EXECUTION_ENV" in os.environ, os.environ["AWS_LAMBDA_FUNCTION_NAME"])
say("answer", *register(["INVOKE"], **{"Lambda-Extension-Accept-Feature": "other, accountId"}))
say("again", *register(["INVOKE"]))
loop()
''')
        self.assertEqual((None, 1), self.call("registers", 1))
        self.assertEqual("[one] env False False False registers",
                         self.wait_for("registers", "env"))
        self.assertEqual("[one] answer 200 {'functionName': 'registers', 'functionVersion': "
                         "'$LATEST', 'handler': 'f.handler', 'accountId': '000000000000'}",
                         self.wait_for("registers", "answer"))
        self.assertIn("Extension.InvalidExtensionState", self.wait_for("registers", "again 403"))

    def test_the_runtime_starts_after_all_have_registered(self):
        self.make("order", "print('runtime')\n" + ECHO,
                  a="time.sleep(0.3); say('registers')\n" + BOTH + "time.sleep(0.3); say('waits')\nloop()",
                  b=BOTH + "loop()")
        self.assertEqual((None, 1), self.call("order", 1))
        self.wait_for("order", "REPORT")
        log = self.messages("order")
        places = [log.index(m) for m in ("[a] registers", "runtime", "[a] waits")]
        self.assertEqual(sorted(places), places)
        self.assertLess(places[2], next(i for i, m in enumerate(log) if m.startswith("START")))
        self.assertGreater(float(re.search(r"Init Duration: ([\d.]+)", "\n".join(log)).group(1)), 600)

    def test_the_answer_does_not_wait_but_the_instance_does(self):
        self.make("after", "import os\ndef handler(event, context): return os.environ["
                  "'AWS_LAMBDA_LOG_STREAM_NAME']", slow=BOTH + '''
def step(event):
    if event["eventType"] == "INVOKE":
        while not os.path.exists("/tmp/go"):
            time.sleep(0.01)
        say("done")
loop()
''')
        first = self.call("after")
        self.assertNotEqual(first, self.call("after"))  # that one is at work

    def test_ends_in_init(self):
        for body, kind, text in (
                ("sys.exit(3)", "Extension.Crash", "exit status 3"),
                ("sys.exit(0)", "Extension.Crash", "exit code 0"),
                (BOTH + "os.kill(os.getpid(), 9)", "Extension.Crash", "signal: killed"),
                (BOTH + 'call("POST", "init/error", "{}", {**ID, '
                 '"Lambda-Extension-Function-Error-Type": "Extension.Bad"}); sys.exit(4)',
                 "Extension.InitError", "exit status 4")):
            with self.subTest(body=body):
                name = "init%d" % (hash(body) & 0xffffff)
                self.make(name, bad=body)
                error, payload = self.call(name)
                self.assertEqual("Unhandled", error)
                self.assertEqual(kind, payload["errorType"])
                self.assertRegex(payload["errorMessage"], "^RequestId: .* Error: " + text + "$")
                self.assertIn("Error Type: " + kind, self.wait_for(name, "INIT_REPORT"))

    def test_one_that_cannot_be_started(self):
        self.make("launch", executable=False, bad="")
        error, payload = self.call("launch")
        self.assertEqual(("Unhandled", "Extension.LaunchError"), (error, payload["errorType"]))
        self.assertIn("fork/exec /opt/extensions/bad: permission denied", payload["errorMessage"])
        self.wait_for("launch", "Name: bad\tState: LaunchError")
        self.make("format", bad="#!/no/such/interpreter")
        self.assertEqual("Extension.LaunchError", self.call("format")[1]["errorType"])

    def test_ends_in_an_invocation(self):
        self.make("crash", "import time\ndef handler(event, context):\n"
                  "    if event: time.sleep(9)\n    return event",
                  bad=BOTH + '''
def step(event):
    say(event["eventType"])
    os.path.exists("/tmp/x") and sys.exit(6)
    open("/tmp/x", "w")
loop()
''', good=BOTH + "loop()")
        self.assertEqual((None, 0), self.call("crash", 0))
        error, payload = self.call("crash", 1)
        self.assertEqual(("Unhandled", "Extension.Crash"), (error, payload["errorType"]))
        self.assertIn("exit status 6", payload["errorMessage"])
        self.wait_for("crash", r"\[good\] SHUTDOWN failure")
        self.assertEqual((None, 0), self.call("crash", 0))

    def test_exit_error(self):
        self.make("exiterror", "import time\ndef handler(event, context): time.sleep(9)",
                  bad=BOTH + '''
def step(event):
    call("POST", "exit/error", "{}", ID)
    say("refused", *call("POST", "exit/error", "{}", ID)[::2])
    say("taken", call("POST", "exit/error", "{}",
                      {**ID, "Lambda-Extension-Function-Error-Type": "Extension.Bad"})[0])
    say("then", call("GET", "event/next", None, ID)[0])
    sys.exit(1)
loop()
''')
        self.assertEqual("Extension.ExitError", self.call("exiterror")[1]["errorType"])
        self.assertIn("Extension.MissingHeader", self.wait_for("exiterror", "refused 403"))
        self.wait_for("exiterror", "taken 202")
        self.wait_for("exiterror", "then 403")

    def test_reasons_of_a_shutdown(self):
        self.make("reasons", '''
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("asked", flush=True), os._exit(0)))
def handler(event, context):
    if event == "exit": os._exit(1)
    if event == "sleep": time.sleep(60)
''', watcher=BOTH + "loop()", deaf='register(["INVOKE"])\nloop()')
        self.client.update_function_configuration(FunctionName="reasons", Timeout=1)
        error, payload = self.call("reasons", "exit")
        self.assertEqual("Runtime.ExitError", payload["errorType"])
        self.wait_for("reasons", r"\[watcher\] SHUTDOWN failure")
        self.assertEqual("Sandbox.Timedout", self.call("reasons", "sleep")[1]["errorType"])
        self.wait_for("reasons", r"\[watcher\] SHUTDOWN timeout")
        self.call("reasons", "well")
        self.assertNotIn("[watcher] SHUTDOWN spindown", self.messages("reasons"))
        self.end("reasons")
        self.wait_for("reasons", r"\[watcher\] SHUTDOWN spindown")
        wait_until(lambda: self.messages("reasons").count("asked") == 2, "SIGTERM, twice")

    def test_the_server_says_goodbye_too(self):
        server = Server()
        type(self).server, kept = server, self.server
        type(self).client, client = server.client(), self.client
        try:
            self.make("drained", one=BOTH + "def step(event): say(event['eventType'])\nloop()")
            self.call("drained")
            server.stop()
            server.start()
            logs = server.client("logs")
            events = logs.filter_log_events(logGroupName="/aws/lambda/drained")["events"]
            self.assertIn("[one] SHUTDOWN\n", [event["message"] for event in events])
            server.stop()
        finally:
            type(self).server, type(self).client = kept, client
            server.remove()

    def test_what_is_at_hand_inside(self):
        """Names that extensions listen under; traces that are sent to nobody do no harm."""
        python_function(self.client, "inside", '''
import os, socket
def handler(event, context):
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, int(port)))  # only so would a refusal be told
        sent = sum(s.send(b"trace") for _ in range(100))
    return [sent, socket.gethostbyname("sandbox.localdomain"), socket.gethostbyname("sandbox")]
''')
        self.assertEqual((None, [500, "127.0.0.1", "127.0.0.1"]), self.call("inside"))

    def test_internal_ones(self):
        python_function(self.client, "internal", INTERNAL, MemorySize=1769, Timeout=10)
        self.assertEqual((None, "seen"), self.call("internal"))
        self.assertEqual((None, "seen"), self.call("internal"))
        refused = [
            ("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
            ("Extension.InvalidEventType", "RESTART: InvalidEventType"),
            ("Extension.InvalidExtensionName", "Empty extension name"),
            ("Extension.InvalidExtensionState", "Extension with this name already registered"),
            ("InvalidRequestFormat", None),
            ("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
            ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
            ("Extension.UnknownExtensionIdentifier", "Unknown extension " + "0" * 8 +
             "-0000-0000-0000-" + "0" * 12),
        ]
        for (kind, text), (status, body) in zip(refused, self.call("internal", "refused")[1],
                                                strict=True):
            self.assertEqual((403, kind), (status, body["errorType"]))
            if text:
                self.assertEqual(text, body["errorMessage"])
        self.assertEqual([403, "Extension.RegistrationClosed"], self.call("internal", "late")[1])
        self.wait_for("internal", r"^EXTENSION\tName: thread\tState: Ready\tEvents: \[INVOKE\]$")
        self.end("internal")
        self.wait_for("internal", "^asked$")


if __name__ == "__main__":
    unittest.main()
