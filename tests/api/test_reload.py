"""Hot reload: after new code has been accepted no call runs old code, under load and in instances that
were warm; a change of a file is served within a second."""
import os
import subprocess
import tempfile
import threading
import time
import unittest

import botocore.exceptions

from server import Server, VIRGA, python_function, wait_until, zip_of

SOURCE = "def handler(event, context):\n    return {}\n"
CALLERS = 6


class Load:
    """Callers that never pause. Each notes when a call began, when it ended, and what it answered."""

    def __init__(self, server, name):
        self.calls, self.errors, self.is_over = [], [], False
        self.threads = [threading.Thread(target=self.run, args=(server.client(), name))
                        for _ in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def run(self, client, name):
        while not self.is_over:
            begin = time.monotonic()
            try:
                answer = client.invoke(FunctionName=name)
            except botocore.exceptions.ClientError as error:
                self.errors.append(error)
                return
            self.calls.append((begin, time.monotonic(), int(answer["Payload"].read())))

    def has_answered(self, version):
        return any(call[2] == version for call in self.calls[-50:])

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


class Reload(unittest.TestCase):
    def assert_never_stale(self, load, accepted):
        """accepted: {version: (asked, answered)} of each change."""
        self.assertEqual(load.errors, [])
        for begin, end, version in load.calls:
            newest = max((v for v, (_, answered) in accepted.items() if answered < begin), default=0)
            self.assertGreaterEqual(version, newest, "an old version after a new one was accepted")
            self.assertTrue(version == 0 or accepted[version][0] < end, "from the future")
        self.assertEqual(load.calls[-1][2], max(accepted))

    def test_updates_under_load(self):
        for options in ((), ("--loops", "2")):
            with self.subTest(options=options), Server(*options) as server:
                client = server.client()
                python_function(client, "hot", SOURCE.format(0))
                load = Load(server, "hot")
                accepted = {}
                try:
                    wait_until(lambda: load.has_answered(0), "the first version")
                    for version in range(1, 11):
                        package = zip_of({"f.py": SOURCE.format(version)})
                        asked = time.monotonic()
                        client.update_function_code(FunctionName="hot", ZipFile=package)
                        accepted[version] = (asked, time.monotonic())
                        wait_until(lambda v=version: load.has_answered(v), f"version {version}")
                finally:
                    load.stop()
                self.assert_never_stale(load, accepted)

    def test_watch_under_load(self):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "handler.py")

            def write(version):
                with open(path + ".new", "w", encoding="ascii") as file:
                    file.write(SOURCE.format(version))
                os.replace(path + ".new", path)

            write(0)
            process = subprocess.Popen(
                [VIRGA, "deploy", folder, "--name", "watched", "--watch"], stdout=subprocess.PIPE,
                text=True, env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": server.endpoint})
            try:
                while "curl" not in process.stdout.readline():
                    pass
                load = Load(server, "watched")
                accepted = {}
                try:
                    for version in range(1, 6):
                        asked = time.monotonic()
                        write(version)
                        self.assertIn("updated watched", process.stdout.readline())
                        accepted[version] = (asked, time.monotonic())
                        wait_until(lambda v=version: load.has_answered(v), f"version {version}")
                finally:
                    load.stop()
            finally:
                process.terminate()
                process.communicate(timeout=20)
            self.assert_never_stale(load, accepted)
            # The fastest of five: a busy machine may hold one up, but not all of them.
            first = [min(end for _, end, v in load.calls if v == version) - accepted[version][0]
                     for version in accepted]
            self.assertLess(min(first), 1)


if __name__ == "__main__":
    unittest.main()
