"""Images of snapshots outlive the server, are never used when what they depend on has changed or
they are damaged, and go with their function."""
import base64
import contextlib
import glob
import importlib.machinery
import json
import os
import shutil
import stat
import subprocess
import sysconfig
import unittest

import server

SOURCE = """
import json, os, time
table = {str(i): i for i in range(2000)}
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return [table["1999"], os.environ.get("KEY"), os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]]
"""
PAGE = 4096


class KeptTest(unittest.TestCase):
    """A server of each test's own, which it stops, kills and starts."""

    def setUp(self):
        self.start("")

    def start(self, *options):
        self.server = server.Server(*[option for option in options if option])
        self.addCleanup(self.server.remove)
        self.addCleanup(lambda: self.server.stop())
        self.folder = os.path.join(self.server.data, "data", "snapshots")

    def restart(self, how="stop", change=lambda: None):
        self.server.stop() if how == "stop" else self.server.kill()
        change()
        self.server.start()

    def create(self, name, source=SOURCE, **options):
        with contextlib.closing(self.server.client()) as client:
            server.python_function(client, name, source, **options)

    def call(self, name, event=None):
        """(answer, the log's tail); without an error."""
        with contextlib.closing(self.server.client()) as client:
            answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail")
        payload = json.load(answer["Payload"])
        self.assertNotIn("FunctionError", answer, payload)
        return payload, base64.b64decode(answer["LogResult"]).decode()

    def delete(self, name):
        with contextlib.closing(self.server.client()) as client:
            client.delete_function(FunctionName=name)

    def images(self):
        """The files of images, by path."""
        return sorted(glob.glob(os.path.join(self.folder, "*.????????????????")))

    def wait_for_snapshot(self, name, times=1):
        server.wait_until(
            lambda: self.server.log_text().count(f'msg="snapshot taken" fn={name} ') >= times,
            "a snapshot", 60)

    def image_of(self, name, source=SOURCE, **options):
        """Creates the function, calls it, and waits for the file of its image."""
        before = set(self.images())
        self.create(name, source, **options)
        self.call(name)
        self.wait_for_snapshot(name)
        (path,) = set(self.images()) - before
        return path


