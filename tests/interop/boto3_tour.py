"""One tour with the boto3 of whichever Python runs it: usage: boto3_tour.py ZIP dev|signed

The endpoint and the keys come from the environment. Prints the version; fails with an assertion."""
import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ROLE = "arn:aws:iam::000000000000:role/lambda"
CONFIG = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=30)


def client(service, **options):
    return boto3.client(service, endpoint_url=ENDPOINT, config=CONFIG, **options)


def fails(status, code, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except botocore.exceptions.ClientError as error:
        answer = error.response
        got = (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
        assert got == (status, code), (got, answer)
        assert answer["ResponseMetadata"]["RetryAttempts"] == 0
        return error
    raise AssertionError(f"{code} was expected, but the call succeeded")


def functions(package):
    aws = client("lambda")
    for name in ("one", "two"):
        aws.create_function(FunctionName=name, Runtime="python3.12", Role=ROLE, Handler="f.handler",
                            Code={"ZipFile": package}, Environment={"Variables": {"GREETING": "✓"}})
    aws.get_waiter("function_active_v2").wait(FunctionName="one")
    pages = aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    assert sorted(f["FunctionName"] for page in pages for f in page["Functions"]) == ["one", "two"]
    aws.update_function_configuration(FunctionName="one", Timeout=7)
    aws.get_waiter("function_updated_v2").wait(FunctionName="one")
    aws.update_function_code(FunctionName="one", ZipFile=package)
    answer = aws.invoke(FunctionName="one", Payload=json.dumps({"n": 1}), LogType="Tail")
    assert json.load(answer["Payload"]) == {"n": 1, "greeting": "✓"}
    assert "REPORT RequestId: " in base64.b64decode(answer["LogResult"]).decode()
    answer = aws.invoke(FunctionName="one", Payload=json.dumps({"fail": "so it is"}))
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "ValueError"
    error = fails(404, "ResourceNotFoundException", aws.get_function, FunctionName="nobody")
    assert isinstance(error, aws.exceptions.ResourceNotFoundException)
    error = fails(409, "ResourceConflictException", aws.create_function, FunctionName="one",
                  Runtime="python3.12", Role=ROLE, Handler="f.handler", Code={"ZipFile": package})
    assert isinstance(error, aws.exceptions.ResourceConflictException)
    presigned(aws)
    for name in ("one", "two"):
        aws.delete_function(FunctionName=name)
    fails(404, "ResourceNotFoundException", aws.invoke, FunctionName="one")


def presigned(aws):
    url = aws.generate_presigned_url("get_function", {"FunctionName": "one"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert json.load(answer)["Configuration"]["FunctionName"] == "one"


def logs():
    aws = client("logs")
    group = {"logGroupName": "/interop/boto3"}
    stream = {**group, "logStreamName": "s"}
    aws.create_log_group(**group)
    error = fails(400, "ResourceAlreadyExistsException", aws.create_log_group, **group)
    assert isinstance(error, aws.exceptions.ResourceAlreadyExistsException)
    aws.create_log_stream(**stream)
    now = int(time.time() * 1000)
    aws.put_log_events(**stream, logEvents=[{"timestamp": now, "message": "ERROR ✓"}])
    events = aws.get_log_events(**stream, startFromHead=True)["events"]
    assert [(e["timestamp"], e["message"]) for e in events] == [(now, "ERROR ✓")]
    pages = aws.get_paginator("filter_log_events").paginate(**group, filterPattern="ERROR")
    assert [e["message"] for page in pages for e in page["events"]] == ["ERROR ✓"]
    aws.delete_log_group(**group)
    fails(400, "ResourceNotFoundException", aws.describe_log_streams, **group)


def others():
    who = client("sts").get_caller_identity()
    assert who["Arn"] == "arn:aws:iam::000000000000:root", who
    fails(400, "InvalidAction", client("sts").get_session_token)
    fails(404, "UnknownOperationException", client("lambda").list_code_signing_configs)
    fails(400, "UnknownOperationException", client("logs").describe_destinations)
    # Services that are not there, in every protocol. CloudWatch has spoken three, by version.
    for service, call in (("sqs", "list_queues"), ("dynamodb", "list_tables"),
                          ("kinesis", "list_streams"), ("cloudwatch", "list_metrics"),
                          ("apigatewayv2", "get_apis"), ("sns", "list_topics"),
                          ("s3", "list_buckets"), ("stepfunctions", "list_state_machines")):
        fails(400, "UnknownOperationException", getattr(client(service), call))


def secrets():
    wrong = {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "wrong"}
    unknown = {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00", "aws_secret_access_key": "wrong"}
    for service, call, status, mismatch, nobody in (
            ("lambda", "list_functions", 403, "InvalidSignatureException",
             "UnrecognizedClientException"),
            ("sts", "get_caller_identity", 403, "SignatureDoesNotMatch", "InvalidClientTokenId"),
            ("logs", "describe_log_groups", 400, "InvalidSignatureException",
             "UnrecognizedClientException")):
        fails(status, mismatch, getattr(client(service, **wrong), call))
        fails(status, nobody, getattr(client(service, **unknown), call))


def main(package, mode):
    print(boto3.__version__)
    with open(package, "rb") as file:
        functions(file.read())
    logs()
    others()
    if mode == "signed":
        secrets()


main(*sys.argv[1:])
