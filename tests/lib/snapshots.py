"""What the tests of functions with snapshots share: a server that takes them, calls, and waits."""
import base64
import contextlib
import json
import threading

import server


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
                with contextlib.closing(self.server.client()) as client:
                    answers.append(self.call(name, event, client))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        return answers

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
