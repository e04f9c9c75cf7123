"""What the tests of foreign clients share: their npm packages, the function that they call, and their
environment."""
import os
import subprocess

from server import BUILD, CLIENT_ENVIRONMENT, ROOT

INSTALL_SECONDS = 1000

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


def installed(folder):
    """The folder that has the node_modules of tests/interop/<folder>/package-lock.json."""
    done = subprocess.run([os.path.join(ROOT, "tests/interop/install.sh"), BUILD, folder], text=True,
                          capture_output=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{folder}: npm packages could not be installed:\n{done.stdout}{done.stderr}")
    return os.path.join(BUILD, folder)


def environment_of(server):
    """For a client that shall reach this server and nothing of the user's own."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    key, secret = ("test", "test") if "--dev" in server.options else server.root_key
    return {**foreign, **CLIENT_ENVIRONMENT, "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1"}
