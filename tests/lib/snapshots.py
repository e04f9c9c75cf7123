"""What the tests of functions with snapshots share: a server that takes them, calls, and waits."""
import base64
import json
import os
import subprocess
import threading

import server


def bundle(size):
    """A module as bundlers write them: many functions, most of which run once at load."""
    parts, total = [], 0
    for number in range(10000):
        part = (f"const m{number} = (() => {{ const table = {{ name: 'module {number}', list: [{number}, 1, 2] }};\n"
                f"  function first(a, b) {{ if (a > b) return a - b; return table.list.map((x) => x * a + b); }}\n"
                f"  class Thing {{ constructor(x) {{ this.x = x; }} get twice() {{ return this.x * 2; }} }}\n"
                f"  return {{ first, Thing, value: new Thing({number}).twice + table.list[0] }}; }})();\n")
        parts.append(part)
        total += len(part)
        if total >= size:
            break
    names = ", ".join(f"m{number}" for number in range(len(parts)))
    return "".join(parts) + f"const all = [{names}];\n", sum(3 * number for number in range(len(parts)))


class SnapshotTest(server.ServerTest):
    def counts(self):
        return self.server.health()["snapshots"]

    def call(self, name, event=None, client=None):
        """(payload, error or None, the log's tail)."""
        answer = (client or self.client).invoke(
            FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail")
        tail = base64.b64decode(answer["LogResult"]).decode()
        return json.load(answer["Payload"]), answer.get("FunctionError"), tail

    def burst(self, name, number, event):
        """So many calls at a time, each answer with its log."""
        answers, failures = [], []

        def run():
            try:
                answers.append(self.call(name, event))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        return answers

    def virga(self, *arguments):
        return subprocess.run(
            [server.VIRGA, *arguments, "--endpoint", self.server.endpoint], check=True, text=True,
            capture_output=True, env={**os.environ, **server.CLIENT_ENVIRONMENT}).stdout

    def wait_for_snapshot(self, name):
        server.wait_until(lambda: f'msg="snapshot taken" fn={name} ' in self.server.log_text(),
                          "a snapshot", 60)

    def wait_for_refusal(self, name):
        """The reason in the log that the function has no snapshot."""
        found = []

        def look():
            lines = [line for line in self.server.log_text().splitlines()
                     if 'msg="no snapshot"' in line and f"fn={name} " in line]
            found[:] = lines
            return lines

        server.wait_until(look, "a reason")
        return found[0]
