"""What is made of the tables of commands: help, the manual page, completions."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from server import ServerTest, VIRGA, python_function

COMMANDS = re.findall(r"(?m)^  (\w+) +\S", subprocess.run(
    [VIRGA, "help"], capture_output=True, text=True, timeout=20, check=True).stdout)


def virga(*arguments, code=0):
    done = subprocess.run([VIRGA, *arguments], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == code, (arguments, done)
    return done.stdout if code == 0 else done.stderr


class Help(unittest.TestCase):
    def test_every_command(self):
        self.assertIn("deploy", COMMANDS)
        for command in COMMANDS:
            with self.subTest(command=command):
                text = virga("help", command)
                self.assertTrue(text.startswith("usage: virga " + command))
                self.assertEqual(text, virga(command, "--help"))
                self.assertEqual(text, virga(command, "-h"))
                self.assertIn("\nexit codes: ", text)
                self.assertNotRegex(text, r"(?m) $")

    def test_what_is_unknown(self):
        self.assertIn("there is no command 'nonsense'", virga("help", "nonsense", code=2))
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertIn("unknown option '--nonsense'", virga(command, "--nonsense", code=2))
        self.assertIn("too many arguments", virga("version", "extra", code=2))
        self.assertIn("unknown option", virga("version", "--endpoint=http://x", code=2))

    def test_version(self):
        self.assertRegex(virga("version"), r"^virga \d+\.\d+\.\d+\n$")
        self.assertEqual(virga("--version"), virga("version"))
        self.assertEqual("virga " + json.loads(virga("version", "--json"))["version"] + "\n",
                         virga("version"))


class Manual(unittest.TestCase):
    def test_has_every_command_and_option(self):
        page = virga("man")
        self.assertTrue(page.startswith('.TH VIRGA 1 "" "virga '))
        for command in COMMANDS:
            self.assertIn(f"\n.SS virga {command} ", page)
            for option in re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", virga("help", command)):
                self.assertIn("\\fB" + option.replace("-", "\\-") + "\\fR", page)

    def test_is_roff(self):
        """Every line that begins with a dot is a request of man(7)."""
        for line in virga("man").splitlines():
            if line.startswith((".", "'")):
                self.assertRegex(line, r"^\.(TH|SH|SS|TP|PP|B|I|BR|BI|RI|IR|nf|fi)\b")


class Completion(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("alpha", "alpine", "beta"):
            python_function(cls.server.client(), name, "def handler(e, c):\n    return 1\n")

    def words(self, *line):
        """What bash offers for the last word of the line."""
        script = ('source <(virga completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_virga; printf "%s\\n" "${COMPREPLY[@]}"')
        with tempfile.TemporaryDirectory() as folder:
            open(os.path.join(folder, "a file"), "w", encoding="ascii").close()
            done = subprocess.run(
                ["bash", "-c", script, "bash", *line], capture_output=True, text=True, timeout=20,
                check=True, cwd=folder,
                env={"PATH": os.path.dirname(VIRGA) + ":/usr/bin:/bin",
                     "VIRGA_ENDPOINT": self.server.endpoint})
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_bash(self):
        self.assertEqual(self.words("virga", ""), COMMANDS)
        self.assertEqual(self.words("virga", "dep"), ["deploy"])
        self.assertEqual(self.words("virga", "invoke", "alp"), ["alpha", "alpine"])
        self.assertEqual(self.words("virga", "invoke", "--ti"), ["--timing"])
        self.assertEqual(self.words("virga", "serve", "--snapshots", ""), ["on", "off"])
        self.assertEqual(self.words("virga", "deploy", "a"), ["a file"])
        self.assertEqual(self.words("virga", "deploy", "--name", "a"), [""])
        self.assertEqual(self.words("virga", "help", "stat"), ["status"])
        self.assertEqual(self.words("virga", "completion", ""), ["bash", "zsh", "fish"])

    def test_other_shells(self):
        """They parse, where the shell is there; and tell of every command."""
        for shell in ("bash", "zsh", "fish"):
            script = virga("completion", shell)
            for command in COMMANDS:
                self.assertRegex(script, rf"\b{command}\b")
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script, text=True, timeout=20, check=True)
        self.assertIn("bash, zsh and fish", virga("completion", "tcsh", code=2))


if __name__ == "__main__":
    unittest.main()
