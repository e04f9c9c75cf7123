"""The Telemetry API and the Logs API against the real server: what subscribers are told, when, and
what becomes of listeners that are slow, absent or hostile."""
import http.client
import json
import os
import re
import unittest

from extension_case import ECHO, ExtensionCase
from server import ROLE, ROOT, python_function, wait_until, zip_of

# An extension that keeps what it is sent in /tmp/NAME, a line of JSON for each delivery; the function
# reads it there. step() may do more with an event.
COLLECTOR = '''
import http.server, socket, threading
SENT = open("/tmp/" + NAME, "a", buffering=1)
answers = []  # statuses that come before success
def keep(method, path, headers, body):
    SENT.write(json.dumps([method, path, dict(headers), json.loads(body)]) + "\\n")
class Listener(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = answers.pop(0) if answers else 200
        if status == 200:
            keep(self.command, self.path, self.headers, body)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")
    do_PUT = do_POST
    def log_message(self, *_): pass
def listen(port=8080, handler=Listener):
    server = http.server.ThreadingHTTPServer(("sandbox.localdomain", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
def listen_tcp(port):
    def read():
        while True:
            for line in server.accept()[0].makefile():
                SENT.write(json.dumps(["TCP", port, {}, [json.loads(line)]]) + "\\n")
    server = socket.create_server(("sandbox.localdomain", port))
    threading.Thread(target=read, daemon=True).start()
def subscribe(path="/2022-07-01/telemetry", id=None, **body):
    wants = {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
             "buffering": {"timeoutMs": 25},
             "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/"}, **body}
    api.request("PUT", path, json.dumps({k: v for k, v in wants.items() if v is not None}),
                id or ID)
    answer = api.getresponse()
    return answer.status, json.loads(answer.read())
register(["INVOKE", "SHUTDOWN"])
def step(event):
    pass
'''
LOGS = '"/2020-08-15/logs", schemaVersion="2021-03-18"'

# The function tells what is in a file of /tmp.
TELL = '''
import json, os, sys, time
print("from init")
def reports(name):
    return open(name).read().count('"platform.report"') if os.path.isfile(name) else 0
def handler(event, context):
    if event.get("say"): print(event["say"])
    if event.get("raise"): raise KeyError("k")
    if event.get("exit"): os._exit(3)
    if event.get("sleep"): time.sleep(event["sleep"])
    name = "/tmp/" + event.get("tell", "")
    while event.get("reports", 0) > reports(name):
        time.sleep(0.001)
    return [json.loads(line) for line in open(name)] if os.path.isfile(name) else []
'''


def events_of(deliveries):
    return [event for _, _, _, events in deliveries for event in events]


