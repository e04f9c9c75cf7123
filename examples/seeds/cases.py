"""What each snippet of the seed documents needs to run, and what it then has to answer.

State of a case: `runs` as printed; `part` of it runs, the note says which; `cannot` run anywhere, and
the reason is checked; `needs` something that Virga does not have yet; `text` that is no program.
Cases with parts are executed; a part is cut out by line numbers, saved as snippet.py (.js, .mjs) and
deployed with `files` beside it: virga_stubs holds what the text takes for granted, main calls what is
no handler.
"""
import json
import math
import re

STATES = ("runs", "part", "cannot", "needs", "text")
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Seen:
    """One call: what came back. body: the answer's body, parsed."""

    def __init__(self, answer, error, log, virga):
        self.answer, self.error, self.log, self.virga = answer, error, log, virga

    @property
    def body(self):
        return json.loads(self.answer["body"])


class Part:
    def __init__(self, where, handler, calls, language="python", files=None, name=None):
        self.where, self.handler, self.calls = where, handler, calls
        self.language, self.files, self.name = language, files or {}, name


class Case:
    def __init__(self, name, state, note, *parts):
        self.id, self.state, self.note, self.parts = name, state, note, parts


def stubs(text):
    return {"virga_stubs.py": text}


def node_stubs(text):
    return {"virga_stubs.cjs": text}


def main(expression):
    """A handler that evaluates an expression over the snippet's names."""
    return {"main.py": f"from snippet import *\n\n\ndef handler(event, context):\n"
                       f"    return {expression}\n"}


def answers(value):
    return lambda seen: seen.error is None and seen.answer == value


def fails(kind):
    return lambda seen: seen.error == kind


def http(method, path, body=None):
    return {"httpMethod": method, "path": path, "body": body, "headers": {}}


def sqs(*bodies):
    return {"Records": [{"messageId": str(i), "eventSource": "aws:sqs", "body": json.dumps(body)}
                        for i, body in enumerate(bodies)]}


USERS = """
    def fetch_users_from_db():
        return [{"id": 1}]


    def create_user_in_db(user):
        return {**user, "id": 7}
"""
SOURCES = """
    def process_file(bucket, key):
        print("file", bucket, key)


    def send_welcome_email(image):
        print("welcome", image["email"]["S"])


    def sync_to_elasticsearch(image):
        print("sync", image["email"]["S"])


    def cleanup_old_data():
        print("cleanup")


    def send_daily_reports():
        print("reports")
"""


def s3_event(*keys):
    return {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": k}}}
                        for k in keys]}


def stream_event(*changes):
    return {"Records": [{"eventSource": "aws:dynamodb", "eventName": name,
                         "dynamodb": {"NewImage": {"email": {"S": email}}}} for name, email in changes]}


def breakeven(answer):
    per_request = 0.20 / 1e6 + 100 * 0.5 * 0.0000166667 / 1000
    return answer["100ms"]["requests_per_month"] == int(50 / per_request)


