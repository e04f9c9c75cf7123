#!/usr/bin/env python3
"""The main job, on real input, in under three minutes: starts Virga, deploys functions through its
own command line and through the real AWS CLI, calls them, and shows what the calls cost.

Usage: demo.py BUILD_DIR        (make demo)
Leaves nothing running; the thumbnail it makes stays in BUILD_DIR/demo-thumbnail.jpg.
"""
import base64
import concurrent.futures
import http.client
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile

import client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BURST = 50
SLOW = """
import time

def handler(event, context):
    time.sleep(0.1)
    return event
"""


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def shown(command, **options):
    """Runs a command as a reader would type it, and shows both."""
    plain = re.compile(r"[\w@%+=:,./-]+")
    print("$ " + " ".join(part if plain.fullmatch(part) else f"'{part}'" for part in command),
          flush=True)
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, **options)
    print("".join(f"  {text}\n" for text in done.stdout.splitlines()), end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"demo: '{command[0]}' ended with {done.returncode}")
    return done.stdout


def call(endpoint, function, event):
    """One Invoke; (milliseconds as the client sees them, the REPORT line's figures, the answer)."""
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    begin = time.perf_counter()
    connection.request("POST", f"/2015-03-31/functions/{function}/invocations",
                       json.dumps(event), {"X-Amz-Log-Type": "Tail"})
    response = connection.getresponse()
    answer = response.read()
    took = (time.perf_counter() - begin) * 1000
    connection.close()
    if response.status != 200 or response.getheader("X-Amz-Function-Error"):
        sys.exit(f"demo: {function} answered {response.status}: {answer.decode()}")
    report = base64.b64decode(response.getheader("X-Amz-Log-Result")).decode()
    figures = {name: float(value) for name, value in
               re.findall(r"(Init Duration|Billed Duration|Max Memory Used): ([\d.]+)", report)}
    return took, figures, json.loads(answer)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("  " + "  ".join(str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def measure(endpoint, function, event):
    took, first, _ = call(endpoint, function, event)
    warm = [call(endpoint, function, event) for _ in range(200)]
    times = [ms for ms, _, _ in warm]
    return [function, f"{took:.1f} ms", f"{first['Init Duration']:.1f} ms",
            f"{percentile(times, .5):.2f} ms", f"{percentile(times, .99):.2f} ms",
            f"{percentile([f['Billed Duration'] for _, f, _ in warm], .5):.0f} ms",
            f"{max(f['Max Memory Used'] for _, f, _ in warm):.0f} MB"]


def zipped(folder):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py"):
                archive.write(os.path.join(folder, name), name)
    return out.getvalue()


def thumbnail(virga, build, examples):
    photo = os.path.join(examples, "thumbnail", "photo.jpg")
    event = os.path.join(virga.data, "event.json")
    with open(photo, "rb") as file, open(event, "w", encoding="utf-8") as out:
        json.dump({"image": base64.b64encode(file.read()).decode(), "width": 160}, out)
    cli = os.path.join(build, "virga")
    shown([cli, "deploy", os.path.join(examples, "thumbnail"), "--name", "thumbnail", "--memory",
           "512", "--timeout", "10", "--endpoint", virga.endpoint])
    print(f"$ virga invoke thumbnail --payload @event.json   # {os.path.getsize(photo)} bytes of JPEG")
    answer = subprocess.run([cli, "invoke", "thumbnail", "--payload", "@" + event, "--endpoint",
                             virga.endpoint], check=True, capture_output=True, text=True).stdout
    made = json.loads(answer)
    picture = base64.b64decode(made.pop("image"))
    target = os.path.join(build, "demo-thumbnail.jpg")
    with open(target, "wb") as file:
        file.write(picture)
    print(f"  {json.dumps(made)}\n  {len(picture)} bytes of JPEG -> {os.path.relpath(target)}")
    with open(event, encoding="utf-8") as file:
        return json.load(file)


def through_aws_cli(virga, examples):
    environment = dict(os.environ, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
                       AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
                       AWS_PAGER="", AWS_CONFIG_FILE="/dev/null",
                       AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    archive = os.path.join(virga.data, "hello.zip")
    with open(archive, "wb") as file:
        file.write(zipped(os.path.join(examples, "hello")))
    aws = ["/usr/bin/aws", "--endpoint-url", virga.endpoint, "lambda"]
    shown(aws + ["create-function", "--function-name", "hello", "--runtime", "python3.11",
                 "--handler", "lambda_function.lambda_handler", "--role", client.ROLE, "--zip-file",
                 "fileb://" + archive, "--query", "[FunctionArn,State,CodeSize]"], env=environment)
    answer = os.path.join(virga.data, "answer.json")
    shown(aws + ["invoke", "--function-name", "hello", "--cli-binary-format", "raw-in-base64-out",
                 "--payload", '{"name": "Virga", "premium": true}', answer], env=environment)
    with open(answer, encoding="utf-8") as file:
        print("  " + file.read())
    shown(aws + ["list-functions", "--query", "Functions[].[FunctionName,Runtime,MemorySize]",
                 "--output", "text"], env=environment)


def burst(virga):
    """Calls that take 100 ms each, from zero instances."""
    virga.create("slow", SLOW)
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(BURST) as threads:
        calls = list(threads.map(lambda n: call(virga.endpoint, "slow", n), range(BURST)))
    took = (time.perf_counter() - begin) * 1000
    for number, (_, _, answer) in enumerate(calls):
        if answer != number:
            sys.exit(f"demo: call {number} got another call's answer: {answer}")
    cold = sum("Init Duration" in figures for _, figures, _ in calls)
    print(f"  {BURST} parallel calls of 100 ms each answered in {took:.0f} ms, each its own caller: "
          f"{cold} by new instances, {BURST - cold} by warm ones")


def main(build):
    begin = time.monotonic()
    examples = os.path.join(ROOT, "examples")
    virga = client.Server(build)
    try:
        say(f"Virga is up after {virga.ready_ms:.0f} ms")
        say("An image function, deployed with Virga's own command line")
        event = thumbnail(virga, build, examples)
        say("The same API through the real AWS CLI")
        through_aws_cli(virga, examples)
        say(f"A burst of {BURST} calls")
        burst(virga)
        say("What calls cost (client's view; init as the platform measured it)")
        cli = os.path.join(build, "virga")
        for name in ("hello", "thumbnail"):  # a new configuration: the next call is a cold one
            subprocess.run([cli, "deploy", os.path.join(examples, name), "--name", name,
                            "--memory", "1769", "--endpoint", virga.endpoint], check=True,
                           capture_output=True)
        table([["function", "cold", "of it init", "warm p50", "warm p99", "billed p50", "memory"],
               measure(virga.endpoint, "hello", {"name": "Virga"}),
               measure(virga.endpoint, "thumbnail", event)])
    finally:
        virga.stop()
    say(f"Done in {time.monotonic() - begin:.0f} s; nothing is left running.")


if __name__ == "__main__":
    main(sys.argv[1])