class Restarts(KeptTest):
    def test_the_first_call_after_a_start_is_a_restore(self):
        path = self.image_of("f", Environment={"Variables": {"KEY": "secret"}})
        self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o700)
        status = os.stat(path)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_nlink), (0o600, 1))
        streams = set()
        for how in ("stop", "kill", "stop"):
            with self.subTest(how):
                self.restart(how)
                payload, tail = self.call("f")
                self.assertIn("Restore Duration", tail)
                self.assertEqual(payload[:2], [1999, "secret"])
                streams.add(payload[2])
        self.assertEqual(len(streams), 3)
        self.assertEqual(self.images(), [path])

    def test_a_version_with_snap_start_is_on_at_once(self):
        self.create("s", SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        self.wait_for_snapshot("s")
        self.restart("kill")
        with contextlib.closing(self.server.client()) as client:
            shown = client.get_function_configuration(FunctionName="s", Qualifier="1")
        self.assertEqual((shown["State"], shown["SnapStart"]["OptimizationStatus"]), ("Active", "On"))
        self.assertIn("Restore Duration", self.call("s:1")[1])

    def test_a_server_that_is_killed_at_it_leaves_no_half_image(self):
        # Large enough to be at it for a while.
        source = "table = [str(i) for i in range(700000)]\ndef handler(event, context): return len(table)\n"
        self.create("large", source, MemorySize=512, Timeout=60, SnapStart={"ApplyOn": "PublishedVersions"})
        for _ in range(4):
            with contextlib.closing(self.server.client()) as client:
                client.update_function_configuration(FunctionName="large", Description=os.urandom(4).hex())
                version = client.publish_version(FunctionName="large")["Version"]
                self.assertEqual(client.get_function_configuration(
                    FunctionName="large", Qualifier=version)["State"], "Pending")
            self.restart("kill")
            for path in self.images():
                with open(path, "rb") as file:
                    file.seek(-PAGE, os.SEEK_END)
                    self.assertEqual(file.read(8), b"VRGASEAL")
        self.assertEqual(self.call("large")[0], 700000)


class Ends(KeptTest):
    def wait_for_none(self):
        server.wait_until(lambda: not self.images(), "the end of the image")

    def test_they_go_with_their_function(self):
        self.image_of("f")
        self.delete("f")
        self.wait_for_none()
        first = self.image_of("g")
        with contextlib.closing(self.server.client()) as client:
            client.update_function_configuration(FunctionName="g", Environment={"Variables": {"KEY": "2"}})
        self.wait_for_none()
        self.assertEqual(self.call("g")[0][1], "2")
        self.wait_for_snapshot("g", 2)
        self.assertNotEqual(self.images(), [first])
        subprocess.run([server.VIRGA, "snapshot", "drop", "g", "--endpoint", self.server.endpoint],
                       check=True, capture_output=True, env={**os.environ, **server.CLIENT_ENVIRONMENT})
        self.wait_for_none()

    def test_what_nobody_wants_is_swept_at_the_start(self):
        path = self.image_of("f")
        stale = os.path.join(self.folder, "0" * 64 + ".0123456789abcdef")
        twin = path.rsplit(".", 1)[0] + ".ffffffffffffffff"
        self.restart("stop", lambda: (shutil.copy2(path, stale), shutil.copy2(path, twin)))
        server.wait_until(lambda: len(self.images()) == 1, "the sweep")
        self.assertEqual(self.call("f")[0][0], 1999)

    def test_switched_off_none_is_left(self):
        self.image_of("f")
        self.server.options += ["--snapshots", "off"]
        self.restart()
        self.wait_for_none()
        self.assertEqual(self.call("f")[0][0], 1999)

    def test_the_disk_is_not_filled(self):
        self.server.options += ["--snapshot-limit", "8"]
        self.restart()
        first = self.image_of("f")  # about 5 MB each
        self.create("g")
        self.call("g")
        self.wait_for_snapshot("g")
        server.wait_until(lambda: first not in self.images(), "the end of the least used image")
        self.assertEqual(len(self.images()), 1)


class Damages(KeptTest):
    def check(self, what, damage):
        """An image that is damaged while no server runs is not used, and another one is made."""
        with self.subTest(what):
            (path,) = self.images()
            self.restart("stop", lambda: damage(path))
            self.assertEqual(self.call("f")[0][0], 1999)
            self.wait_for_snapshot("f")
            server.wait_until(lambda: len(self.images()) == 1 and self.images() != [path], "a new image")

    def test_they_harm_nobody(self):
        def flip(at):
            def damage(path):
                with open(path, "r+b") as file:
                    place = at if at >= 0 else os.path.getsize(path) + at
                    file.seek(place)
                    old = file.read(1)
                    file.seek(place)
                    file.write(bytes([old[0] ^ 0x40]))
            return damage

        def garbage(path):
            with open(path, "r+b") as file:
                file.write(os.urandom(os.path.getsize(path)))

        self.image_of("f")
        self.check("header", flip(8))
        self.check("tables", flip(200))
        self.check("a page", flip(-40 * PAGE))
        self.check("seal", flip(-PAGE + 9))
        self.check("garbage", garbage)
        self.check("cut", lambda path: os.truncate(path, os.path.getsize(path) // 2 // PAGE * PAGE))
        self.check("empty", lambda path: os.truncate(path, 0))

    def test_a_file_that_was_mapped_is_another_one(self):
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        library = os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload", "_lsprof" + suffix)
        with open(library, "rb") as file:
            content = file.read()
        with contextlib.closing(self.server.client()) as client:
            client.create_function(
                FunctionName="c", Runtime=server.PYTHON_ID, Role=server.ROLE, Handler="f.handler",
                Code={"ZipFile": server.zip_of({
                    "f.py": "import _lsprof\ndef handler(event, context): return _lsprof.__file__\n",
                    "_lsprof" + suffix: content})})
        self.assertIn("/var/task/", self.call("c")[0])
        self.wait_for_snapshot("c")
        self.restart()
        self.assertIn("Restore Duration", self.call("c")[1])

        def replace():
            (path,) = glob.glob(os.path.join(self.server.data, "data", "**", "_lsprof" + suffix),
                                recursive=True)
            shutil.copy2(path, path + ".new")
            os.replace(path + ".new", path)

        old = self.images()
        self.restart("stop", replace)
        payload, tail = self.call("c")
        self.assertIn("/var/task/", payload)
        self.assertNotIn("Restore Duration", tail)
        self.assertIn('msg="restore failed, starting from scratch"', self.server.log_text())
        self.wait_for_snapshot("c")
        self.assertNotEqual(self.images(), old)


if __name__ == "__main__":
    unittest.main()
