"""Tests of extensions: layers with programs beside the runtime, and what they say in the log."""
import json
import re

from server import ServerTest, python_function, wait_until, zip_of

# An extension in Python: step(event) for each event; `call` speaks the API.
EXTENSION = '''#!/usr/bin/python3
import http.client, json, os, sys, time
NAME = os.path.basename(sys.argv[0])
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = api.getresponse()
    text = answer.read()
    return answer.status, dict(answer.getheaders()), json.loads(text) if text else None
def register(events, name=NAME, **headers):
    global ID
    status, headers, body = call("POST", "register", json.dumps({"events": events}),
                                 {"Lambda-Extension-Name": name, **headers})
    if status == 200:
        ID = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
    return status, body
def say(*what):
    print("[%s]" % NAME, *what, flush=True)
def step(event):
    say(event["eventType"], event.get("requestId", event.get("shutdownReason")))
def loop():
    while True:
        event = call("GET", "event/next", None, ID)[2]
        step(event)
        if event["eventType"] == "SHUTDOWN":
            sys.exit()
'''
BOTH = 'register(["INVOKE", "SHUTDOWN"])\n'
ECHO = "def handler(event, context): return event"


class ExtensionCase(ServerTest):
    def make(self, name, source=ECHO, executable=True, **extensions):
        """A function with a layer of these extensions: {name: what comes after EXTENSION}."""
        files = {"extensions/" + key: text if text.startswith("#!") else EXTENSION + text
                 for key, text in extensions.items()}
        layer = self.client.publish_layer_version(
            LayerName=name, Content={"ZipFile": zip_of(files, files if executable else ())})
        python_function(self.client, name, source, Layers=[layer["LayerVersionArn"]],
                        MemorySize=1769, Timeout=20)
        return name

    def call(self, name, event=None):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read() or b"null")

    def messages(self, name):
        return [message.rstrip("\n") for message in self.server.messages(name)]

    def wait_for(self, name, pattern):
        """The first message of the function's log that matches, once it is there."""
        found = []

        def look():
            found[:] = [m for m in self.messages(name) if re.search(pattern, m)]
            return found
        wait_until(look, f"{pattern} in the log of {name}")
        return found[0]

    def end(self, name):
        self.client.delete_function(FunctionName=name)
