"""Names inside a sandbox: what ends in "localhost" is the sandbox itself, in every language, in processes
that were started and in those that were copied; the rest is not there, and that is told at once.
(A static program asks in tests/sandbox; names of the internet in test_network.py.)"""
import subprocess
import tempfile
import unittest

from server import ROLE, python_function, zip_of
from snapshots import SnapshotTest

PYTHON = '''
import os, socket, time
AT_INIT = [socket.gethostbyname("init.s3.localhost"), socket.gethostbyname("sandbox")]
def asked(name, family=0):
    try:
        return sorted({a[4][0] for a in socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return error.errno
def handler(event, context):
    began = time.monotonic()
    found = {name: asked(name) for name in event["names"]}
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, int(port)))  # only so would a refusal be told
        sent = sum(s.send(b"trace") for _ in range(1000))
    return {"init": AT_INIT, "six": asked("x.localhost", socket.AF_INET6), "found": found, "sent": sent,
            "is_fast": time.monotonic() - began < 4, "noname": socket.EAI_NONAME, "nodata": socket.EAI_NODATA}
'''
NODE = '''
const dns = require('dns').promises, dgram = require('dgram');
const soften = (promise) => promise.catch((error) => error.code);
exports.handler = async () => {
  const [host, port] = process.env.AWS_XRAY_DAEMON_ADDRESS.split(':');
  const socket = dgram.createSocket('udp4');
  await new Promise((done) => socket.connect(Number(port), host, done));
  for (let i = 0; i < 100; i++)
    await new Promise((done, failed) => socket.send('trace', (error) => error ? failed(error) : done()));
  socket.close();
  return {
    lookup: (await dns.lookup('bucket.s3.localhost')).address,
    all: (await dns.lookup('a.b.localhost', { all: true })).map((found) => found.address),
    resolve4: await dns.resolve4('bucket.s3.localhost'),
    resolve6: await soften(dns.resolve6('bucket.s3.localhost')),
    nowhere: await soften(dns.lookup('nowhere.example')),
    resolved: await soften(dns.resolve4('nowhere.example')),
  };
};
'''
RUBY = '''
require 'socket'
require 'resolv'
def handler(event:, context:)
  [Addrinfo.getaddrinfo('bucket.s3.localhost', 80, nil, :STREAM).map(&:ip_address),
   Resolv::DNS.open { |dns| dns.getaddress('other.localhost').to_s }]
end
'''
JAVA = '''
package names;
import java.net.InetAddress;
public class App {
    public String handler(Object event) throws Exception {
        StringBuilder out = new StringBuilder();
        for (InetAddress address : InetAddress.getAllByName("bucket.s3.localhost"))
            out.append(address.getHostAddress());
        try {
            InetAddress.getByName("nowhere.example");
        } catch (java.net.UnknownHostException expected) {
            out.append(" unknown");
        }
        return out.toString();
    }
}
'''
NAMES = ["localhost", "bucket.s3.localhost", "Deep.Down.LOCALHOST", "sandbox.localdomain", "nowhere.example",
         "example.com", "localhost.example"]


class Names(SnapshotTest):
    def make(self, name, runtime, handler, files, **options):
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Timeout=20,
                                    Code={"ZipFile": zip_of(files)}, MemorySize=512, **options)

    def answer(self, name, event=None):
        payload, error, tail = self.call(name, event)
        self.assertIsNone(error, f"{payload} {tail}")
        return payload, tail

    def check_python(self, payload):
        noname = payload["noname"]
        here = ["127.0.0.1"]
        self.assertEqual({**payload, "found": None}, {
            "init": ["127.0.0.1"] * 2, "six": payload["nodata"], "found": None, "sent": 5000, "is_fast": True,
            "noname": noname, "nodata": payload["nodata"]})
        localhost = payload["found"].pop("localhost")
        self.assertIn(localhost, (here, ["127.0.0.1", "::1"]))
        self.assertEqual(payload["found"], {
            "bucket.s3.localhost": here, "Deep.Down.LOCALHOST": here, "sandbox.localdomain": here,
            "nowhere.example": noname, "example.com": noname, "localhost.example": noname})

    def test_python_started_and_copied(self):
        python_function(self.client, "python", PYTHON, MemorySize=512, Timeout=20)
        payload, tail = self.answer("python", {"names": NAMES})
        self.check_python(payload)
        self.assertIn("Init Duration", tail)
        self.wait_for_snapshot("python")  # whose template resolved its names, too
        restored = 0
        for payload, error, tail in self.burst("python", 8, {"names": NAMES}):
            self.assertIsNone(error, f"{payload} {tail}")
            self.check_python(payload)
            restored += "Restore Duration" in tail
        self.assertGreater(restored, 0)

    def test_node(self):
        self.make("node", "nodejs20.x", "index.handler", {"index.js": NODE})
        payload, _ = self.answer("node")
        self.assertEqual(payload, {
            "lookup": "127.0.0.1", "all": ["127.0.0.1"], "resolve4": ["127.0.0.1"], "resolve6": "ENODATA",
            "nowhere": "ENOTFOUND", "resolved": "ENOTFOUND"})

    def test_ruby(self):
        self.make("ruby", "ruby3.2", "app.handler", {"app.rb": RUBY})
        self.assertEqual(self.answer("ruby")[0], [["127.0.0.1"], "127.0.0.1"])

    def test_java(self):
        with tempfile.TemporaryDirectory() as out:
            with open(f"{out}/App.java", "w", encoding="ascii") as file:
                file.write(JAVA)
            subprocess.run(["javac", "--release", "11", "-d", out, f"{out}/App.java"], check=True)
            with open(f"{out}/names/App.class", "rb") as file:
                self.make("java", "java17", "names.App::handler", {"names/App.class": file.read()})
        self.assertEqual(self.answer("java")[0], "127.0.0.1 unknown")


if __name__ == "__main__":
    unittest.main()
