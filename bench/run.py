#!/usr/bin/env python3
"""Measures Virga as its clients see it, each figure as a ratio to a yardstick taken in the same run.

Usage: run.py BUILD_DIR [--brief] [--json FILE]
    --brief   seconds instead of minutes: shows that the bench runs, the figures mean little

Rows are named after the goals in docs/BENCHMARKS.md (P1, P2, ...). MemorySize is 1769 (one CPU),
log capture is on. Yardsticks: a minimal epoll HTTP echo, a socketpair round trip, the plain start of
the interpreter.
"""
import argparse
import contextlib
import glob
import http.client
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import client  # noqa: E402  (tools/client.py: a Lambda client of a few lines)

SPIN_PYTHON = """import time
def handler(event, context):
    end = time.monotonic() + event
    while time.monotonic() < end:
        pass
"""
SLOW_PYTHON = "import time\ndef handler(event, context):\n    time.sleep(0.1)\n    return event\n"

C_ECHO = """#include <virga_lambda.h>
static void handle(struct lambda_call *call, void *user)
{
    (void) user;
    lambda_write(call, call->event, call->event_size);
}
int main(void)
{
    return lambda_run(handle, NULL);
}
"""


def native():
    """The program of a function in C."""
    library = os.path.join(os.path.dirname(HERE), "bootstraps", "c")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "bootstrap")
        subprocess.run(["cc", "-O2", "-static", "-I", library, "-o", program, "-x", "c", "-",
                        *glob.glob(library + "/*.c")], input=C_ECHO.encode(), check=True)
        with open(program, "rb") as file:
            return file.read()


# What is measured of each runtime: source of an echo, options of create, plain start, goals: P1 is
# the latency of native code and P2 of interpreters, in echoes; P5 in plain starts, where there is one.
RUNTIMES = {
    "C": {
        "source": native(),
        "options": {"runtime": "provided.al2023", "file": "bootstrap"},
        "plain": ["/usr/bin/true"],
        "latency": ("P1", 3), "p3": 40, "p5": "",
    },
    "Python": {
        "source": "def handler(event, context):\n    return event\n",
        "options": {},
        "plain": ["/usr/bin/python3", "-c", "import json"],
        "latency": ("P2", 4), "p3": 20, "p5": "<= 1.5 x",
    },
    "Node": {
        "source": "exports.handler = async (event) => event;\n",
        "options": {"runtime": "nodejs20.x", "file": "f.js"},
        "plain": ["/usr/bin/node", "/dev/null"],
        "latency": ("P2", 4), "p3": 25, "p5": "<= 1.5 x",
    },
}
BURST = 100
SAMPLE = 100  # of the processes of idle instances

# Functions whose init is worth a snapshot; an invocation can end the instance.
INITIALISED = {
    "Python with boto3": {
        "source": """
import os, boto3
s3 = boto3.client("s3", region_name="eu-west-1")
def handler(event, context):
    if event.get("end"): os._exit(0)
    return s3.meta.region_name
""",
        "options": {},
    },
    "Node with 800 kB": {
        "source": "".join(f"""
const m{n} = (() => {{
  const table = {{ name: 'module {n}', list: [{n}, 1, 2] }};
  function first(a, b) {{ if (a > b) return a - b; return table.list.map((x) => x * a + b); }}
  class Thing {{ constructor(x) {{ this.x = x; }} get twice() {{ return this.x * 2; }} }}
  return {{ first, Thing, value: new Thing({n}).twice + table.list[0] }};
}})();""" for n in range(2350)) + """
exports.handler = async (event) => {
  if (event.end) process.exit(0);
  return m7.value;
};
""",
        "options": {"runtime": "nodejs20.x", "file": "f.js"},
    },
}

# Makes a handler of any source wait, so that as many instances are needed as calls come.
SLEEPING = """
import time
def handler(event, context, inner=handler):
    time.sleep(event.get("sleep", 0))
    return inner(event, context)
"""

# An echo that writes a line for each call.
LOGGING = {
    "Python": "def handler(event, context):\n    print('a line of the log')\n    return event\n",
    "Node": "exports.handler = async (event) => { console.log('a line of the log'); return event; };\n",
}

