"""The command line against a server that wants signatures."""
import json
import os
import subprocess
import tempfile
import unittest

from server import ServerTest, VIRGA

SOURCE = "def handler(event, context):\n    return event\n"


class SignedTest(ServerTest):
    dev = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="virga-test-signed-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.variables = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), cls.server.root_key))

    def virga(self, *arguments, code=0, **environment):
        done = subprocess.run(
            [VIRGA, *arguments], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint, **environment})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stdout, done.stderr

    def test_keys_of_the_environment(self):
        folder = os.path.join(self.folder.name, "signed")
        os.makedirs(folder)
        with open(os.path.join(folder, "handler.py"), "w", encoding="utf-8") as file:
            file.write(SOURCE)
        self.virga("deploy", folder, **self.variables)
        out, _ = self.virga("invoke", "signed", "--payload", '{"a": [1, "ü"]}', **self.variables)
        self.assertEqual(json.loads(out), {"a": [1, "ü"]})
        self.assertIn("signed", self.virga("list", **self.variables)[0])
        self.virga("deploy", folder, "--memory", "256", **self.variables)
        out, _ = self.virga("describe", "signed", **self.variables)
        self.assertRegex(out, r"(?m)^memory +256 MB$")
        shown = json.loads(self.virga("describe", "signed", "--json", **self.variables)[0])
        self.assertEqual(shown["Configuration"]["Handler"], "handler.handler")
        self.virga("delete", "signed", **self.variables)
        _, err = self.virga("describe", "signed", code=3, **self.variables)
        self.assertIn("ResourceNotFoundException", err)

    def test_keys_of_the_line(self):
        line = ["--access-key", self.variables["AWS_ACCESS_KEY_ID"],
                "--secret-key", self.variables["AWS_SECRET_ACCESS_KEY"]]
        self.virga("list", *line, AWS_ACCESS_KEY_ID="other", AWS_SECRET_ACCESS_KEY="wrong")
        _, err = self.virga("list", *line[:2], code=2)
        self.assertIn("belong together", err)

    def test_the_root_key_of_the_data_directory(self):
        self.virga("list", "--data", self.server.data)
        _, err = self.virga("list", "--data", self.folder.name, code=2)
        self.assertIn("root-key", err)

    def deploy_and_run_hints(self, *options, **environment):
        """The printed lines, as a person would paste them."""
        folder = os.path.join(self.folder.name, "hints")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "handler.py"), "w", encoding="utf-8") as file:
            file.write(SOURCE)
        out, _ = self.virga("deploy", folder, *options, **environment)
        lines = [line for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(len(lines), 2)
        for line in lines:
            done = subprocess.run(
                ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False,
                env={"PATH": os.path.dirname(VIRGA) + ":/usr/bin:/bin",
                     "VIRGA_ENDPOINT": self.server.endpoint, **environment})
            self.assertEqual((done.returncode, done.stdout.strip()), (0, "{}"), (line, done.stderr))

    def test_hints_work(self):
        self.deploy_and_run_hints(**self.variables)
        self.deploy_and_run_hints("--data", self.server.data)
        self.deploy_and_run_hints("--data", self.server.data, "--endpoint",
                                  self.server.endpoint.replace("http:", "https:"))

    def test_https(self):
        secure = self.server.endpoint.replace("http:", "https:")
        cert = os.path.join(self.server.data, "data", "tls", "cert.pem")
        _, err = self.virga("list", "--endpoint", secure, code=3, **self.variables)
        self.assertIn("certificate is not trusted", err)
        self.assertIn("--insecure", err)
        for options in (["--data", self.server.data], ["--ca", cert], ["--insecure"]):
            self.virga("list", "--endpoint", secure, *options, **self.variables)
        self.virga("list", "--endpoint", secure, **self.variables, AWS_CA_BUNDLE=cert)
        named = secure.replace("127.0.0.1", "localhost")
        self.virga("status", "--endpoint", named, "--ca", cert, **self.variables)
        other = secure.replace("127.0.0.1", "127.0.0.2")
        _, err = self.virga("list", "--endpoint", other, "--ca", cert, code=3, **self.variables)
        self.assertTrue("not trusted" in err or "refused" in err, err)
        _, err = self.virga("list", "--endpoint", secure, "--ca", "/missing", code=2, **self.variables)
        self.assertIn("/missing", err)

    def test_large_payloads_over_https(self):
        folder = os.path.join(self.folder.name, "large")
        os.makedirs(folder)
        with open(os.path.join(folder, "handler.py"), "w", encoding="utf-8") as file:
            file.write("def handler(event, context):\n    return event + event\n")
        secure = ["--endpoint", self.server.endpoint.replace("http:", "https:"),
                  "--data", self.server.data]
        self.virga("deploy", folder, *secure)
        event = os.path.join(self.folder.name, "event.json")
        with open(event, "w", encoding="utf-8") as file:
            json.dump("x" * 2_500_000, file)
        out, _ = self.virga("invoke", "large", "--payload", "@" + event, *secure)
        self.assertEqual(len(json.loads(out)), 5_000_000)

    def test_wrong_keys(self):
        _, err = self.virga("list", code=3)
        self.assertIn("UnrecognizedClientException", err)
        wrong = {**self.variables, "AWS_SECRET_ACCESS_KEY": "wrong"}
        _, err = self.virga("list", code=3, **wrong)
        self.assertIn("InvalidSignatureException", err)

    def test_env_serves_other_clients(self):
        script = f'eval $({VIRGA} env --data "{self.server.data}") && ' \
                 'aws lambda list-functions --output json --endpoint-url "$AWS_ENDPOINT_URL"'
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Functions", json.loads(done.stdout))
        shown = json.loads(self.virga("env", "--json", "--region", "eu-west-1", **self.variables)[0])
        self.assertEqual(shown, {**self.variables, "AWS_ENDPOINT_URL": self.server.endpoint,
                                 "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"})
        out, _ = self.virga("env", AWS_ACCESS_KEY_ID="it's", AWS_SECRET_ACCESS_KEY="$(x)")
        self.assertIn("export AWS_ACCESS_KEY_ID='it'\\''s';\n", out)
        self.assertIn("export AWS_SECRET_ACCESS_KEY='$(x)';\n", out)

    def test_status_needs_no_key(self):
        out, _ = self.virga("status")
        self.assertRegex(out, r"(?m)^status +running$")
        self.assertIn(" lambda", out)
        self.assertEqual(json.loads(self.virga("status", "--json")[0])["status"], "running")


if __name__ == "__main__":
    unittest.main()