CASES = [
    Case("N01", "runs", "the simplest handler", Part(
        "000:72-92", "snippet.lambda_handler",
        [({"name": "Ada", "premium": 1}, lambda seen: seen.answer["statusCode"] == 200
          and seen.body["message"] == "Hello, Ada! \U0001f31f Welcome, premium user!"
          and 0 < seen.body["executionTime"] <= 30000
          and REQUEST_ID.fullmatch(seen.body["requestId"]) is not None),
         ({}, lambda seen: seen.body["message"] == "Hello, World!")])),
    Case("N02", "needs", "S3; a folder made below /tmp"),
    Case("N03", "runs", "a router, its bound method as handler", Part(
        "000:175-243", "snippet.lambda_handler",
        [(http("GET", "/users"), lambda seen: seen.answer["statusCode"] == 200
          and seen.body == {"users": [{"id": 1}]}
          and REQUEST_ID.fullmatch(seen.answer["headers"]["X-Request-Id"]) is not None),
         (http("POST", "/users", '{"name": "Ada"}'),
          lambda seen: seen.body == {"user": {"name": "Ada", "id": 7}}),
         (http("POST", "/users", "{"), lambda seen: seen.answer["statusCode"] == 500),
         (http("GET", "/nothing"), answers({"statusCode": 404, "body": "Not Found"}))],
        files=stubs(USERS))),
    Case("N04", "runs", "an object's method as handler; S3, stream and schedule events", Part(
        "000:249-319", "snippet.processor.process",
        [(s3_event("a", "b c"), lambda seen: seen.answer == {"processed": 2}
          and "file b b c" in seen.log),
         (stream_event(("INSERT", "x@y"), ("MODIFY", "z@y")), lambda seen: seen.answer is None
          and "welcome x@y" in seen.log and "sync z@y" in seen.log),
         ({"source": "aws.events"}, lambda seen: "cleanup\nreports" in seen.log),
         (sqs({}), fails("KeyError"))], files=stubs(SOURCES))),
    Case("N05", "needs", "Kinesis, DynamoDB"),
    Case("N06", "cannot", "import inside a lambda is a syntax error", Part(
        "000:386-445", "snippet.optimized_handler", [({}, fails("Runtime.UserCodeSyntaxError"))])),
    Case("N07", "runs", "builds a workflow; to execute it needs Step Functions", Part(
        "000:457-603", "main.handler",
        [({}, lambda seen: "ProcessPayment" in seen.answer["States"]
          and seen.answer["States"]["PaymentChoice"]["Default"] == "HandleError")],
        files=main("create_order_workflow().definition"))),
    Case("N08", "needs", "DynamoDB"),
    Case("N09", "cannot", "a decorator that is called with one argument of two", Part(
        "000:657-717", "snippet.handler", [({}, fails("TypeError"))])),
    Case("N10", "needs", "WebSocket APIs, DynamoDB"),
    Case("N11", "needs", "S3, Step Functions, ffmpeg"),
    Case("N12", "runs", "builds a workflow; to execute it needs Step Functions", Part(
        "000:987-1046", "main.handler",
        [({}, lambda seen: seen.answer["StartAt"] == "CreateEncodingPlan"
          and seen.answer["States"]["ParallelEncoding"]["Type"] == "Map")],
        files=main("create_encoding_workflow()"))),
    Case("N13", "runs", "", Part(
        "000:1093-1109", "main.handler",
        [({}, lambda seen: seen.answer["tree_shaking"] is True and len(seen.answer["use_layers"]) == 3)],
        files=main("optimize_package_size()"))),
    Case("N14", "needs", "S3, Redis"),
    Case("N15", "needs", "PostgreSQL, S3; its handler is inside a function that returns nothing"),
    Case("N16", "runs", "", Part(
        "000:1230-1335", "main.handler", [({}, lambda seen: breakeven(seen.answer))],
        files=main("ServerlessEconomics().calculate_breakeven_point(50)"))),
    Case("N17", "runs", "", Part(
        "000:1341-1402", "main.handler",
        [({}, lambda seen: seen.answer["avg_warm_containers"] == 900
          and seen.answer["cold_start_probability"] == round(100 / math.e, 2)
          and seen.answer["recommendation"].startswith("Implement warming"))],
        files=main("ServerlessQueueingTheory().model_cold_starts(1, 0.5)"))),
    Case("N18", "needs", "an edge tier"),
    Case("N19", "part", "hybrid_deployment; building containers is missing", Part(
        "000:1478-1535", "main.handler",
        [({}, lambda seen: [rule["target"] for rule in seen.answer["routing_rules"]]
          == ["lambda", "container", "batch"])],
        files=main("ServerlessContainers().hybrid_deployment()"))),
    Case("N20", "runs", "with an estimate of Lambda's cost beside it", Part(
        "000:1541-1591", "main.handler",
        [({"server_costs": 1000, "ops_team_cost": 8000, "downtime_cost": 500,
           "requests_per_month": 1000000, "developer_count": 1},
          lambda seen: seen.answer["current_monthly_cost"] == 5500
          and abs(seen.answer["serverless_monthly_cost"] - 851.87) < 1e-6
          and seen.answer["migration_cost"] == 72000)],
        files={"main.py": """
            from snippet import ServerlessROI


            class Roi(ServerlessROI):
                def estimate_lambda_costs(self, requests):
                    return requests * 1.87 / 1e6


            def handler(event, context):
                return Roi().calculate_migration_roi(event)
            """})),
    Case("N21", "text", "diagrams"),
    Case("N22", "runs", "", Part(
        "001:46-67", "snippet.lambda_handler",
        [({"body": '{"a": 1}'}, lambda seen: seen.body == {"got": {"a": 1}}
          and seen.answer["headers"]["Access-Control-Allow-Origin"] == "*"),
         ({"body": None}, fails("TypeError"))],
        files=stubs("def process_request(body):\n    return {'got': body}\n"))),
    Case("N23", "runs", "describes a function; nothing consumes the description", Part(
        "001:69-98", "main.handler",
        [({}, answers({"environment": {"A": "b"}, "triggers": 2, "layers": ["arn"]}))],
        files={"main.py": """
            from snippet import ServerlessFunction


            def handler(event, context):
                made = ServerlessFunction(handler).with_environment({"A": "b"}).with_layer("arn")
                made.add_http_trigger("GET", "/x")
                made.add_event_trigger("s3")
                return {"environment": made.environment, "triggers": len(made.triggers),
                        "layers": made.layers}
            """})),
    Case("N24", "needs", "PostgreSQL"),
    Case("N25", "part", "queue messages; its S3 branch never matches, the rest is undefined", Part(
        "001:133-182", "main.handler",
        [(sqs({"type": "add", "payload": [1, 2]}), answers({"batchItemFailures": []})),
         (sqs({"type": "other", "payload": []}), fails("KeyError"))],
        files={"main.py": """
            from snippet import EventProcessor

            processor = EventProcessor()
            processor.register("add", sum)
            handler = processor.process
            """})),
    Case("N26", "runs", "builds a workflow", Part(
        "001:184-222", "main.handler",
        [({}, lambda seen: seen.answer["StartAt"] == "A"
          and seen.answer["States"]["A"]["Retry"][0]["BackoffRate"] == 2)],
        files={"main.py": """
            from snippet import StepFunctionWorkflow


            def handler(event, context):
                made = StepFunctionWorkflow("w")
                made.add_task("A", "arn", "B")
                made.add_parallel("B", [])
                made.start_state = "A"
                return made.to_json()
            """})),
    Case("N27", "cannot", "its branches are placeholders that are no JSON", Part(
        "001:184-267", "main.handler", [({}, fails("Runtime.MarshalError"))],
        files=main("create_image_pipeline().to_json()"))),
    Case("N28", "runs", "", Part(
        "001:269-294", "main.handler",
        [({}, lambda seen: seen.answer["provisioned_concurrency"]["keeps_warm"] == 100)],
        files=main("ServerlessPerformance.minimize_cold_starts()"))),
    Case("N29", "needs", "Duration in the answer of Invoke; its function is never returned"),
    Case("N30", "needs", "SNS, DynamoDB"),
    Case("N31", "needs", "DynamoDB"),
    Case("N32", "text", "pseudo-code of a runtime"),
    Case("N33", "text", "a list of strategies"),
    Case("N34", "text", "pseudo-code of event sources"),
    Case("N35", "text", "pseudo-code of idempotency"),
    Case("N36", "text", "pseudo-code of reuse"),
    Case("N37", "text", "pseudo-code of queues"),
    Case("N38", "needs", "DynamoDB"),
    Case("N39", "needs", "SAM templates"),
    Case("N40", "needs", "pandas in the sandbox"),
    Case("N41", "runs", "clients made when needed, and not", Part(
        "003:198-217", "snippet.lambda_handler", [({}, answers(None))])),
    Case("N42", "needs", "scaling of provisioned concurrency"),
    Case("N43", "runs", "a function warms another", Part(
        "003:239-257", "snippet.lambda_handler", [({"warmup": True}, answers({"status": "warmed"}))],
        name="critical-api"), Part(
        "003:239-257", "main.handler",
        [({}, lambda seen: seen.error is None and seen.virga.calls("critical-api") == 11)],
        files=main("warm_functions()"))),
    Case("N44", "needs", "S3"),
    Case("N45", "needs", "DynamoDB"),
    Case("N46", "runs", "a batch of messages; a queue as source is missing", Part(
        "003:486-521", "snippet.lambda_handler",
        [(sqs({"order_id": 1}, {"order_id": 2}), lambda seen: seen.answer == {"statusCode": 200}
          and "Processed message 1" in seen.log),
         (sqs({"other": 1}), lambda seen: seen.error == "KeyError"
          and "Failed to process 0: 'order_id'" in seen.log)])),
    Case("N47", "needs", "SAM templates, SQS"),
    Case("N48", "needs", "DynamoDB"),
    Case("N49", "needs", "Secrets Manager, MySQL"),
    Case("N50", "needs", "Step Functions"),
    Case("N51", "runs", "two functions of one workflow", Part(
        "003:858-872", "snippet.lambda_handler",
        [({"order": {"id": 5, "items": [1], "total": 3}}, answers({"order_id": 5, "validated": True})),
         ({"order": {"id": 5, "items": [1], "total": 0}}, fails("ValidationError"))],
        files=stubs("class ValidationError(Exception):\n    pass\n")), Part(
        "003:874-883", "snippet.lambda_handler",
        [({"order": {"items": [1, 2]}, "order_id": 5},
          answers({"inventory_available": 2, "order_id": 5}))],
        files=stubs("check_stock = len\n"))),
    Case("N52", "needs", "Powertools in the sandbox"),
    Case("N53", "needs", "S3"),
    Case("N54", "needs", "serverless.yml"),
    Case("N55", "runs", "", Part(
        "003:1052-1070", "snippet.lambda_handler",
        [(sqs({"a": 1}, {"b": 2}), lambda seen: seen.answer is None and "item 1" in seen.log)],
        files=stubs("def process(item):\n    print('item', item['messageId'])\n"))),
    Case("N56", "needs", "an edge tier"),
    Case("N57", "text", "pseudo-code in a drawing"),
    Case("N58", "runs", "state of a warm instance", Part(
        "004:614-630", "snippet.handler",
        [({}, lambda seen: seen.answer == {"rows": 1} and "Using cached data" not in seen.log),
         ({}, lambda seen: seen.answer == {"rows": 1} and "Using cached data" in seen.log)],
        language="node", files=node_stubs("""
            let queries = 0;
            exports.database = { query: async () => ({ rows: ++queries }) };
            """))),
    Case("N59", "needs", "DynamoDB, aws-sdk v2 in the sandbox"),
    Case("N60", "needs", "Azure's handlers, Cosmos DB"),
    Case("N61", "needs", "Google's handlers, Firestore"),
    Case("N62", "runs", "with a factory beside it", Part(
        "004:755-780", "snippet.handler",
        [({"body": {"id": 1}}, lambda seen: seen.error is None and "saved 1" in seen.log)],
        language="node", files=node_stubs("""
            exports.createDatabaseService = () => ({
              saveUser: async (user) => console.log(`saved ${user.id}`),
            });
            """))),
    Case("N63", "needs", "serverless.yml, DynamoDB"),
    Case("N64", "runs", "a log line with the request's id", Part(
        "004:1432-1441", "main.handler",
        [({"userId": "u7"}, lambda seen: '"userId":"u7"' in seen.log
          and f'"requestId":"{seen.answer}"' in seen.log)],
        language="node", files={"main.js": """
            exports.handler = async (event, context) => {
              globalThis.event = event;
              globalThis.context = context;
              require('./snippet.js');
              return context.awsRequestId;
            };
            """})),
    Case("N65", "runs", "a correlation id", Part(
        "004:1467-1477", "snippet.handler",
        [({"headers": {"x-correlation-id": "c1"}}, lambda seen: seen.answer is None
          and "passed on c1" in seen.log and "correlationId: 'c1'" in seen.log),
         ({"headers": {}}, lambda seen: re.search(r"passed on [0-9a-f]{8}-", seen.log) is not None)],
        language="node", files=node_stubs("""
            exports.callAnotherService = async ({ headers }) =>
              console.log(`passed on ${headers['x-correlation-id']}`);
            """))),
    Case("N66", "needs", "CloudWatch metrics, aws-sdk v2 in the sandbox"),
    Case("N67", "needs", "IAM policies"),
    Case("N68", "cannot", "a constant is declared twice", Part(
        "004:1569-1582", "snippet.handler", [({}, fails("Runtime.UserCodeSyntaxError"))],
        language="node-module")),
    Case("N69", "runs", "with a stand-in for the package validator", Part(
        "004:1587-1602", "snippet.handler",
        [({}, answers({"statusCode": 400, "body": "Missing body"})),
         ({"body": '{"email": "x"}'}, answers({"statusCode": 400, "body": "Invalid email"})),
         ({"body": '{"email": "x@y.z"}'}, answers(None))],
        language="node", files=node_stubs("""
            exports.validator = { isEmail: (text) => /^[^@]+@[^@]+$/.test(text) };
            """))),
    Case("N70", "needs", "DynamoDB, aws-sdk v2 in the sandbox"),
    Case("N71", "text", "arithmetic"),
    Case("N72", "text", "drawings"),
]