# Says a word, works on for 20 ms, and sends as many bytes as it is asked for.
PYTHON_STREAM = """import time
def handler(event, context):
    yield "."
    time.sleep(0.02)
    yield "."
"""
STREAM = """exports.handler = awslambda.streamifyResponse(async (size, stream) => {
  stream.write('.');
  await new Promise((ok) => setTimeout(ok, 20));
  const piece = Buffer.alloc(64 * 1024);
  for (let left = size; left > 0; left -= piece.length)
    if (!stream.write(piece)) await new Promise((ok) => stream.once('drain', ok));
  stream.end();
});
"""
STREAM_BYTES = 64 << 20


def call(server, name, event):
    """On a connection of its own, for a thread."""
    with contextlib.closing(http.client.HTTPConnection(server.endpoint.removeprefix("http://"))) as own:
        own.request("POST", f"{client.API}/{name}/invocations", json.dumps(event))
        if own.getresponse().status != 200:
            sys.exit(f"bench: a call of {name} failed")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Bench:
    def __init__(self, build, is_brief):
        self.build = build
        self.length = ["-n", "200"] if is_brief else ["-d", "3"]
        self.repeats = 3 if is_brief else 30
        self.idle = 20 if is_brief else 1000
        self.neighbours, self.noise_seconds = (8, 10) if is_brief else (200, 60)
        self.rows = []

    def row(self, goal, what, figure, ratio, wanted):
        self.rows.append((goal, what, figure, ratio, wanted))
        print(f"  {goal:<4} {what:<52} {figure:>22}  {ratio:>14}  {wanted}", flush=True)

    def load(self, connections, url, *options):
        out = subprocess.run(
            [f"{self.build}/bench/bench_load", "-c", str(connections), *self.length,
             *options, url], check=True, capture_output=True, text=True).stdout
        figures = json.loads(out)
        if figures["errors"]:
            sys.exit(f"bench: {figures['errors']} errors from {url}")
        return figures

    @contextlib.contextmanager
    def echo(self):
        process = subprocess.Popen([f"{self.build}/bench/bench_echo"], stdout=subprocess.PIPE,
                                   text=True)
        try:
            yield "http://127.0.0.1:" + process.stdout.readline().split()[1] + "/"
        finally:
            process.terminate()
            process.wait()

    def yardsticks(self):
        pair = json.loads(subprocess.run([f"{self.build}/bench/bench_pair"], check=True,
                                         capture_output=True, text=True).stdout)
        with self.echo() as url:
            self.echo_one, self.echo_many = self.load(1, url), self.load(64, url)
        self.plain_ms = {name: self.plain_start(runtime["plain"])
                         for name, runtime in RUNTIMES.items()}
        self.row("", "HTTP echo, 1 connection, p50", f"{self.echo_one['p50_us']:.0f} us", "1", "")
        self.row("", "HTTP echo, 64 connections", f"{self.echo_many['rps']:.0f} /s", "1", "")
        self.row("", "socketpair round trip, p50", f"{pair['p50_us']:.1f} us", "1", "")
        for name, runtime in RUNTIMES.items():
            self.row("", f"{' '.join(runtime['plain'])}, p50", f"{self.plain_ms[name]:.1f} ms", "1",
                     "")

    def plain_start(self, command):
        times = []
        for _ in range(self.repeats):
            begin = time.perf_counter()
            subprocess.run(command, check=True)
            times.append((time.perf_counter() - begin) * 1000)
        return percentile(times, .5)

    def warm(self, server, name, goals):
        url = f"{server.endpoint}/2015-03-31/functions/{name}/invocations"
        one = self.load(1, url, "-b", '{"n":1}', "-w", "0.5")
        many = self.load(64, url, "-b", '{"n":1}', "-w", "1")
        goal, wanted = goals["latency"]
        self.row(goal, f"warm {name}, 1 connection, p50 / p99",
                 f"{one['p50_us']:.0f} / {one['p99_us']:.0f} us",
                 f"{one['p50_us'] / self.echo_one['p50_us']:.1f} x echo",
                 f"p50 <= {wanted} x")
        self.row("P3", f"warm {name}, 64 connections", f"{many['rps']:.0f} /s",
                 f"{many['rps'] / self.echo_many['rps'] * 100:.0f} % of echo",
                 f">= {goals['p3']} %")

    def logged(self, server):
        """What one line of the log costs a call: the echo that writes it against the one that does not,
        in turn and the best of each, since the machine may have other work."""
        for name, source in LOGGING.items():
            server.create(name + "-logging", source, **RUNTIMES[name]["options"])
            times = {name: [], name + "-logging": []}
            for own in list(times) * 5:
                url = f"{server.endpoint}{client.API}/{own}/invocations"
                times[own].append(self.load(1, url, "-b", '{"n":1}', "-w", "0.5")["p50_us"])
            plain, logging = (min(values) for values in times.values())
            self.row("", f"warm {name} that writes a line, 1 connection, best p50", f"{logging:.0f} us",
                     f"{logging / plain:.2f} x without", "")
            server.delete(name + "-logging")

    def first_byte(self, server, language, source):
        """The first byte of a streamed answer against a whole one, both as one client of some lines of
        Python sees them; leaves the function "stream" behind, returns its path."""
        path = "/2021-11-15/functions/stream/response-streaming-invocations"
        server.create("stream", source, **RUNTIMES[language]["options"])
        first, whole = [], []
        for _ in range(10 * self.repeats):
            begin = time.perf_counter()
            server.invoke(language, 1)
            whole.append((time.perf_counter() - begin) * 1e6)
            begin = time.perf_counter()
            server.connection.request("POST", path, "0")
            response = server.connection.getresponse()
            response.read(1)
            first.append((time.perf_counter() - begin) * 1e6)
            response.read()
        self.row("", f"streamed answer of {language}: first byte, p50 / p99",
                 f"{percentile(first, .5):.0f} / {percentile(first, .99):.0f} us",
                 f"{percentile(first, .5) / percentile(whole, .5):.1f} x a whole answer", "")
        return path

    def stream(self, server):
        """When a streamed answer begins, and how fast a long one comes."""
        self.first_byte(server, "Python", PYTHON_STREAM)
        server.delete("stream")
        path = self.first_byte(server, "Node", STREAM)
        begin = time.perf_counter()
        server.request("POST", path, str(STREAM_BYTES))
        seconds = time.perf_counter() - begin
        self.row("", f"streamed answer of {STREAM_BYTES >> 20} MB",
                 f"{STREAM_BYTES / seconds / 1e6:.0f} MB/s", "", "")
        server.delete("stream")

    def warm_signed(self, goals):
        """The same call to a server that wants signatures: one request, signed once."""
        body, target = '{"n":1}', "/2015-03-31/functions/Python/invocations"
        with client.Server(self.build, dev=False) as server, tempfile.NamedTemporaryFile() as raw:
            server.create("Python", RUNTIMES["Python"]["source"])
            lines = [f"POST {target} HTTP/1.1", f"Content-Length: {len(body)}"] + [
                f"{name}: {value}" for name, value in server.signed("POST", target, body).items()]
            raw.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            raw.flush()
            one = self.load(1, server.endpoint, "-r", raw.name, "-w", "0.5")
        self.row("P2", "warm Python, signed, 1 connection, p50 / p99",
                 f"{one['p50_us']:.0f} / {one['p99_us']:.0f} us",
                 f"{one['p50_us'] / self.echo_one['p50_us']:.1f} x echo",
                 f"p50 <= {goals['latency'][1]} x")

    def signatures(self):
        for line in subprocess.run([f"{self.build}/bench/bench_sigv4"], check=True,
                                   capture_output=True, text=True).stdout.splitlines():
            name, figure = line.rsplit(maxsplit=2)[0], line.split()[-2]
            wanted = "<= 5 us" if name in ("invoke", "presigned URL") else ""
            self.row("", f"signature: {name}", f"{int(figure) / 1000:.1f} us", "", wanted)

    def first_starts(self, server, name, runtime):
        """First calls of functions that never ran: each repetition is a function of its own. Their
        times and those of their inits, in ms."""
        times, inits = [], []
        for number in range(self.repeats):
            fresh = f"{name}-cold-{number}"
            server.create(fresh, runtime["source"], **runtime["options"])
            begin = time.perf_counter()
            report = server.invoke(fresh, {})[1]
            times.append((time.perf_counter() - begin) * 1000)
            inits.append(float(re.search(r"Init Duration: ([\d.]+)", report).group(1)))
            server.delete(fresh)
        return times, inits

    def cold(self, server, name, runtime):
        times, inits = self.first_starts(server, name, runtime)
        p50 = percentile(times, .5)
        self.row("P5", f"first cold start ever, {name}, p50 / p99",
                 f"{p50:.1f} / {percentile(times, .99):.1f} ms",
                 f"{p50 / self.plain_ms[name]:.2f} x plain", runtime["p5"])
        self.row("", "  of it init, p50", f"{percentile(inits, .5):.1f} ms", "", "")

    def snapshot(self, server, name, function):
        """Cold starts of a function that was initialised once before, and of its twin that never has a
        snapshot, by turns."""
        own = name.replace(" ", "-")
        twins = {own: {}, f"{own}-off": {"Environment": {"Variables": {"VIRGA_SNAPSHOT": "off"}}}}
        times = {twin: [] for twin in twins}
        restores = []
        for twin, options in twins.items():
            server.create(twin, function["source"], **function["options"], **options)
            server.invoke(twin, {})
        server.wait_for_log(f'msg="snapshot taken" fn={own} ')
        for _ in range(self.repeats + 1):
            for twin in twins:
                begin = time.perf_counter()
                report = server.invoke(twin, {})[1]
                times[twin].append((time.perf_counter() - begin) * 1000)
                found = re.search(r"Restore Duration: ([\d.]+)", report)
                if found:
                    restores.append(float(found.group(1)))
                server.invoke(twin, {"end": True}, fails=True)
        scratch, fast = times[f"{own}-off"][1:], times[own][1:]  # the first calls were warm
        self.row("P4", f"cold start from a snapshot, {name}, p50 / p99",
                 f"{percentile(fast, .5):.1f} / {percentile(fast, .99):.1f} ms",
                 f"{percentile(fast, .5) / percentile(scratch, .5):.2f} x scratch", "p50 <= 5 ms")
        self.row("", "  of it the restore, p50", f"{percentile(restores, .5):.1f} ms", "", "")
        self.row("", "  the same without a snapshot, p50", f"{percentile(scratch, .5):.1f} ms", "", "")

    def density(self, server, name, function):
        """Memory of idle instances that are copies of one snapshot: of all processes together, the
        platform's share included, less what was there before. Of the instances' own processes a sample
        is read, since the kernel takes milliseconds for each."""
        own = name.replace(" ", "-") + "-idle"
        server.create(own, function["source"] + SLEEPING, Timeout=120, **function["options"])
        server.invoke(own, {})
        server.wait_for_log(f'msg="snapshot taken" fn={own} ')
        old, alive = family(server.pid), server.instances()
        before = sum(pss_kib(old))
        subprocess.run(
            [f"{self.build}/bench/bench_load", "-c", str(self.idle), "-n", str(self.idle), "-w", "0",
             "-b", json.dumps({"sleep": 1 + self.idle / 50}),
             f"{server.endpoint}{client.API}/{own}/invocations"], check=True, capture_output=True)
        more = server.instances() - alive
        new = family(server.pid) - old
        sample = pss_kib(random.sample(sorted(new), min(len(new), SAMPLE)))
        each = (sum(pss_kib(old)) - before + sum(sample) / len(sample) * len(new)) / more / 1024
        self.row("P9", f"{more} more idle copies of {name}, memory of each (PSS)", f"{each:.1f} MB", "",
                 "<= 3 MB")
        server.delete(own)

    def burst(self, server):
        """Simultaneous calls of a function that takes 100 ms, from zero instances; the load generator
        sends one call on each of its connections."""
        times, before = [], server.instances()
        for number in range(3):
            server.create(f"slow-{number}", SLOW_PYTHON)
            out = subprocess.run(
                [f"{self.build}/bench/bench_load", "-c", str(BURST), "-n", str(BURST), "-w", "0",
                 "-b", "1", f"{server.endpoint}{client.API}/slow-{number}/invocations"],
                check=True, capture_output=True, text=True).stdout
            figures = json.loads(out)
            if figures["errors"]:
                sys.exit(f"bench: {figures['errors']} errors in a burst")
            times.append(figures["max_us"] / 1000)
            server.delete(f"slow-{number}")
            while server.instances() > before:  # the end of a hundred sandboxes is work, too
                time.sleep(0.05)
        self.row("P6", f"{BURST} simultaneous calls of 100 ms, from zero: the last",
                 f"{percentile(times, .5):.0f} ms", "", "<= 400 ms")

    def thawed(self, server):
        """A call whose instance was frozen against one that follows another at once."""
        at_once, rested = [], []
        for _ in range(10 * self.repeats):
            time.sleep(0.02)  # an instance is frozen after 5 ms
            for times in rested, at_once:
                begin = time.perf_counter()
                server.invoke("Python", 1)
                times.append((time.perf_counter() - begin) * 1e6)
        self.row("", "warm Python after 20 ms of rest, p50 / p99",
                 f"{percentile(rested, .5):.0f} / {percentile(rested, .99):.0f} us",
                 f"{percentile(rested, .5) / percentile(at_once, .5):.1f} x at once", "")

    def noisy(self, server):
        """Neighbours that never rest, of 128 MB each: 7 % of a CPU. What others get beside them."""
        server.create("noise", SPIN_PYTHON, MemorySize=128, Timeout=300)
        begin = time.perf_counter()
        neighbours = [threading.Thread(target=call, args=(server, "noise", self.noise_seconds))
                      for _ in range(self.neighbours)]
        before = server.instances()
        for thread in neighbours:
            thread.start()
        while server.instances() < before + self.neighbours:
            time.sleep(0.05)
        one = self.load(1, f"{server.endpoint}{client.API}/Python/invocations", "-b", "1")
        self.row("", f"warm Python beside {self.neighbours} noisy neighbours, p50 / p99",
                 f"{one['p50_us']:.0f} / {one['p99_us']:.0f} us",
                 f"{one['p50_us'] / self.echo_one['p50_us']:.1f} x echo", "")
        times, _ = self.first_starts(server, "beside", RUNTIMES["Python"])
        self.row("", "first cold start ever, Python, beside them, p50 / p99",
                 f"{percentile(times, .5):.1f} / {percentile(times, .99):.1f} ms",
                 f"{percentile(times, .5) / self.plain_ms['Python']:.2f} x plain", "")
        if time.perf_counter() - begin > self.noise_seconds:
            sys.exit("bench: the neighbours ended too early")
        for thread in neighbours:
            thread.join()
        server.delete("noise")

    def footprint(self):
        times = []
        for _ in range(self.repeats):
            with client.Server(self.build) as server:
                times.append(server.ready_ms)
        with client.Server(self.build) as server:
            pss = sum(pss_kib(family(server.pid))) / 1024
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, f"{self.build}/virga"], check=True)
            size = os.path.getsize(stripped.name) / 1e6
        self.row("P10", "start to first answer, p50", f"{percentile(times, .5):.1f} ms", "",
                 "<= 10 ms")
        self.row("P10", "idle memory (PSS, all processes)", f"{pss:.1f} MB", "", "<= 12 MB")
        self.row("P10", "binary, stripped", f"{size:.2f} MB", "", "<= 6 MB")


