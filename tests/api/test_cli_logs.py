"""`virga logs`: the output of functions, merged, filtered, followed."""
import json
import os
import pty
import re
import subprocess
import threading
import unittest
import urllib.request

from server import ServerTest, VIRGA, python_function, wait_until

SOURCE = """
import time
def handler(event, context):
    for word in event["say"]:
        print(word)
    time.sleep(event.get("sleep", 0))
    return 1
"""


class Logs(ServerTest):
    def environment(self):
        return {"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint}

    def logs(self, *arguments, code=0):
        done = subprocess.run([VIRGA, "logs", *arguments], capture_output=True, text=True,
                              timeout=60, check=False, env=self.environment())
        self.assertEqual(done.returncode, code, done)
        return done.stdout, done.stderr

    def say(self, name, *words, **more):
        self.client.invoke(FunctionName=name, Payload=json.dumps({"say": words, **more}))

    def wait_for(self, name, text):
        """Output is written within 50 ms of being printed, and the call does not wait for it."""
        wait_until(lambda: text in self.logs(name)[0], f"{text} in the log of {name}")

    def test_one_function_in_order(self):
        python_function(self.client, "ordered", SOURCE, Timeout=20)
        threads = [threading.Thread(target=self.say, args=("ordered", f"a{i}", f"b{i}"),
                                    kwargs={"sleep": 0.2}) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: self.logs("ordered")[0].count("REPORT") == 4, "four reports")
        out, err = self.logs("ordered")
        self.assertEqual(err, "")
        times = [line[:24] for line in out.splitlines()]
        for at in times:
            self.assertRegex(at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(times, sorted(times))
        for i in range(4):
            self.assertEqual(len(re.findall(rf"(?m)^\S+  a{i}$", out)), 1)
        events = [json.loads(line) for line in self.logs("ordered", "--json")[0].splitlines()]
        self.assertEqual(len(events), len(times))
        self.assertEqual(len({event["logStreamName"] for event in events}), 4)
        self.assertEqual({event["logGroupName"] for event in events}, {"/aws/lambda/ordered"})

    def test_all_functions(self):
        for name in ("first", "second"):
            python_function(self.client, name, SOURCE)
            self.say(name, f"I am {name}")
        for name in ("first", "second"):
            self.wait_for(name, f"I am {name}")
        out, _ = self.logs()
        self.assertRegex(out, r"(?m)^\S+  first  I am first$")
        self.assertRegex(out, r"(?m)^\S+  second  I am second$")

    def test_many_pages(self):
        python_function(self.client, "many", SOURCE)
        words = [f"line {i} " + "x" * 900 for i in range(3000)]  # 1 MB is a page
        self.say("many", *words)
        self.wait_for("many", "REPORT")
        out, _ = self.logs("many", "--filter", "line")
        self.assertEqual([line[26:] for line in out.splitlines()], words)

    def test_what_is_wanted(self):
        python_function(self.client, "wanted", SOURCE)
        self.say("wanted", "apple pie", "plum", "apple core")
        self.wait_for("wanted", "REPORT")
        out, _ = self.logs("wanted", "--filter", "apple -core")
        self.assertEqual([line[26:] for line in out.splitlines()], ["apple pie"])
        out, err = self.logs("wanted", "--since", "2099-01-01T00:00:00Z")
        self.assertEqual((out, err), ("", "virga logs: nothing since 2099-01-01T00:00:00Z (see "
                                          "--since)\n"))
        self.assertIn("apple pie", self.logs("wanted", "--since", "1d")[0])
        self.assertIn("apple pie", self.logs("/aws/lambda/wanted")[0])
        for wrong in ("10", "ten", "5w", "m", "-5m", ""):
            _, err = self.logs("wanted", "--since=" + wrong, code=2)
            self.assertIn("--since wants", err)
        _, err = self.logs("wanted", "--filter", "{ bad", code=3)
        self.assertIn("InvalidParameterException", err)
        self.assertIn("nothing since", self.logs("never-was")[1])

    def test_a_group_of_its_own(self):
        python_function(self.client, "grouped", SOURCE)
        urllib.request.urlopen(urllib.request.Request(  # older boto3 does not know LoggingConfig
            self.server.endpoint + "/2015-03-31/functions/grouped/configuration", method="PUT",
            data=b'{"LoggingConfig": {"LogGroup": "/my/group"}}'), timeout=20).close()
        self.say("grouped", "elsewhere")
        self.wait_for("grouped", "elsewhere")

    def test_following(self):
        """What is printed later appears, once, also of functions that are new."""
        process = subprocess.Popen([VIRGA, "logs", "-f", "--filter", "tick"],
                                   stdout=subprocess.PIPE, text=True, env=self.environment())
        try:
            seen = []
            for i in range(5):
                name = f"ticks{i % 2}"
                if i < 2:
                    python_function(self.client, name, SOURCE)
                self.say(name, f"tick {i}")
                line = process.stdout.readline()
                seen.append(line.split("  ", 1)[1])
            self.assertEqual(seen, [f"ticks{i % 2}  tick {i}\n" for i in range(5)])
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=20)
        self.assertEqual(rest, "")

    def test_a_terminal_is_not_driven(self):
        python_function(self.client, "escapes", SOURCE)
        self.say("escapes", "red \033[31m and \u009b2J title", "ünïcode ¿¡\ttab")
        self.wait_for("escapes", "REPORT")
        main, other = pty.openpty()
        process = subprocess.Popen([VIRGA, "logs", "escapes"], stdout=other,
                                   env=self.environment())
        os.close(other)
        text = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            text += part
        os.close(main)
        self.assertEqual(process.wait(20), 0)
        self.assertIn("red ^[[31m and <9b>2J title", text.decode())
        self.assertIn("ünïcode ¿¡\ttab", text.decode())
        self.assertIn("red \033[31m", self.logs("escapes")[0])

    def test_boto3_sees_the_same(self):
        python_function(self.client, "same", SOURCE)
        self.say("same", "one", "two")
        self.wait_for("same", "REPORT")
        events = self.server.client("logs").filter_log_events(
            logGroupName="/aws/lambda/same")["events"]
        ours = [json.loads(line)["message"] for line in self.logs("same", "--json")[0].splitlines()]
        self.assertEqual(ours, [event["message"] for event in events])


if __name__ == "__main__":
    unittest.main()
