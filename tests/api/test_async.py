"""Asynchronous invocation, its configuration, reserved concurrency, tags. What a function did, it
writes down in its /tmp; a synchronous call of the same instance reads it."""
import json
import unittest
import urllib.request

import botocore.exceptions

from server import Server, ServerTest, python_function, wait_until

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
# One instance at a time (the tests reserve a concurrency of 1), so /tmp is the function's memory.
COUNTS = """
import json, os
def handler(event, context):
    path = "/tmp/seen"
    seen = json.load(open(path)) if os.path.exists(path) else []
    if event.get("read"):
        return seen
    seen.append([event, context.aws_request_id, context.invoked_function_arn])
    json.dump(seen, open(path, "w"))
    if len(seen) <= event.get("fail", 0):
        raise ValueError("not yet")
"""


class AsyncTest(ServerTest):
    OPTIONS = ("--async-retry", "60")

    def function(self, name):
        python_function(self.client, name, COUNTS)
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        self.addCleanup(self.client.delete_function, FunctionName=name)

    def send(self, name, event, **options):
        answer = self.client.invoke(FunctionName=name, InvocationType="Event",
                                    Payload=json.dumps(event), **options)
        self.assertEqual(answer["StatusCode"], 202)
        self.assertEqual(answer["Payload"].read(), b"")
        self.assertNotIn("FunctionError", answer)
        return answer["ResponseMetadata"]["RequestId"]

    def seen(self, name):
        try:
            answer = self.client.invoke(FunctionName=name, Payload=b'{"read": true}')
        except self.client.exceptions.TooManyRequestsException:
            return []  # an event has the one place
        return json.load(answer["Payload"])

    def refused(self, status, code, message, operation, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(self.client, operation)(**arguments)
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"],
                          answer["Error"]["Message"]), (status, code, message))


class Events(AsyncTest):
    def test_an_event_is_executed(self):
        self.function("one")
        request = self.send("one", {"a": "ü"}, Qualifier="$LATEST")
        wait_until(lambda: self.seen("one"), "the event")
        self.assertEqual(self.seen("one"), [[{"a": "ü"}, request, ARN + "one:$LATEST"]])

    def test_its_senders_trace(self):
        python_function(self.client, "traced", "import os\n"
                        "def handler(event, context): print('trace', os.environ['_X_AMZN_TRACE_ID'])\n")
        self.addCleanup(self.client.delete_function, FunctionName="traced")
        root = "Root=1-5759e988-bd862e3fe1be46a994272793"
        request = urllib.request.Request(
            f"{self.server.endpoint}/2015-03-31/functions/traced/invocations", data=b"{}", headers={
                "X-Amz-Invocation-Type": "Event", "X-Amzn-Trace-Id": f"{root};Parent=53995c3f42cd8ad8;Sampled=1"})
        with urllib.request.urlopen(request) as answer:
            own = answer.headers["X-Amzn-Trace-Id"]
        self.assertRegex(own, f"^{root};Parent=[0-9a-f]{{16}};Sampled=1$")
        logs = self.server.client("logs")

        def said():
            try:
                events = logs.filter_log_events(logGroupName="/aws/lambda/traced")["events"]
            except logs.exceptions.ResourceNotFoundException:
                return []
            return [event["message"] for event in events if event["message"].startswith("trace ")]
        wait_until(said, "the event")
        self.assertEqual(said(), [f"trace {own}\n"])

    def test_two_retries_with_the_same_request(self):
        self.function("retried")
        request = self.send("retried", {"fail": 9})
        wait_until(lambda: len(self.seen("retried")) == 3, "three attempts")
        self.assertEqual({r for _, r, _ in self.seen("retried")}, {request})

    def test_a_retry_that_succeeds_is_the_last(self):
        self.function("second")
        self.send("second", {"fail": 1})
        wait_until(lambda: len(self.seen("second")) == 2, "two attempts")
        self.send("second", {"last": True})
        wait_until(lambda: len(self.seen("second")) == 3, "the other event")

    def test_retries_are_the_functions_choice(self):
        self.function("never")
        self.client.put_function_event_invoke_config(FunctionName="never", MaximumRetryAttempts=0)
        first = self.send("never", {"fail": 1})
        wait_until(lambda: self.seen("never"), "the first")
        second = self.send("never", {})
        wait_until(lambda: len(self.seen("never")) == 2, "the second")
        self.assertEqual([r for _, r, _ in self.seen("never")], [first, second])

    def test_all_of_many_in_one_place(self):
        self.function("many")
        for number in range(40):
            self.send("many", {"n": number})
        wait_until(lambda: len(self.seen("many")) == 40, "forty events")
        self.assertEqual({e["n"] for e, _, _ in self.seen("many")}, set(range(40)))

    def test_waiting_events_go_with_their_function(self):
        python_function(self.client, "gone", "def handler(e, c):\n    raise ValueError\n")
        self.send("gone", {})
        self.client.delete_function(FunctionName="gone")
        self.refused(404, "ResourceNotFoundException", "Function not found: " + ARN + "gone",
                     "invoke", FunctionName="gone", InvocationType="Event")

    def test_bad_events(self):
        self.function("picky")
        size = 1024 * 1024 + 1
        self.refused(413, "RequestEntityTooLargeException",
                     f"{size} byte payload is too large for the Event invocation type "
                     "(limit 1048576 bytes)", "invoke", FunctionName="picky",
                     InvocationType="Event", Payload=b'"' + b"x" * (size - 2) + b'"')
        with self.assertRaises(self.client.exceptions.InvalidRequestContentException):
            self.client.invoke(FunctionName="picky", InvocationType="Event", Payload=b"{")
        self.send("picky", "x" * (size - 3))

    def test_the_option_is_for_development(self):
        with self.assertRaisesRegex(AssertionError, "ended with 2"):
            Server("--async-retry", "1", dev=False)


