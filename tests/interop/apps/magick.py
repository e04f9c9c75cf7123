import base64
import os
import subprocess


def handler(event, context):
    done = subprocess.run(["/opt/bin/convert", "jpg:-", *event["options"], "png:-"], check=True,
                          input=base64.b64decode(event["body"]), capture_output=True)
    linked = subprocess.run(["/opt/bin/convert", "--version"], check=True, capture_output=True, text=True,
                            env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}).stdout
    return {"body": base64.b64encode(done.stdout).decode(), "linked": linked}
