"""`virga invoke --stream`: the answer's bytes as the function sends them."""
import json
import os
import subprocess
import unittest

from server import ROLE, ServerTest, VIRGA, zip_of

SOURCE = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('first ');
  if (event.gate) {
    await new Promise((resolve) => setTimeout(resolve, event.gate));
  }
  if (event.fail) throw new Error('as asked');
  if (event.bytes) stream.write(Buffer.from([0, 255, 10]));
  stream.write('x'.repeat(event.size ?? 0));
  stream.end('last');
});
"""


class Stream(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client.create_function(
            FunctionName="streams", Runtime="nodejs20.x", Role=ROLE, Handler="f.handler",
            Code={"ZipFile": zip_of({"f.js": SOURCE})}, MemorySize=256, Timeout=20)

    def begin(self, event, *options, name="streams"):
        return subprocess.Popen(
            [VIRGA, "invoke", name, "--stream", "--payload", json.dumps(event), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint})

    def invoke(self, event, *options, code=0, name="streams"):
        process = self.begin(event, *options, name=name)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, (out[-200:], err))
        return out, err.decode()

    def test_bytes(self):
        self.assertEqual(self.invoke({}), (b"first last", ""))
        self.assertEqual(self.invoke({"bytes": True})[0], b"first \0\xff\nlast")
        out, _ = self.invoke({"size": 5_000_000})
        self.assertEqual(out, b"first " + b"x" * 5_000_000 + b"last")

    def test_they_come_at_once(self):
        process = self.begin({"gate": 3000})
        self.assertEqual(os.read(process.stdout.fileno(), 100), b"first ")
        self.assertIsNone(process.poll())  # the function still waits
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err), (0, b"last", b""))

    def test_tail_and_timing(self):
        _, err = self.invoke({}, "--tail", "--timing")
        self.assertIn("REPORT RequestId: ", err)
        self.assertRegex(err, r"(?m)^first +[\d.]+ ms$")
        self.assertRegex(err, r"(?m)^billed +\d+ ms$")

    def test_failures(self):
        out, err = self.invoke({"fail": True}, code=1)
        self.assertEqual(out, b"first ")
        self.assertIn("the function failed: ", err)
        self.assertIn("as asked", err)
        self.assertIn("ResourceNotFoundException", self.invoke({}, code=3, name="nobody")[1])
        self.assertIn("--json does not fit", self.invoke({}, "--json", code=2)[1])


if __name__ == "__main__":
    unittest.main()
