#!/usr/bin/python3
"""Runs code of the seed documents, as printed, in Virga; says what runs, what does not and why.

usage: run.py SEEDS [--virga PROGRAM] [ID...]

SEEDS is the folder of the documents (000_*.txt to 004_*.txt). A server of the run's own is started, so
it wants root; each snippet is cut out of its document by line numbers, deployed beside what cases.py
says it needs, with the lenient prelude, and called in its sandbox. The exit code is 1 when one that
must run does not, or when one that cannot run does: cases.py is then out of date.
"""
import argparse
import glob
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUFFIX = {"python": ".py", "node": ".js", "node-module": ".mjs"}
RUNTIME = {"python": "python3.12", "node": "nodejs20.x", "node-module": "nodejs20.x"}


class Failed(Exception):
    pass


def snippet(seeds, where):
    """The lines "000:72-92" of a document, without the indentation that all of them share."""
    document, _, lines = where.partition(":")
    first, _, last = lines.partition("-")
    found = glob.glob(os.path.join(glob.escape(seeds), document + "_*.txt"))
    if len(found) != 1:
        raise SystemExit(f"run.py: {seeds} has no document {document}_*.txt")
    with open(found[0], encoding="utf-8") as file:
        text = file.read().split("\n")
    return textwrap.dedent("\n".join(text[int(first) - 1:int(last)])) + "\n"


class Virga:
    def __init__(self, program, folder):
        self.program = program
        self.server = subprocess.Popen(
            [program, "serve", "--dev", "--listen", "127.0.0.1:0", "--data",
             os.path.join(folder, "data"), "--log-level", "error"], stdout=subprocess.PIPE)
        if not select.select([self.server.stdout], [], [], 60)[0]:
            self.stop()
            raise SystemExit("run.py: the server did not start in time")
        line = self.server.stdout.readline().decode()
        if not line.startswith("Ready. "):
            self.stop()
            raise SystemExit("run.py: the server did not start")
        self.environment = {"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": line.split()[1]}

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(60)

    def run(self, *arguments, stdin=None):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, input=stdin,
                              timeout=120, check=False, env=self.environment)
        if done.returncode > 1:
            raise Failed(f"virga {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def deploy(self, folder, name, case):
        self.run("deploy", folder, "--name", name, "--handler", case.handler, "--runtime",
                 RUNTIME[case.language], "--memory", "512", "--timeout", "30", "--lenient")

    def call(self, name, event):
        """(answer, error type or None, log)"""
        done = json.loads(self.run("invoke", name, "--payload", "-", "--json",
                                   stdin=json.dumps(event)))
        error = done["payload"].get("errorType") if done["functionError"] else None
        return done["payload"], error, done["log"]

    def calls(self, name):
        """How often a function was called."""
        functions = json.loads(self.run("top", "--json"))["functions"]
        return sum(f["calls"] for f in functions if f["name"] == name)


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(textwrap.dedent(text))


def run_case(virga, seeds, case):
    for number, part in enumerate(case.parts):
        with tempfile.TemporaryDirectory(prefix="virga-seed-") as folder:
            suffix = SUFFIX[part.language]
            with open(os.path.join(folder, "snippet" + suffix), "w", encoding="utf-8") as file:
                file.write(snippet(seeds, part.where))
            for name, text in part.files.items():
                write(folder, name, text)
            name = part.name or f"{case.id.lower()}-{number}"
            virga.deploy(folder, name, part)
            for event, check in part.calls:
                answer, error, log = virga.call(name, event)
                said = check(cases.Seen(answer, error, log, virga))
                if said is not True:
                    raise Failed(f"answer {json.dumps(answer)[:600]}")


def main():
    parser = argparse.ArgumentParser(description="Runs the seeds' code in Virga.")
    parser.add_argument("seeds")
    parser.add_argument("--virga", default=os.path.join(ROOT, "build", "virga"))
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args()
    count = dict.fromkeys(cases.STATES, 0)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="virga-seeds-") as folder:
        virga = Virga(os.path.abspath(options.virga), folder)
        try:
            for case in cases.CASES:
                if options.ids and case.id not in options.ids:
                    continue
                state, note = case.state, case.note
                if case.parts:
                    try:
                        run_case(virga, options.seeds, case)
                    except Failed as error:
                        state, note, bad = "FAILED", str(error), bad + 1
                count[state] = count.get(state, 0) + 1
                print(f"{case.id}  {state:<7} {note}", flush=True)
        finally:
            virga.stop()
    print("\n" + ", ".join(f"{number} {state}" for state, number in count.items() if number))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
