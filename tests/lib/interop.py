"""What the tests of foreign clients share: the function that they call, and their environment."""
import os

from server import CLIENT_ENVIRONMENT

FUNCTION = """\
import os


def handler(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    if "context" in event:
        return {"custom": context.client_context.custom["k"]}
    print("seen")
    greeting = os.environ.get("GREETING")
    return {**event, "greeting": greeting} if greeting else event
"""

STREAM = """\
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain');
  stream.write('first ');
  if (event.fail) throw new RangeError(event.fail);
  stream.write('second');
  console.log('seen');
  stream.end();
});
"""


def environment_of(server):
    """For a client that shall reach this server and nothing of the user's own."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    key, secret = ("test", "test") if "--dev" in server.options else server.root_key
    return {**foreign, **CLIENT_ENVIRONMENT, "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1"}
