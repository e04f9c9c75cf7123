"""CloudWatch Logs through boto3 and the aws command line: groups, streams, events, search in pages,
following a group, and AWS's answer to every bad input."""
import http.client
import json
import os
import subprocess
import time
import unittest

import botocore.exceptions

from server import CLIENT_ENVIRONMENT, Server, ServerTest

AWS = "/usr/bin/aws"
DAY = 86400 * 1000
NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."


def now():
    return int(time.time() * 1000)


class LogsTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.server.client("logs")
        cls.count = 0

    def group(self, *streams):
        """A group of this test's own."""
        type(self).count += 1
        name = f"/test/{self.count}"
        self.client.create_log_group(logGroupName=name)
        for stream in streams:
            self.client.create_log_stream(logGroupName=name, logStreamName=stream)
        return name

    def put(self, group, stream, *messages, at=None):
        at = at or now()
        return self.client.put_log_events(
            logGroupName=group, logStreamName=stream,
            logEvents=[{"timestamp": at + i, "message": m} for i, m in enumerate(messages)])

    def aws(self, *arguments, **options):
        return subprocess.run([AWS, "--endpoint-url", self.server.endpoint, "logs", *arguments],
                              env={**os.environ, **CLIENT_ENVIRONMENT}, capture_output=True,
                              text=True, timeout=60, check=True, **options).stdout

    def fails(self, code, message, operation, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(self.client, operation)(**arguments)
        error = caught.exception.response
        self.assertEqual((error["Error"]["Code"], error["Error"]["Message"]), (code, message))
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400)

    def test_life_of_a_group(self):
        name = self.group("a")
        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{name}"
        found = self.client.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
        self.assertEqual(found["arn"], arn + ":*")
        self.assertEqual((found["metricFilterCount"], found["storedBytes"]), (0, 0))
        self.assertNotIn("retentionInDays", found)
        # What Terraform's aws_cloudwatch_log_group does.
        self.client.put_retention_policy(logGroupName=name, retentionInDays=14)
        self.client.tag_resource(resourceArn=arn, tags={"team": "a", "x": "1"})
        self.client.untag_resource(resourceArn=arn, tagKeys=["x"])
        self.assertEqual(self.client.list_tags_for_resource(resourceArn=arn)["tags"], {"team": "a"})
        self.client.tag_log_group(logGroupName=name, tags={"more": "b"})
        self.assertEqual(self.client.list_tags_log_group(logGroupName=name)["tags"],
                         {"team": "a", "more": "b"})
        found = self.client.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
        self.assertEqual(found["retentionInDays"], 14)
        self.client.delete_retention_policy(logGroupName=name)
        self.client.delete_log_group(logGroupName=name)
        self.fails("ResourceNotFoundException", NO_GROUP, "describe_log_streams", logGroupName=name)

    def test_pages(self):
        prefix = self.group()
        for i in range(7):
            self.client.create_log_group(logGroupName=f"{prefix}/{i}")
            self.client.create_log_stream(logGroupName=prefix, logStreamName=f"s{i}")
        pages = self.client.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix=prefix + "/", PaginationConfig={"PageSize": 3})
        self.assertEqual([g["logGroupName"] for page in pages for g in page["logGroups"]],
                         [f"{prefix}/{i}" for i in range(7)])
        pages = self.client.get_paginator("describe_log_streams").paginate(
            logGroupName=prefix, descending=True, PaginationConfig={"PageSize": 2})
        self.assertEqual([s["logStreamName"] for page in pages for s in page["logStreams"]],
                         [f"s{i}" for i in reversed(range(7))])
        self.put(prefix, "s3", "x")
        latest = self.client.describe_log_streams(logGroupName=prefix, orderBy="LastEventTime",
                                                  descending=True, limit=1)["logStreams"]
        self.assertEqual(latest[0]["logStreamName"], "s3")

    def test_events(self):
        group = self.group("s")
        at = now()
        answer = self.put(group, "s", "a", "b\n", "snow \u2603 \U0001F600", '{"n": 7}', at=at)
        self.assertIn("nextSequenceToken", answer)
        self.assertNotIn("rejectedLogEventsInfo", answer)
        read = self.client.get_log_events(logGroupName=group, logStreamName="s",
                                          startFromHead=True, limit=3)
        self.assertEqual([e["message"] for e in read["events"]],
                         ["a", "b\n", "snow \u2603 \U0001F600"])
        self.assertEqual(read["events"][0]["timestamp"], at)
        rest = self.client.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True,
                                          nextToken=read["nextForwardToken"])
        self.assertEqual([e["message"] for e in rest["events"]], ['{"n": 7}'])
        end = self.client.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True,
                                         nextToken=rest["nextForwardToken"])
        self.assertEqual(end["events"], [])
        self.assertEqual(end["nextForwardToken"], rest["nextForwardToken"])
        found = self.client.filter_log_events(logGroupName=group, filterPattern="{ $.n > 6 }")
        self.assertEqual([e["message"] for e in found["events"]], ['{"n": 7}'])
        self.assertEqual(found["searchedLogStreams"], [])
        rejected = self.client.put_log_events(
            logGroupName=group, logStreamName="s",
            logEvents=[{"timestamp": at - 15 * DAY, "message": "old"},
                       {"timestamp": at, "message": "x"},
                       {"timestamp": at + 3 * 3600 * 1000, "message": "new"}])
        self.assertEqual(rejected["rejectedLogEventsInfo"],
                         {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2})

    def test_full_batches(self):
        group = self.group("s")
        self.put(group, "s", *["\x01" * 78] * 10000)  # each character is six in JSON
        self.put(group, "s", "x" * (1048576 - 26))
        total = sum(len(page["events"]) for page in self.client.get_paginator(
            "filter_log_events").paginate(logGroupName=group))
        self.assertEqual(total, 10001)

    def test_search_in_pages(self):
        group = self.group("a", "b")
        for i in range(40):
            self.put(group, "ab"[i % 2], f"ERROR {i}" if i % 4 == 0 else f"fine {i}",
                     at=now() - 100000 + i)
        pages = self.client.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern="ERROR", PaginationConfig={"PageSize": 3})
        self.assertEqual([e["message"] for page in pages for e in page["events"]],
                         [f"ERROR {i}" for i in range(0, 40, 4)])
        self.assertEqual(self.client.filter_log_events(
            logGroupName=group, logStreamNames=["b"], filterPattern="ERROR")["events"], [])

    def test_tail(self):
        group = self.group("s", "t")
        self.put(group, "s", "one")
        self.put(group, "t", "two")
        lines = self.aws("tail", group, "--format", "short").splitlines()
        self.assertEqual([line.split()[-1] for line in lines], ["one", "two"])
        self.assertIn("one", self.aws("tail", group, "--filter-pattern", "one", "--log-stream-names",
                                      "s"))

    def test_tail_follow(self):
        group = self.group("s")
        self.put(group, "s", "first")
        with subprocess.Popen(
                [AWS, "--endpoint-url", self.server.endpoint, "logs", "tail", group, "--follow",
                 "--format", "short"], env={**os.environ, **CLIENT_ENVIRONMENT,
                                            "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE, text=True) as tail:
            try:
                self.assertIn("first", tail.stdout.readline())
                self.put(group, "s", "second", "third")
                self.assertIn("second", tail.stdout.readline())
                self.assertIn("third", tail.stdout.readline())
            finally:
                tail.kill()

    def test_accounts_and_regions_are_apart(self):
        group = self.group()
        for other in (self.server.client("logs", region="eu-west-1"),
                      self.server.client("logs", key="111111111111")):
            self.assertEqual(other.describe_log_groups(logGroupNamePrefix=group)["logGroups"], [])

    def test_survives_a_crash(self):
        with Server() as server:
            client = server.client("logs")
            client.create_log_group(logGroupName="g")
            client.create_log_stream(logGroupName="g", logStreamName="s")
            client.put_log_events(logGroupName="g", logStreamName="s",
                                  logEvents=[{"timestamp": now(), "message": "kept"}])
            server.kill()
            server.start()
            events = server.client("logs").filter_log_events(logGroupName="g")["events"]
            self.assertEqual([e["message"] for e in events], ["kept"])

    def test_unsupported_operations_are_named(self):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.client.start_query(logGroupName="g", startTime=1, endTime=2, queryString="x")
        status = caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]
        self.assertTrue(400 <= status < 500, status)
        self.assertIn("StartQuery", str(caught.exception))

    # Bad inputs: (code, message, operation, arguments); {g} is a group with a stream "s".
    BAD = "InvalidParameterException"
    MISSING = "ResourceNotFoundException"
    EXISTS = "ResourceAlreadyExistsException"
    TOKEN = "The specified nextToken is invalid."
    ONE = "1 validation error detected: Value "
    REFUSED = [
        (EXISTS, "The specified log group already exists", "create_log_group",
         {"logGroupName": "{g}"}),
        (BAD, "Log groups starting with AWS/ are reserved for AWS.", "create_log_group",
         {"logGroupName": "aws/x"}),
        (EXISTS, "The specified log stream already exists", "create_log_stream",
         {"logGroupName": "{g}", "logStreamName": "s"}),
        (MISSING, NO_GROUP, "create_log_stream", {"logGroupName": "none", "logStreamName": "s"}),
        (MISSING, NO_GROUP, "delete_log_group", {"logGroupName": "none"}),
        (MISSING, NO_STREAM, "delete_log_stream",
         {"logGroupName": "{g}", "logStreamName": "none"}),
        (MISSING, NO_GROUP, "delete_log_stream", {"logGroupName": "none", "logStreamName": "s"}),
        (BAD, ONE + "'51' at 'limit' failed to satisfy constraint: Member must have value less "
         "than or equal to 50", "describe_log_groups", {"limit": 51}),
        (BAD, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
         "describe_log_groups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}),
        (BAD, TOKEN, "describe_log_groups", {"nextToken": "?"}),
        (BAD, "Cannot order by LastEventTime with a logStreamNamePrefix.", "describe_log_streams",
         {"logGroupName": "{g}", "orderBy": "LastEventTime", "logStreamNamePrefix": "sth"}),
        (BAD, ONE + "'sth' at 'orderBy' failed to satisfy constraint: Member must satisfy enum "
         "value set: [LogStreamName, LastEventTime]", "describe_log_streams",
         {"logGroupName": "{g}", "orderBy": "sth"}),
        (MISSING, NO_GROUP, "describe_log_streams", {"logGroupName": "none"}),
        (BAD, TOKEN, "describe_log_streams", {"logGroupName": "{g}", "nextToken": "?"}),
        (MISSING, NO_GROUP, "put_log_events",
         {"logGroupName": "none", "logStreamName": "s",
          "logEvents": [{"timestamp": 1, "message": "x"}]}),
        (MISSING, NO_STREAM, "put_log_events",
         {"logGroupName": "{g}", "logStreamName": "none",
          "logEvents": [{"timestamp": 1, "message": "x"}]}),
        (BAD, "Log events in a single PutLogEvents request must be in chronological order.",
         "put_log_events",
         {"logGroupName": "{g}", "logStreamName": "s",
          "logEvents": [{"timestamp": 2, "message": "x"}, {"timestamp": 1, "message": "x"}]}),
        (BAD, "Log event too large: 1048577 bytes exceeds limit of 1048576", "put_log_events",
         {"logGroupName": "{g}", "logStreamName": "s",
          "logEvents": [{"timestamp": 1, "message": "x" * (1048577 - 26)}]}),
        (BAD, "Upload too large: 1049052 bytes exceeds limit of 1048576", "put_log_events",
         {"logGroupName": "{g}", "logStreamName": "s",
          "logEvents": [{"timestamp": 1, "message": "x" * 524500}] * 2}),
        (BAD, ONE + "'10001' at 'limit' failed to satisfy constraint: Member must have value less "
         "than or equal to 10000", "get_log_events",
         {"logGroupName": "{g}", "logStreamName": "s", "limit": 10001}),
        (MISSING, NO_STREAM, "get_log_events", {"logGroupName": "{g}", "logStreamName": "none"}),
        (BAD, TOKEN, "get_log_events",
         {"logGroupName": "{g}", "logStreamName": "s", "nextToken": "not-existing-token"}),
        (MISSING, NO_GROUP, "filter_log_events", {"logGroupName": "none"}),
        (MISSING, NO_STREAM, "filter_log_events",
         {"logGroupName": "{g}", "logStreamNames": ["none"]}),
        (BAD, TOKEN, "filter_log_events", {"logGroupName": "{g}", "nextToken": "x"}),
        (BAD, "Invalid character(s) in term 'foo:bar'", "filter_log_events",
         {"logGroupName": "{g}", "filterPattern": "foo:bar"}),
        (BAD, "If a filter pattern starts with '{' it must end with '}'", "filter_log_events",
         {"logGroupName": "{g}", "filterPattern": "{$.a"}),
        (BAD, "Invalid filter pattern", "filter_log_events",
         {"logGroupName": "{g}", "filterPattern": "[a > x]"}),
        (BAD, "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
         "filter_log_events",
         {"logGroupName": "{g}", "logStreamNames": ["s"], "logStreamNamePrefix": "s"}),
        (MISSING, NO_GROUP, "put_retention_policy",
         {"logGroupName": "none", "retentionInDays": 1}),
        (BAD, ONE + "'2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy "
         "enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, "
         "1827, 2192, 2557, 2922, 3288, 3653]", "put_retention_policy",
         {"logGroupName": "{g}", "retentionInDays": 2}),
        (MISSING, "The specified resource does not exist.", "list_tags_for_resource",
         {"resourceArn": "arn:aws:logs:us-east-1:000000000000:log-group:none"}),
        (BAD, "'nonsense' is not the ARN of a log group.", "list_tags_for_resource",
         {"resourceArn": "nonsense"}),
    ]

    def test_bad_inputs(self):
        group = self.group("s")
        for code, message, operation, arguments in self.REFUSED:
            with self.subTest(operation=operation, message=message[:60]):
                self.fails(code, message, operation, **{
                    key: group if value == "{g}" else value for key, value in arguments.items()})

    def test_bad_bodies(self):
        """What no client of AWS would send."""
        for body in (b"", b"{", b"[]", b'{"logGroupName": 7}', b'{"logGroupName": "a*b"}',
                     b"\xff\xfe", b"{}" + b" " * 100 + b"x"):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            connection.request("POST", "/", body, {
                "X-Amz-Target": "Logs_20140328.CreateLogGroup",
                "Content-Type": "application/x-amz-json-1.1",
                "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/logs/"
                                 "aws4_request, SignedHeaders=host, Signature=0"})
            answer = connection.getresponse()
            text = answer.read()
            self.assertEqual(answer.status, 400, body)
            self.assertIn("__type", json.loads(text))
            connection.close()


if __name__ == "__main__":
    unittest.main()