def family(pid):
    """The process and all below it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            below = file.read().split()
    except OSError:
        return set()  # it has just ended
    return {pid}.union(*(family(int(child)) for child in below))


def pss_kib(pids):
    """Of each process that is still there and has memory."""
    sizes = []
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            sizes += [int(size) for size in re.findall(r"^Pss: +(\d+)", file.read(), re.M)]
    return sizes


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--brief", action="store_true")
    options.add_argument("--json")
    options = options.parse_args()
    subprocess.run(["ninja", "-C", options.build, "--quiet", "bench/bench_echo", "bench/bench_load",
                    "bench/bench_pair", "bench/bench_sigv4"], check=True)
    bench = Bench(options.build, options.brief)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Linux "
          f"{platform.release()}, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d %H:%M')}")
    bench.yardsticks()
    with client.Server(options.build) as server:
        for name, runtime in RUNTIMES.items():
            server.create(name, runtime["source"], **runtime["options"])
            bench.warm(server, name, runtime)
            bench.cold(server, name, runtime)
        bench.burst(server)
        bench.logged(server)
        bench.stream(server)
        bench.thawed(server)
        bench.noisy(server)
    with client.Server(options.build, options=["--snapshots", "on"]) as server:
        for name, function in INITIALISED.items():
            bench.snapshot(server, name, function)
        bench.density(server, "Python with boto3", INITIALISED["Python with boto3"])
    bench.warm_signed(RUNTIMES["Python"])
    bench.signatures()
    bench.footprint()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(bench.rows, file, indent=1)


if __name__ == "__main__":
    main()