class Dropped(unittest.TestCase):
    """Each with a server of its own: the log has one line a second for what is dropped."""
    def dropped(self, source, *changes, qualifier=""):
        with Server("--async-retry", "60") as server:
            client = server.client()
            python_function(client, "f", source)
            for operation, arguments in changes:
                getattr(client, operation)(FunctionName="f", **arguments)
            answer = client.invoke(FunctionName="f" + qualifier, InvocationType="Event", Payload=b"{}")
            request = answer["ResponseMetadata"]["RequestId"]
            line = f"fn={ARN}f{qualifier} req={request} why="
            wait_until(lambda: line in server.log_text(), "the end of the event")
            return server.log_text().split(line)[1].splitlines()[0]

    def test_after_three_errors(self):
        self.assertEqual(self.dropped("def handler(e, c):\n    raise ValueError\n"),
                         "RetriesExhausted errors=2 throttles=0 dropped=1")

    def test_by_the_configuration_of_what_the_event_was_sent_to(self):
        changes = (
            ("publish_version", {}), ("create_alias", {"Name": "prod", "FunctionVersion": "1"}),
            ("put_function_event_invoke_config", {"MaximumRetryAttempts": 0}),
            ("put_function_event_invoke_config", {"MaximumRetryAttempts": 1, "Qualifier": "prod"}))
        for qualifier, errors in (("", 0), (":prod", 1), (":1", 2)):
            self.assertEqual(
                self.dropped("def handler(e, c):\n    raise ValueError\n", *changes, qualifier=qualifier),
                f"RetriesExhausted errors={errors} throttles=0 dropped=1")

    def test_without_concurrency(self):
        self.assertEqual(self.dropped("", ("put_function_concurrency", {
            "ReservedConcurrentExecutions": 0})),
            "ZeroReservedConcurrency errors=0 throttles=0 dropped=1")


