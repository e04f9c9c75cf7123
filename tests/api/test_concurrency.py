"""The concurrency of an account: one limit for all loops of the server, exact, with AWS's reasons."""
import concurrent.futures
import json
import unittest
import urllib.request

from botocore.exceptions import ClientError

from server import Server, python_function, wait_until

# A call is in flight until the function that is called gate says so.
WAITING = """
import os, time, urllib.request
CONFIGURATION = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/gate/configuration"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
                           "SignedHeaders=host, Signature=0"}

def handler(event, context):
    while True:
        request = urllib.request.Request(CONFIGURATION, headers=SIGNED)
        with urllib.request.urlopen(request) as answer:
            if b'"Description":"open"' in answer.read():
                return event
        time.sleep(0.05)
"""
AT_ONCE = "def handler(event, context): return event"
LIMIT = 8


class Concurrency(unittest.TestCase):
    def setUp(self):
        self.host = Server("--loops", "4", "--concurrency", str(LIMIT))
        self.addCleanup(self.host.remove)
        self.addCleanup(self.host.stop)
        self.client = self.host.client()
        python_function(self.client, "gate", AT_ONCE)

    def in_flight(self):
        with urllib.request.urlopen(self.host.endpoint + "/_virga/health") as answer:
            counts = json.load(answer)["instances"]
        return counts["busy"] + counts["queued"]

    def throttled(self, name):
        with self.assertRaises(ClientError) as caught:
            self.client.invoke(FunctionName=name)
        response = caught.exception.response
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 429)
        self.assertEqual(response["Error"]["Code"], "TooManyRequestsException")
        self.assertEqual(response["Error"]["Message"], "Rate Exceeded.")
        return response["Reason"]

    def fill(self, threads, names):
        """As many calls as there may be, of these functions in turns."""
        calls = [threads.submit(self.client.invoke, FunctionName=names[i % len(names)],
                                Payload=str(i)) for i in range(LIMIT)]
        wait_until(lambda: self.in_flight() == LIMIT, f"{LIMIT} calls are in flight", 60)
        return calls

    def finish(self, calls):
        self.client.update_function_configuration(FunctionName="gate", Description="open")
        for number, call in enumerate(calls):
            self.assertEqual(json.load(call.result(60)["Payload"]), number)
        self.client.update_function_configuration(FunctionName="gate", Description="closed")

    def test_one_limit_for_all_loops(self):
        names = [f"f{number}" for number in range(LIMIT)]
        for name in names:
            python_function(self.client, name, WAITING, Timeout=120)
        python_function(self.client, "other", AT_ONCE)
        with concurrent.futures.ThreadPoolExecutor(LIMIT) as threads:
            for group in (names[:1], names[1:2], names):  # one loop may have it all, or all share it
                calls = self.fill(threads, group)
                for name in ("other", *names):
                    self.assertEqual(self.throttled(name), "ConcurrentInvocationLimitExceeded")
                self.finish(calls)
                self.assertEqual(self.client.invoke(FunctionName="other")["StatusCode"], 200)

    def test_another_region_has_its_own(self):
        python_function(self.client, "waits", WAITING, Timeout=120)
        there = self.host.client(region="eu-west-1")
        python_function(there, "other", AT_ONCE)
        with concurrent.futures.ThreadPoolExecutor(LIMIT) as threads:
            calls = self.fill(threads, ["waits"])
            self.assertEqual(there.invoke(FunctionName="other")["StatusCode"], 200)
            self.finish(calls)

    def test_the_account_knows_its_limit(self):
        limit = self.client.get_account_settings()["AccountLimit"]
        self.assertEqual(limit["ConcurrentExecutions"], LIMIT)
        self.assertEqual(limit["UnreservedConcurrentExecutions"], LIMIT)
        with self.assertRaises(ClientError) as caught:  # a small account may reserve nothing
            self.client.put_function_concurrency(FunctionName="gate",
                                                 ReservedConcurrentExecutions=1)
        self.assertIn(f"below its minimum value of [{LIMIT}].",
                      caught.exception.response["Error"]["Message"])
        self.client.put_function_concurrency(FunctionName="gate", ReservedConcurrentExecutions=0)
        self.assertEqual(self.throttled("gate"),
                         "ReservedFunctionConcurrentInvocationLimitExceeded")


if __name__ == "__main__":
    unittest.main()