class Telemetry(ExtensionCase):
    def collect(self, name, enough, extension="c"):
        """What the extension was sent, once `enough` of its events is true."""
        found = []

        def look():
            error, deliveries = self.call(name, {"tell": extension})
            self.assertIsNone(error, deliveries)
            found[:] = deliveries
            return enough(events_of(deliveries))
        wait_until(look, f"events of {name}")
        return found

    def configure(self, name, **body):
        """By hand: Debian's boto3 does not know LoggingConfig."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("PUT", f"/2015-03-31/functions/{name}/configuration", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        self.assertEqual(200, answer.status, answer.read())
        connection.close()

    def has(self, *types):
        return lambda events: set(types) <= {event["type"] for event in events}

    def test_what_is_told(self):
        self.make("told", TELL, c=COLLECTOR + '''
say("before")
listen()
say("answer", *subscribe())
loop()
''')
        self.call("told", {"say": "hello\tworld"})
        deliveries = self.collect("told", self.has("platform.report"))
        self.assertEqual("[c] answer 200 OK", self.wait_for("told", "answer"))
        self.wait_for("told", r"^TELEMETRY\tName: c\tState: Subscribed\t"
                      r"Types: \[Platform, Function, Extension\]$")
        method, path, headers, _ = deliveries[0]
        self.assertEqual(("POST", "/", "application/json", "sandbox.localdomain:8080"),
                         (method, path, headers["Content-Type"], headers["Host"]))
        events = events_of(deliveries)
        for event in events:
            self.assertEqual({"time", "type", "record"}, set(event))
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        types = [event["type"] for event in events]
        order = ["platform.initStart", "extension", "platform.telemetrySubscription", "function",
                 "platform.initRuntimeDone", "platform.extension", "platform.initReport",
                 "platform.start", "platform.runtimeDone", "platform.report"]
        self.assertEqual(order, sorted(order, key=types.index))
        record = {event["type"]: event["record"] for event in reversed(events)}
        start = record["platform.initStart"]
        self.assertEqual(("on-demand", "init", "told", "$LATEST", 1769 << 20),
                         tuple(start[key] for key in ("initializationType", "phase", "functionName",
                                                      "functionVersion", "instanceMaxMemory")))
        self.assertEqual({"name": "c", "state": "Subscribed",
                          "types": ["platform", "function", "extension"]},
                         record["platform.telemetrySubscription"])
        self.assertEqual({"initializationType": "on-demand", "phase": "init", "status": "success"},
                         record["platform.initRuntimeDone"])
        self.assertEqual({"name": "c", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]},
                         record["platform.extension"])
        self.assertGreater(record["platform.initReport"]["metrics"]["durationMs"], 0)
        done, report = record["platform.runtimeDone"], record["platform.report"]
        request = record["platform.start"]["requestId"]
        self.assertEqual({"requestId": request, "version": "$LATEST"}, record["platform.start"])
        self.assertEqual((request, "success"), (done["requestId"], done["status"]))
        self.assertEqual(2, done["metrics"]["producedBytes"])
        self.assertEqual(["responseLatency", "responseDuration", "runtimeOverhead"],
                         [span["name"] for span in done["spans"]])
        self.assertEqual((request, "success", 1769), (report["requestId"], report["status"],
                                                      report["metrics"]["memorySizeMB"]))
        self.assertEqual({"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB",
                          "initDurationMs"}, set(report["metrics"]))
        lines = [event["record"] for event in events if event["type"] == "function"]
        self.assertEqual(["from init\n", "hello\tworld\n"], lines[:2])
        lines = [event["record"] for event in events if event["type"] == "extension"]
        self.assertEqual("[c] before\n", lines[0])

    def test_the_runtime_api_tells_its_overhead(self):
        """A runtime over HTTP is done when it asks for the next one, not when it has answered."""
        files = {"bootstrap": '''#!/usr/bin/python3
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()
while True:
    headers, event = call("GET", "invocation/next")
    text = open("/tmp/c").read() if os.path.exists("/tmp/c") else ""
    call("POST", "invocation/%s/response" % headers["Lambda-Runtime-Aws-Request-Id"],
         json.dumps([json.loads(line) for line in text.splitlines()]))
    time.sleep(0.05)
'''}
        self.make("http", c=COLLECTOR + "listen()\nsubscribe()\nloop()")
        layers = [layer["Arn"] for layer in
                  self.client.get_function_configuration(FunctionName="http")["Layers"]]
        self.end("http")
        self.client.create_function(FunctionName="http", Runtime="provided.al2023", Handler="x",
                                    Role=ROLE, Code={"ZipFile": zip_of(files)}, Layers=layers,
                                    MemorySize=1769, Timeout=20)
        self.call("http")
        events = events_of(self.collect("http", self.has("platform.report")))
        done = next(e["record"] for e in events if e["type"] == "platform.runtimeDone")
        spans = {span["name"]: span["durationMs"] for span in done["spans"]}
        self.assertEqual({"responseLatency", "responseDuration", "runtimeOverhead"}, set(spans))
        self.assertGreaterEqual(spans["runtimeOverhead"], 50)
        self.assertGreaterEqual(done["metrics"]["durationMs"], 50)

    def test_json_lines_and_schemas(self):
        """LogFormat JSON: objects for those whose schema has them, text for the older ones."""
        self.make("schemas", TELL + '''
def handler(event, context, tell=handler):
    print('{"level": "INFO", "n": 1.50}')
    print("plain")
    return tell(event, context)
''', c=COLLECTOR + 'listen()\nsubscribe(types=["function"])\nloop()',
                  d=COLLECTOR + 'listen(8082)\nsubscribe(schemaVersion="2022-07-01", destination='
                  '{"protocol": "HTTP", "URI": "http://sandbox:8082/x?y"})\nloop()')
        self.configure("schemas", LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
        self.call("schemas", {})
        events = events_of(self.collect("schemas", lambda e: len(e) > 3))
        self.assertEqual({"function"}, {event["type"] for event in events})
        records = [event["record"] for event in events]
        self.assertIn({"level": "INFO", "n": 1.5}, records)
        self.assertIn("plain\n", records)
        deliveries = self.collect("schemas", self.has("platform.report"), "d")
        self.assertEqual(("/x?y", "sandbox:8082"),
                         (deliveries[0][1], deliveries[0][2]["Host"]))
        records = [e["record"] for e in events_of(deliveries) if e["type"] == "function"]
        self.assertIn('{"level": "INFO", "n": 1.50}\n', records)
        # The log has the same objects.
        wait_until(lambda: any("platform.report" in m for m in self.messages("schemas")), "the log")
        logged = [json.loads(m) for m in self.messages("schemas") if m.startswith('{"time"')]
        told = events_of(deliveries)
        for kind in ("platform.initStart", "platform.initRuntimeDone", "platform.initReport",
                     "platform.telemetrySubscription", "platform.extension", "platform.start",
                     "platform.report"):
            first = next(event for event in told if event["type"] == kind)
            self.assertIn(first, logged)

    def test_logs_api(self):
        self.make("logs", TELL, c=COLLECTOR + f'''
listen()
say("answer", *subscribe({LOGS}, destination={{"protocol": "HTTP", "method": "PUT",
    "encoding": "JSON", "URI": "http://sandbox.localdomain:8080/logs"}}))
loop()
''', d=COLLECTOR + '''
listen_tcp(8083)
say("answer", *subscribe("/2020-08-15/logs/", schemaVersion=None, types=["platform"],
    destination={"protocol": "TCP", "port": 8083}))
loop()
''')
        self.call("logs", {"say": "hello"})
        deliveries = self.collect("logs", self.has("platform.report", "platform.end"))
        self.assertEqual(("PUT", "/logs"), tuple(deliveries[0][:2]))
        events = events_of(deliveries)
        record = {event["type"]: event["record"] for event in reversed(events)}
        self.assertEqual({"platform.start", "platform.end", "platform.report", "function",
                          "platform.runtimeDone", "platform.extension", "extension",
                          "platform.logsSubscription"}, set(record))
        request = record["platform.start"]["requestId"]
        self.assertEqual({"requestId": request}, record["platform.end"])
        self.assertEqual({"requestId": request, "status": "success"}, record["platform.runtimeDone"])
        self.assertIn({"name": "c", "state": "Subscribed",
                       "types": ["platform", "function", "extension"]},
                      [event["record"] for event in events])
        self.wait_for("logs", r"^LOGS\tName: d\tState: Subscribed\tTypes: \[Platform\]$")
        events = events_of(self.collect("logs", self.has("platform.report"), "d"))
        self.assertEqual({"platform.start", "platform.end", "platform.report",
                          "platform.extension", "platform.logsSubscription"},
                         {event["type"] for event in events})

    def test_what_is_refused(self):
        bad = {
            "types should not be empty": "types=[]",
            "types should be platform, function or extension": 'types=["platform", "x"]',
            "schemaVersion is not supported": 'schemaVersion="2020-08-15"',
            "schemaVersion is not provided": "schemaVersion=None",
            "URI port is not provided": 'destination={"protocol": "HTTP", '
                                        '"URI": "http://sandbox.localdomain"}',
            "URI host should be sandbox.localdomain": 'destination={"protocol": "HTTP", '
                                                      '"URI": "http://127.0.0.1:8080"}',
            "URI port is reserved": 'destination={"protocol": "HTTP", '
                                    '"URI": "http://sandbox.localdomain:9001"}',
            "protocol should be HTTP or TCP": 'destination={"protocol": "UDP", "port": 8080}',
            "port is not provided": 'destination={"protocol": "TCP"}',
            "maxItems should be between 1000 and 10000; timeoutMs should be between 25 and 30000":
                'buffering={"maxItems": 999, "timeoutMs": 24}',
        }
        calls = "".join(f"answer({case})\n" for case in bad.values())
        self.make("refused", c=COLLECTOR + '''
told = []
def answer(*args, **body): told.append(subscribe(*args, **body))
''' + calls + f'''
answer({LOGS}, types=[])
answer(id={{"Lambda-Extension-Identifier": "0" * 8 + "-0000-0000-0000-" + "0" * 12}})
answer(id={{"Lambda-Extension-Identifier": "x"}})
listen()
answer()
answer()
answer({LOGS})
def step(event):
    if event["eventType"] == "INVOKE":
        answer()
        answer({LOGS})
        say(json.dumps(told))
loop()
''')
        self.call("refused")
        answers = json.loads(self.wait_for("refused", r"^\[c\] \[\[")[4:])
        for message, (status, body) in zip(bad, answers):
            self.assertEqual((400, {"errorType": "ValidationError", "errorMessage": message}),
                             (status, body))
        logs, unknown, wrong, first, again, other, late, late_logs = answers[len(bad):]
        self.assertEqual([400, {"errorType": "Logs.ValidationError",
                                "errorMessage": "types should not be empty"}], logs)
        self.assertEqual((403, "Extension.UnknownExtensionIdentifier"),
                         (unknown[0], unknown[1]["errorType"]))
        self.assertEqual((403, "Extension.InvalidExtensionIdentifier"),
                         (wrong[0], wrong[1]["errorType"]))
        self.assertEqual([[200, "OK"]] * 2, [first, again])
        self.assertEqual((400, "Logs.ValidationError"), (other[0], other[1]["errorType"]))
        self.assertEqual([403, {"errorType": "Telemetry.SubscriptionClosed", "errorMessage":
                                "Telemetry API subscription is closed already"}], late)
        self.assertEqual((403, "Logs.SubscriptionClosed"),
                         (late_logs[0], late_logs[1]["errorType"]))
        self.wait_for("refused", r"^TELEMETRY\tName: c\tState: Already subscribed\t")

    def test_internal_ones(self):
        python_function(self.client, "inner", '''
import http.client, http.server, json, os, threading
got = []
class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        got.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
threading.Thread(target=http.server.HTTPServer(("", 8080), Listener).serve_forever, daemon=True).start()
def call(method, path, body, headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.headers, answer.read()
print("early", flush=True)
id = {"Lambda-Extension-Identifier": call("POST", "/2020-01-01/extension/register",
      '{"events": ["INVOKE"]}', {"Lambda-Extension-Name": "in"})[0]["Lambda-Extension-Identifier"]}
call("PUT", "/2022-07-01/telemetry", json.dumps({"schemaVersion": "2022-07-01",
     "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
     "destination": {"protocol": "HTTP", "URI": "http://sandbox:8080"}}), id)
def loop():
    while True: call("GET", "/2020-01-01/extension/event/next", None, id)
threading.Thread(target=loop, daemon=True).start()
def handler(event, context): return got
''', MemorySize=1769, Timeout=20)
        seen = []

        def look():
            seen[:] = self.call("inner")[1]
            return any(event["type"] == "platform.report" for event in seen)
        wait_until(look, "a report")
        types = [event["type"] for event in seen]
        self.assertEqual("platform.initStart", types[0])
        self.assertIn("early\n", [event["record"] for event in seen])

    def test_ends(self):
        """Errors of the function, exits and timeouts, as both APIs tell them; all of it is delivered
        before SHUTDOWN."""
        collector = COLLECTOR + '''
def step(event):
    if event["eventType"] == "SHUTDOWN":
        SENT.flush()
        for line in open("/tmp/" + NAME):
            for e in json.loads(line)[3]:
                say(e["type"], e["record"] if isinstance(e["record"], str) else
                    e["record"].get("status"))
'''
        self.make("ends", TELL, c=collector + 'listen()\nsubscribe(types=["platform"], '
                  'buffering={"timeoutMs": 30000})\nloop()',
                  d=collector + f'listen_tcp(8083)\nsubscribe({LOGS}, types=["platform"], '
                  'destination={"protocol": "TCP", "port": 8083})\nloop()')
        self.client.update_function_configuration(FunctionName="ends", Timeout=1)
        self.assertEqual("Runtime.ExitError", self.call("ends", {"exit": 1})[1]["errorType"])
        self.wait_for("ends", r"^\[c\] platform.runtimeDone error$")
        self.wait_for("ends", r"^\[c\] platform.report error$")
        self.wait_for("ends", r"^\[d\] platform.runtimeDone failure$")
        self.wait_for("ends", r"^\[d\] platform.fault RequestId: .* exit status 3")
        self.assertEqual("Sandbox.Timedout", self.call("ends", {"sleep": 60})[1]["errorType"])
        self.wait_for("ends", r"^\[c\] platform.runtimeDone timeout$")
        self.wait_for("ends", r"^\[d\] platform.fault .* Task timed out after 1.00 seconds")
        self.call("ends", {})
        self.end("ends")
        self.wait_for("ends", r"^\[c\] platform.report success$")

    def test_an_init_that_fails(self):
        self.make("badinit", "raise KeyError('k')", c=COLLECTOR + '''
listen()
subscribe(types=["platform"])
def step(event):
    for line in open("/tmp/" + NAME):
        for e in json.loads(line)[3]:
            if "init" in e["type"]:
                say(e["type"], e["record"].get("status"), e["record"].get("errorType"))
loop()
''')
        self.assertEqual("KeyError", self.call("badinit")[1]["errorType"])
        self.wait_for("badinit", r"^\[c\] platform.initRuntimeDone error KeyError$")
        self.wait_for("badinit", r"^\[c\] platform.initReport error KeyError$")

    def test_it_is_tried_again(self):
        """No listener yet, then one that refuses, then one that takes it: nothing is lost."""
        self.make("again", TELL, c=COLLECTOR + '''
answers[:] = [500, 503]
def step(event):
    global listener
    if event["eventType"] == "INVOKE" and "listener" not in globals():
        listener = listen()
subscribe()
loop()
''')
        events = events_of(self.collect("again", self.has("platform.report")))
        self.assertEqual("platform.initStart", events[0]["type"])
        self.assertNotIn("platform.logsDropped", [event["type"] for event in events])
        self.assertEqual(1, [event["type"] for event in events].count("platform.initStart"))

    def test_hostile_listeners(self):
        """They never read, answer for ever, or close: the function does not notice, the server
        stays, and the one beside them is served."""
        hostile = '''
def serve(behave):
    server = socket.create_server(("sandbox.localdomain", 8090 + int(NAME[1:])))
    def accept():
        kept = []
        while True:
            kept.append(server.accept()[0])
            threading.Thread(target=behave, args=(kept[-1],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    subscribe(destination={"protocol": "HTTP",
                           "URI": "http://sandbox.localdomain:%d" % (8090 + int(NAME[1:]))})
def endless(head):
    def behave(s):
        try:
            s.sendall(head)
            while True: s.sendall(b"x" * 65536)
        except OSError: pass
    return behave
'''
        self.make("hostile", TELL, c=COLLECTOR + "listen()\nsubscribe()\nloop()",
                  h1=COLLECTOR + hostile + "serve(lambda s: None)\nloop()",
                  h2=COLLECTOR + hostile + 'serve(endless(b""))\nloop()',
                  h3=COLLECTOR + hostile + 'serve(endless(b"HTTP/1.1 200 OK\\r\\n\\r\\n"))\nloop()',
                  h4=COLLECTOR + hostile + "serve(lambda s: s.close())\nloop()",
                  h5=COLLECTOR + hostile + 'serve(endless(b"HTTP/1.1 200 OK\\r\\n'
                  'Transfer-Encoding: chunked\\r\\n\\r\\n"))\nloop()')
        for _ in range(20):
            self.assertEqual((None, []), self.call("hostile", {"say": "x" * 1000}))
        self.collect("hostile", self.has("platform.report"))
        self.end("hostile")

    def test_too_much(self):
        """A listener that does not take anything: what does not fit is counted, and told."""
        self.make("much", TELL + '''
def handler(event, context, tell=handler):
    for _ in range(event.get("lines", 0)): print("x" * 1000)
    if event.get("go"): open("/tmp/go", "w")
    return tell(event, context)
''', c=COLLECTOR + '''
class Slow(Listener):
    def do_POST(self):
        while not os.path.exists("/tmp/go"): time.sleep(0.01)
        super().do_POST()
listen(handler=Slow)
subscribe(types=["platform", "function"])
loop()
''')
        self.call("much", {"lines": 2000})
        events = events_of(self.collect("much", lambda events: True)) or []
        self.assertEqual([], events)
        self.call("much", {"go": 1})
        events = events_of(self.collect("much", self.has("platform.logsDropped")))
        dropped = next(e["record"] for e in events if e["type"] == "platform.logsDropped")
        lines = [e for e in events if e["type"] == "function" and e["record"].startswith("xxx")]
        self.assertEqual({"reason", "droppedRecords", "droppedBytes"}, set(dropped))
        self.assertGreater(dropped["droppedRecords"], 1000)
        self.assertGreater(dropped["droppedBytes"], 1000000)
        self.assertGreater(len(lines), 200)
        self.assertLess(len(lines) + dropped["droppedRecords"], 2000 + 100)

    def test_a_frozen_instance_is_left_alone(self):
        """The report of an invocation comes while the next one runs, if not before."""
        self.make("frozen", TELL, c=COLLECTOR + 'listen()\nsubscribe(types=["platform"], '
                  'buffering={"timeoutMs": 1000})\nloop()')
        self.call("frozen", {})
        for reports in (1, 2):
            error, deliveries = self.call("frozen", {"tell": "c", "reports": reports})
            self.assertIsNone(error)
            self.assertEqual(reports, sum(event["type"] == "platform.report"
                                          for event in events_of(deliveries)))

    def test_the_telemetry_example(self):
        with open(os.path.join(ROOT, "examples/extension-telemetry/extensions/telemetry"),
                  encoding="utf-8") as file:
            self.make("extele", TELL, telemetry=file.read())
        self.assertEqual((None, []), self.call("extele", {"say": "hello"}))
        self.assertEqual("KeyError", self.call("extele", {"raise": 1})[1]["errorType"])
        self.end("extele")
        report = json.loads(self.wait_for("extele", '^{"extension": "telemetry", "requestId"'))
        self.assertEqual("success", report["status"])
        self.assertGreater(report["initDurationMs"], 0)
        sums = json.loads(self.wait_for("extele", '^{"extension": "telemetry", "reason"'))
        self.assertEqual(("spindown", 2, 0), (sums["reason"], sums["invocations"],
                                              sums["droppedRecords"]))
        self.assertGreaterEqual(sums["lines"], 3)

    def test_the_logs_example(self):
        with open(os.path.join(ROOT, "examples/extension-logs/extensions/logs"),
                  encoding="utf-8") as file:
            self.make("exlogs", TELL, logs=file.read())
        self.assertEqual((None, []), self.call("exlogs", {"say": "ERROR: no such thing"}))
        self.wait_for("exlogs", r"^\[logs\] 2 lines, 1 errors$")
        self.wait_for("exlogs", r"^\[logs\] ERROR: no such thing$")
        self.end("exlogs")


if __name__ == "__main__":
    unittest.main()