class Configuration(AsyncTest):
    def test_life(self):
        self.function("conf")
        missing = f"The function {ARN}conf:$LATEST doesn't have an EventInvokeConfig"
        name = {"FunctionName": "conf"}
        for operation in ("get", "delete"):
            self.refused(404, "ResourceNotFoundException", missing,
                         operation + "_function_event_invoke_config", **name)
        self.refused(404, "ResourceNotFoundException", missing,
                     "update_function_event_invoke_config", MaximumRetryAttempts=1, **name)
        self.assertEqual(self.client.list_function_event_invoke_configs(**name)
                         ["FunctionEventInvokeConfigs"], [])
        put = self.client.put_function_event_invoke_config(
            MaximumRetryAttempts=1, DestinationConfig={"OnSuccess": {}, "OnFailure": {}}, **name)
        self.assertEqual((put["FunctionArn"], put["MaximumRetryAttempts"], put["DestinationConfig"]),
                         (ARN + "conf:$LATEST", 1, {"OnSuccess": {}, "OnFailure": {}}))
        self.assertNotIn("MaximumEventAgeInSeconds", put)
        changed = self.client.update_function_event_invoke_config(MaximumEventAgeInSeconds=60, **name)
        self.assertEqual((changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]),
                         (1, 60))
        got = self.client.get_function_event_invoke_config(Qualifier="$LATEST", **name)
        for answer in (changed, got):
            del answer["ResponseMetadata"]
        self.assertEqual(got, changed)
        self.assertEqual(self.client.list_function_event_invoke_configs(**name)
                         ["FunctionEventInvokeConfigs"], [got])
        self.client.put_function_event_invoke_config(MaximumEventAgeInSeconds=70, **name)
        self.assertNotIn("MaximumRetryAttempts",
                         self.client.get_function_event_invoke_config(**name))
        self.client.delete_function_event_invoke_config(**name)

    def test_each_qualifier_has_its_own(self):
        self.function("own")
        for number in range(2):
            self.client.publish_version(FunctionName="own")
            self.client.update_function_configuration(FunctionName="own", Description=str(number))
        self.client.create_alias(FunctionName="own", Name="prod", FunctionVersion="1")
        put = self.client.put_function_event_invoke_config
        shown = [put(MaximumRetryAttempts=number % 3, **name)["FunctionArn"] for number, name in enumerate((
            {"FunctionName": "own"}, {"FunctionName": "own", "Qualifier": "1"},
            {"FunctionName": "own:prod"}, {"FunctionName": "own:prod", "Qualifier": "prod"},
            {"FunctionName": ARN + "own:2"}))]
        self.assertEqual(shown, [ARN + "own:" + q for q in ("$LATEST", "1", "prod", "prod", "2")])

        def listed(**options):
            answer = self.client.list_function_event_invoke_configs(FunctionName="own", **options)
            return ([(c["FunctionArn"].rsplit(":", 1)[1], c["MaximumRetryAttempts"])
                     for c in answer["FunctionEventInvokeConfigs"]], answer.get("NextMarker"))
        everything = [("$LATEST", 0), ("1", 1), ("2", 1), ("prod", 0)]
        self.assertEqual(listed(), (everything, None))
        first, marker = listed(MaxItems=3)
        self.assertEqual(first + listed(Marker=marker)[0], everything)
        self.assertEqual(listed(MaxItems=4), (everything, None))
        self.refused(404, "ResourceNotFoundException", "The function doesn't exist.",
                     "put_function_event_invoke_config", FunctionName="own", Qualifier="none",
                     MaximumRetryAttempts=1)
        self.refused(404, "ResourceNotFoundException",
                     f"The function {ARN}own:none doesn't have an EventInvokeConfig",
                     "get_function_event_invoke_config", FunctionName="own", Qualifier="none")
        self.client.delete_function_event_invoke_config(FunctionName="own", Qualifier="$LATEST")
        self.client.delete_alias(FunctionName="own", Name="prod")  # what is its own goes with it
        self.client.delete_function(FunctionName="own", Qualifier="2")
        self.assertEqual(listed(), ([("1", 1)], None))

    def test_refusals(self):
        self.function("strict")
        name = {"FunctionName": "strict"}
        put = "put_function_event_invoke_config"
        self.refused(400, "InvalidParameterValueException",
                     "You must specify at least one of error handling or destination setting.", put,
                     **name)
        self.refused(400, "InvalidParameterValueException",
                     "Virga does not support DestinationConfig yet.", put, **name,
                     DestinationConfig={"OnFailure": {
                         "Destination": "arn:aws:sqs:us-east-1:000000000000:q"}})
        self.refused(404, "ResourceNotFoundException", "The function doesn't exist.", put,
                     FunctionName="nobody", MaximumRetryAttempts=1)
        unchecked = self.server.client(parameter_validation=False)
        for bad in ({"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 59},
                    {"MaximumEventAgeInSeconds": 21601}):
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                unchecked.put_function_event_invoke_config(**name, **bad)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)


