"""What functions reach on their own loopback: the platform's services at AWS_ENDPOINT_URL, as the
caller that the socket names, in both modes of authentication."""
import json
import unittest

from server import ServerTest, python_function

CALLER = '''
import json, os, urllib.request, urllib.error
import boto3, botocore.config

def client(service, **options):
    config = botocore.config.Config(retries={"max_attempts": 0}, **options.pop("config", {}))
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=config, **options)

def handler(event, context):
    try:
        return globals()[event.pop("do")](**event)
    except Exception as error:
        return {"error": getattr(error, "response", {}).get("Error", {}).get("Code") or repr(error)}

def invoke(name, payload):
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
    return json.loads(answer["Payload"].read())

def traced(name):
    return [os.environ["_X_AMZN_TRACE_ID"], invoke(name, None)]

def names(**options):
    return [f["FunctionName"] for f in client("lambda", **options).list_functions()["Functions"]]

def who(**options):
    got = client("sts", **options).get_caller_identity()
    return [got["Account"], got["Arn"]]

def unsigned():
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/") as answer:
        return [f["FunctionName"] for f in json.load(answer)["Functions"]]

def other_ports(ports):
    import socket
    reached = []
    for port in ports:
        with socket.socket() as s:
            s.settimeout(2)
            if s.connect_ex(("127.0.0.1", port)) == 0: reached.append(port)
    return reached

def many(count):
    import socket, urllib.parse
    port = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
    open = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for s in open: s.close()
    while True:  # until the server has seen them go; the function's time is the bound
        try:
            return unsigned()
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise
'''
ACCOUNT = "000000000000"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/lambda/inside"


class Inside:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        python_function(cls.client, "inside", CALLER, MemorySize=1024, Timeout=20)
        python_function(cls.client, "other", "def handler(event, context): return {'other': event}")

    def call(self, do, **event):
        answer = self.client.invoke(FunctionName="inside", Payload=json.dumps({"do": do, **event}))
        payload = answer["Payload"].read()
        self.assertNotIn("FunctionError", answer, payload)
        return json.loads(payload)

    def test_a_function_calls_another(self):
        self.assertEqual(self.call("invoke", name="other", payload=[1]), {"other": [1]})
        self.assertEqual(self.call("names"), ["inside", "other"])

    def test_what_it_calls_is_of_its_trace(self):
        python_function(self.client, "traced", "import os\ndef handler(e, c): return os.environ['_X_AMZN_TRACE_ID']")
        self.addCleanup(self.client.delete_function, FunctionName="traced")
        own, called = self.call("traced", name="traced")
        self.assertEqual(own.split(";")[0], called.split(";")[0])
        self.assertNotEqual(own, called)

    def test_who(self):
        self.assertEqual(self.call("who"), [ACCOUNT, SESSION])
        self.assertEqual(self.call("unsigned"), ["inside", "other"])
        # A key that nobody issued counts for nothing, also one that looks like another account.
        self.assertEqual(self.call("who", aws_access_key_id="111111111111", aws_secret_access_key="x"),
                         [ACCOUNT, SESSION])
        self.assertEqual(self.call("names", region_name="eu-west-1"), [])

    def test_nothing_else_is_there(self):  # but the Runtime API, on port 9001
        self.assertEqual(self.call("other_ports", ports=[9002, self.server.port, 22, 80]), [])

    def test_many_connections(self):
        for _ in range(2):
            self.assertEqual(self.call("many", count=200), ["inside", "other"])
        self.assertEqual(len(self.client.list_functions()["Functions"]), 2)


class InDevelopment(Inside, ServerTest):
    dev = True


class Secure(Inside, ServerTest):
    dev = False

    def test_a_key_of_ours_is_checked(self):
        key = {"aws_access_key_id": self.keys["key"], "aws_secret_access_key": self.keys["secret"]}
        self.assertEqual(self.call("who", **key), [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"])
        key["aws_secret_access_key"] = "wrong"
        self.assertEqual(self.call("who", **key), {"error": "SignatureDoesNotMatch"})


if __name__ == "__main__":
    unittest.main()
