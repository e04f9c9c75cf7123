"""kill -9 at any moment under load: every acknowledged function is there and works afterwards, and
nothing of the killed server is left."""
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import unittest

import botocore.exceptions

from server import Server, cgroups_left, cgroups_of, children_of, python_function, wait_until, zip_of

ROUNDS = int(os.environ.get("VIRGA_CRASH_ROUNDS", "5"))
SOURCE = "NUMBER = {}\n\ndef handler(event, context):\n    return [NUMBER, event]\n"
HANGS = "import signal\n\ndef handler(event, context):\n    signal.pause()\n"
COLLECTS = """
seen = []

def handler(event, context):
    if event == "read":
        return seen
    seen.append(event)
"""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Load:
    """Threads that create, update, delete and call functions until the server dies. state holds what
    was acknowledged: name -> number, None deleted; `unsure` are those with a call under way."""

    def __init__(self, server, seed, threads=4):
        self.server, self.state, self.unsure = server, {}, set()
        self.acknowledged = 0
        self.progress = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(seed * 100 + n, n))
                        for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, seed, thread):
        dice, client = random.Random(seed), self.server.client()
        number = 0
        while True:
            number += 1
            name = f"f-{thread}-{dice.randrange(6)}"
            self.unsure.add(name)
            try:
                self.step(client, dice, name, number)
            except botocore.exceptions.ClientError as error:
                raise AssertionError(f"{name}: {error}") from error
            except botocore.exceptions.BotoCoreError:
                return  # the server died
            self.unsure.discard(name)
            self.acknowledged += 1
            if self.acknowledged > 40:
                self.progress.set()

    def step(self, client, dice, name, number):
        if self.state.get(name) is None:
            python_function(client, name, SOURCE.format(number))
            self.state[name] = number
        elif dice.random() < 0.2:
            client.delete_function(FunctionName=name)
            self.state[name] = None
        elif dice.random() < 0.5:
            client.update_function_code(FunctionName=name,
                                        ZipFile=zip_of({"f.py": SOURCE.format(number)}))
            self.state[name] = number
        else:
            answer = client.invoke(FunctionName=name, Payload=b'"x"')
            assert json.load(answer["Payload"]) == [self.state[name], "x"]

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


class KillTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="virga-crash-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def check(self, server, load):
        client = server.client()
        listed = {f["FunctionName"] for page in client.get_paginator("list_functions").paginate()
                  for f in page["Functions"]}
        for name, number in load.state.items():
            if name in load.unsure:
                continue
            self.assertEqual(name in listed, number is not None, name)
            if number is not None:
                answer = json.load(client.invoke(FunctionName=name, Payload=b"1")["Payload"])
                self.assertEqual(answer, [number, 1], name)
        for name in load.unsure & listed:  # either outcome, but a whole one
            answer = client.invoke(FunctionName=name, Payload=b"1")
            self.assertNotIn("FunctionError", answer, name)

    def test_acknowledged_functions_survive(self):
        for seed in range(ROUNDS):
            with self.subTest(seed=seed):
                data = os.path.join(self.folder, str(seed))
                server = Server(data=data)
                load = Load(server, seed)
                self.assertTrue(load.progress.wait(60), "no progress")
                family = children_of(server.pid)
                groups = cgroups_of(family)
                self.assertTrue(groups)
                server.kill()
                load.join()
                wait_until(lambda: not any(map(is_alive, family)), "processes of the killed server")
                server.start()
                self.check(server, load)
                server.stop()
                self.assertEqual(cgroups_left(groups), [])

    def test_acknowledged_events_are_executed(self):
        """The first event hangs in the only instance, the others wait for it; then all is killed."""
        server = Server("--async-retry", "60", data=os.path.join(self.folder, "events"))
        client = server.client()
        python_function(client, "f", HANGS, Timeout=3)
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
        for number in range(20):
            client.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps(number))
        family = children_of(server.pid)
        server.kill()
        wait_until(lambda: not any(map(is_alive, family)), "processes of the killed server")
        server.start()
        client = server.client()
        client.update_function_code(FunctionName="f", ZipFile=zip_of({"f.py": COLLECTS}))
        def collected():
            try:
                return set(json.load(client.invoke(FunctionName="f", Payload=b'"read"')["Payload"]))
            except client.exceptions.TooManyRequestsException:
                return set()  # an event is running
        wait_until(lambda: collected() == set(range(20)), "all events", seconds=40)
        server.stop()

    def test_the_spawner_may_be_killed_too(self):
        server = Server(data=os.path.join(self.folder, "both"))
        python_function(server.client(), "f", SOURCE.format(7))
        server.client().invoke(FunctionName="f", Payload=b"1")
        family = children_of(server.pid)
        groups = cgroups_of(family)
        self.assertTrue(groups)
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # an instance that went with the spawner
        server.kill()
        wait_until(lambda: not any(map(is_alive, family)), "processes of the killed server")
        server.start()
        answer = server.client().invoke(FunctionName="f", Payload=b"1")
        self.assertEqual(json.load(answer["Payload"]), [7, 1])
        server.stop()
        self.assertEqual(cgroups_left(groups), [])


if __name__ == "__main__":
    unittest.main()