class Concurrency(AsyncTest):
    def test_life(self):
        python_function(self.client, "share", COUNTS)
        self.addCleanup(self.client.delete_function, FunctionName="share")
        name = {"FunctionName": "share"}
        free = self.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        self.assertNotIn("ReservedConcurrentExecutions",
                         self.client.get_function_concurrency(**name))
        revision = self.client.get_function_configuration(**name)["RevisionId"]
        self.client.put_function_concurrency(ReservedConcurrentExecutions=25, **name)
        self.assertEqual(self.client.get_function_concurrency(**name)
                         ["ReservedConcurrentExecutions"], 25)
        got = self.client.get_function(**name)
        self.assertEqual(got["Concurrency"], {"ReservedConcurrentExecutions": 25})
        self.assertEqual(got["Configuration"]["RevisionId"], revision)
        settings = self.client.get_account_settings()
        self.assertEqual(settings["AccountLimit"]["UnreservedConcurrentExecutions"], free - 25)
        self.assertEqual(settings["AccountLimit"]["ConcurrentExecutions"], 1000)
        self.assertGreater(settings["AccountUsage"]["TotalCodeSize"], 0)
        self.refused(400, "InvalidParameterValueException",
                     "Specified ReservedConcurrentExecutions for function decreases account's "
                     "UnreservedConcurrentExecution below its minimum value of [100].",
                     "put_function_concurrency", ReservedConcurrentExecutions=901, **name)
        self.client.put_function_concurrency(ReservedConcurrentExecutions=0, **name)
        with self.assertRaises(self.client.exceptions.TooManyRequestsException) as caught:
            self.client.invoke(**name)
        self.assertEqual(caught.exception.response["Reason"],
                         "ReservedFunctionConcurrentInvocationLimitExceeded")
        self.client.delete_function_concurrency(**name)
        self.assertEqual(self.client.invoke(Payload=b'{"read": 1}', **name)["StatusCode"], 200)


class Tags(AsyncTest):
    def test_tags(self):
        self.function("tagged")
        arn = ARN + "tagged"
        self.assertEqual(self.client.list_tags(Resource=arn)["Tags"], {})
        self.client.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
        self.client.tag_resource(Resource=arn, Tags={"b": "3", "c": ""})
        self.assertEqual(self.client.list_tags(Resource=arn)["Tags"], {"a": "1", "b": "3", "c": ""})
        self.client.untag_resource(Resource=arn, TagKeys=["a", "c", "x"])
        self.assertEqual(self.client.list_tags(Resource=arn)["Tags"], {"b": "3"})
        self.assertEqual(self.client.get_function(FunctionName="tagged")["Tags"], {"b": "3"})
        self.refused(400, "InvalidParameterValueException",
                     "Number of tags exceeds resource tag limit.", "tag_resource", Resource=arn,
                     Tags={str(n): "" for n in range(50)})
        self.refused(404, "ResourceNotFoundException", f"Function not found: {ARN}nobody",
                     "list_tags", Resource=ARN + "nobody")


if __name__ == "__main__":
    unittest.main()
