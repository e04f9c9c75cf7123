"""Libraries made for Lambda, used as their documentation does: Powertools (logger, metrics, tracer), Middy
with middlewares for HTTP, Slack's Bolt. Each in an instance from scratch and in one restored from a snapshot
or, where it draws ids while it initialises, in a second one from scratch."""
import contextlib
import hashlib
import hmac
import json
import time
import unittest
import urllib.parse
import urllib.request

from apps import AppTest, package
from server import wait_until

POWERTOOLS = ["@aws-lambda-powertools/logger", "@aws-lambda-powertools/metrics", "@aws-lambda-powertools/tracer",
              "@middy/core"]
MIDDY = ["@middy/core", "@middy/http-cors", "@middy/http-error-handler", "@middy/http-header-normalizer",
         "@middy/http-json-body-parser", "@middy/validator"]
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def records(tail):
    """(by message, by metric): the lines that are JSON."""
    found = [json.loads(line) for line in tail.splitlines() if line.startswith("{")]
    metrics = {metric["Name"]: record for record in found if "_aws" in record
               for metric in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    return {record["message"]: record for record in found if isinstance(record.get("message"), str)}, metrics


class PowertoolsTest(AppTest):
    """In a layer, as AWS publishes it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        layer = cls.client.publish_layer_version(
            LayerName="powertools", Content={"ZipFile": package(modules=POWERTOOLS, prefix="nodejs/")})
        cls.layers = [layer["LayerVersionArn"]]

    def deploy_airline(self, name, **options):
        self.deploy(name, package(["powertools.mjs"]), "powertools.handler", Layers=self.layers, **options)

    def book(self, name, seats):
        payload, error, tail = self.call(name, {"booking": f"B{seats}", "seats": seats})
        is_cold = "Init Duration" in tail  # one restored by SnapStart is none to Powertools
        messages, metrics = records(tail)
        entry = messages["booking"]
        self.assertEqual((entry["service"], entry["booking"], entry["seats"], entry["cold_start"]),
                         ("airline", f"B{seats}", seats, is_cold))
        self.assertEqual((entry["function_name"], entry["function_memory_size"]), (name.split(":")[0], "512"))
        self.assertIn(f"RequestId: {entry['function_request_id']}\t", tail)
        self.assertNotIn("booking", messages["Lambda invocation event"])  # keys are reset after each call
        self.assertEqual(messages["Lambda invocation event"]["event"], {"booking": f"B{seats}", "seats": seats})
        seen = metrics["seats"]
        self.assertEqual((seen["seats"], seen["class"], seen["_aws"]["CloudWatchMetrics"][0]["Namespace"]),
                         (seats, "economy", "Airline"))
        self.assertEqual("ColdStart" in metrics, is_cold)
        if is_cold:
            self.assertEqual((metrics["ColdStart"]["ColdStart"], metrics["ColdStart"]["function_name"]),
                             (1, name.split(":")[0]))
        return payload, error, messages

    def check(self, name):
        payload, error, messages = self.book(name, 2)
        self.assertIsNone(error, payload)
        self.assertEqual((payload["booked"], payload["trace"]), (2, messages["booking"]["xray_trace_id"]))
        self.assertRegex(payload["trace"], "^1-[0-9a-f]{8}-[0-9a-f]{24}$")
        payload, error, messages = self.book(name, 200)
        self.assertEqual((error, payload["errorType"]), ("Unhandled", "RangeError"))
        self.assertEqual((messages["refused"]["level"], messages["refused"]["error"]["message"]),
                         ("ERROR", "no such aircraft"))
        again, _, _ = self.book(name, 3)
        self.assertEqual(again["booked"], 3)
        return messages["refused"]["function_request_id"]

    def test_logger_metrics_and_tracer(self):
        self.deploy_airline("airline", TracingConfig={"Mode": "Active"})
        failed = []
        self.twice("airline", lambda: failed.append(self.check("airline")), why="crypto.randomBytes")  # the tracer's ids
        lines = self.logged("airline", '{ $.level = "ERROR" }', len(failed))
        self.assertEqual([json.loads(line)["function_request_id"] for line in lines], failed)

    def test_snapstart(self):
        self.deploy_airline("snapped", SnapStart={"ApplyOn": "PublishedVersions"})
        self.client.publish_version(FunctionName="snapped")
        wait_until(lambda: self.client.get_function_configuration(
            FunctionName="snapped", Qualifier="1")["State"] == "Active", "an active version")
        restored = self.counts()["restored"]
        self.check("snapped:1")
        self.assertGreater(self.counts()["restored"], restored)

    def test_sampled_trace_without_a_daemon(self):
        """The tracer sends its segments by UDP to an address where nobody need listen."""
        self.deploy_airline("traced", TracingConfig={"Mode": "Active"})
        root = "1-5759e988-bd862e3fe1be46a994272793"
        with contextlib.closing(self.server.client()) as client:
            client.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header(
                "X-Amzn-Trace-Id", f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"))
            for seats in (1, 200, 3):
                payload, error, _ = self.call("traced", {"booking": "B", "seats": seats}, client)
                self.assertEqual(payload.get("errorType"), "RangeError" if seats == 200 else None)
        self.assertEqual(payload, {"booked": 3, "trace": root, "isSampled": True})

    def test_levels_of_the_function(self):
        """Lambda's own log controls, which the logger obeys."""
        self.deploy_airline("quiet")
        request = urllib.request.Request(  # Debian's boto3 does not know LoggingConfig
            self.server.endpoint + "/2015-03-31/functions/quiet/configuration", method="PUT",
            data=json.dumps({"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}}).encode())
        urllib.request.urlopen(request).close()
        _, error, tail = self.call("quiet", {"booking": "B1", "seats": 200})
        self.assertEqual(error, "Unhandled")
        messages, metrics = records(tail)
        self.assertEqual(list(messages), ["refused"])
        self.assertEqual(metrics["seats"]["seats"], 200)
        self.assertIn('"type":"platform.report"', tail.replace(" ", ""))


class MiddyTest(AppTest):
    def pay(self, body, kind="application/json", origin="https://shop.example"):
        status, headers, content = self.ask("middy", "/pay", "POST", body.encode(),
                                            [("CONTENT-TYPE", kind), ("Origin", origin)])
        return status, headers["Access-Control-Allow-Origin"], content.decode()

    def check(self):
        shop = "https://shop.example"
        card = '{"creditCardNumber": "123456789012", "expiryMonth": %d}'
        self.assertEqual(self.pay(card % 3), (200, shop, '{"result":"success","last":"9012"}'))
        self.assertEqual(self.pay(card % 13), (400, shop, "Event object failed validation"))
        self.assertEqual(self.pay(card % 12), (500, shop, "Try again later"))
        self.assertEqual(self.pay('{"x')[0], 415)
        self.assertEqual(self.pay("x", kind="text/plain", origin="https://evil.example"),
                         (415, None, "Unsupported Media Type"))

    def test_middlewares(self):
        self.deploy("middy", package(["middy.mjs"], MIDDY), "middy.handler", "BUFFERED")
        self.twice("middy", self.check)


class BoltTest(AppTest):
    def slack(self, body, kind="application/json", secret=SECRET, age=0):
        """As Slack's servers send it."""
        now = str(int(time.time()) - age)
        signature = "v0=" + hmac.new(secret.encode(), f"v0:{now}:{body}".encode(), hashlib.sha256).hexdigest()
        status, _, content = self.ask("bolt", "/slack/events", "POST", body.encode(), [
            ("Content-Type", kind), ("X-Slack-Signature", signature), ("X-Slack-Request-Timestamp", now)])
        return status, content.decode()

    def form(self, **fields):
        return self.slack(urllib.parse.urlencode(fields), "application/x-www-form-urlencoded")

    def check(self):
        verification = '{"type": "url_verification", "challenge": "3eZbrw1aB", "token": "t"}'
        self.assertEqual(self.slack(verification), (200, '{"challenge":"3eZbrw1aB"}'))
        self.assertEqual(self.slack(verification, secret="another")[0], 401)
        self.assertEqual(self.slack(verification, age=400)[0], 401)
        who = {"team_id": "T1", "user_id": "U2", "channel_id": "C1", "user_name": "ann",
               "response_url": "http://127.0.0.1:9/"}
        self.assertEqual(self.form(command="/echo", text="hi there", **who), (200, "ann says hi there"))
        self.assertEqual(self.form(command="/other", text="", **who)[0], 404)
        action = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U2"},
                  "actions": [{"type": "button", "action_id": "approve", "block_id": "b"}]}
        self.assertEqual(self.form(payload=json.dumps(action)), (200, ""))
        mention = {"type": "app_mention", "user": "U2", "text": "<@U1> hi", "channel": "C1"}
        self.assertEqual(self.slack(json.dumps({"type": "event_callback", "team_id": "T1", "event": mention})), (200, ""))

    def test_receiver(self):
        self.deploy("bolt", package(["bolt.js"], ["@slack/bolt"]), "bolt.handler", "BUFFERED",
                    Environment={"Variables": {"SLACK_SIGNING_SECRET": SECRET}})
        self.twice("bolt", self.check)
        self.logged("bolt", '"mentioned by U2"', 2)


if __name__ == "__main__":
    unittest.main()
