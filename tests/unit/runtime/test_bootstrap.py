"""Drives the Python bootstrap over a socketpair, without a sandbox. Run by meson with the
interpreter that functions get; arguments: the folder that holds bootstrap.py."""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BOOTSTRAP_DIR = os.path.abspath(sys.argv.pop(1))
HEADER = struct.Struct("<IBBHI")
INVOKE, SHUTDOWN, READY, INIT_ERROR, RESPONSE, ERROR, BOOTED = 2, 3, 16, 17, 18, 19, 20
STREAM_HEAD, STREAM_CHUNK, STREAM_END = 21, 22, 23


class Runtime:
    """A bootstrap process with its socket, its log pipe and a folder of code."""

    def __init__(self, code, handler="app.handler", env=None, files=None):
        self.task = tempfile.mkdtemp()
        for name, text in {"app.py": code, **(files or {})}.items():
            path = os.path.join(self.task, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.socket, inside = socket.socketpair()
        self.socket.settimeout(20)
        environ = {
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": self.task,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "PATH": "/usr/bin:/bin",
            **(env or {}),
        }

        def child():
            os.dup2(inside.fileno(), 3, inheritable=True)

        # Sanitizer builds of the tests set LD_PRELOAD-like variables; the child gets none of them.
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-s", os.path.join(BOOTSTRAP_DIR, "bootstrap.py")],
            env=environ, cwd=self.task, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=child, close_fds=False)
        inside.close()
        self.seq = 0

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self):
        size, kind, flags, zero, seq = HEADER.unpack(self.exactly(HEADER.size))
        assert flags == 0 and zero == 0
        return kind, seq, self.exactly(size)

    def start(self):
        assert self.frame() == (BOOTED, 0, b"")
        return self.frame()

    def ready(self):
        kind, seq, payload = self.start()
        assert (kind, seq, payload) == (READY, 0, b""), (kind, payload)
        return self

    def send_invoke(self, event=b"{}", deadline_ms=None, request_id="req-1", client=b"",
                    cognito=b"", trace=b""):
        self.seq += 1
        body = struct.pack("<q", deadline_ms or int(time.time() * 1000) + 5000)
        for text in (request_id.encode(), b"arn:aws:lambda:eu-west-1:000000000000:function:f",
                     trace, client, cognito):
            body += struct.pack("<H", len(text)) + text
        body += event if isinstance(event, bytes) else json.dumps(event).encode()
        self.socket.sendall(HEADER.pack(len(body), INVOKE, 0, 0, self.seq) + body)

    def invoke(self, *args, **kwargs):
        self.send_invoke(*args, **kwargs)
        kind, seq, payload = self.frame()
        assert seq == self.seq
        return kind, payload

    def result(self, *args, **kwargs):
        kind, payload = self.invoke(*args, **kwargs)
        assert kind == RESPONSE, payload
        return json.loads(payload)

    def error(self, *args, **kwargs):
        kind, payload = self.invoke(*args, **kwargs)
        assert kind == ERROR, payload
        return json.loads(payload)

    def frames(self, *args, **kwargs):
        """All frames that answer a call."""
        self.send_invoke(*args, **kwargs)
        found = []
        while not found or found[-1][0] not in (RESPONSE, ERROR):
            kind, seq, payload = self.frame()
            assert seq == self.seq
            found.append((kind, payload))
        return found

    def end(self):
        """Closes the socket; returns (exit code, everything printed)."""
        self.socket.close()
        output = self.process.communicate(timeout=20)[0].decode()
        shutil.rmtree(self.task)
        return self.process.returncode, output


class Handlers(unittest.TestCase):
    def run_one(self, code, event=b"{}", **kwargs):
        runtime = Runtime(code, **kwargs).ready()
        result = runtime.result(event)
        self.assertEqual(runtime.end()[0], 0)
        return result

    def test_event_and_result(self):
        code = "def handler(event, context): return {'got': event, 'n': 1.5, 't': (1, None, True)}"
        event = {"a": ["\u00e4\U0001f600", 1e300, -3], "b": None}
        self.assertEqual(self.run_one(code, event), {"got": event, "n": 1.5, "t": [1, None, True]})

    def test_blanks_and_scalars(self):
        code = "def handler(event, context): return event"
        for event in (b" {\"a\": 1} \n", b"null", b"3", b"\"x\"", b"[]", b" true"):
            self.assertEqual(self.run_one(code, event), json.loads(event))

    def test_handler_in_packages(self):
        files = {"pkg/sub/mod.py": "def go(event, context): return __name__"}
        for handler in ("pkg/sub/mod.go", "pkg.sub.mod.go"):
            self.assertEqual(self.run_one("", handler=handler, files=files), "pkg.sub.mod")

    def test_bound_method_and_callable(self):
        code = """
class App:
    def run(self, event, context): return 'method'
    def __call__(self, event, context): return 'call'
handler = App().run
other = App()
"""
        self.assertEqual(self.run_one(code), "method")
        self.assertEqual(self.run_one(code, handler="app.other"), "call")

    def test_context(self):
        code = """
def handler(event, context):
    names = [n for n in dir(context) if not n.startswith('_')]
    left = context.get_remaining_time_in_millis()
    return {'names': names, 'left': left, 'alias': context.remaining_time <= left,
            'same': context.request_id == context.aws_request_id,
            'values': [context.aws_request_id, context.function_name, context.function_version,
                       context.memory_limit_in_mb, context.memory_limit, context.log_group_name,
                       context.log_stream_name, context.invoked_function_arn, context.tenant_id,
                       context.client_context.custom, context.client_context.client.app_title,
                       context.identity.cognito_identity_id], 'repr': repr(context)}
"""
        runtime = Runtime(code).ready()
        got = runtime.result(client=b'{"custom": {"k": 1}, "client": {"app_title": "T"}}',
                             cognito=b'{"cognitoIdentityId": "id"}')
        self.assertEqual(got["values"][:5], ["req-1", "f", "$LATEST", "128", "128"])
        self.assertEqual(got["values"][8:], [None, {"k": 1}, "T", "id"])
        self.assertTrue(0 < got["left"] <= 5000 and got["alias"] and got["same"])
        self.assertIn("aws_request_id=req-1", got["repr"])
        kind, payload = runtime.invoke(client=b"{")
        self.assertEqual(kind, ERROR)
        self.assertEqual(json.loads(payload)["errorType"], "Runtime.LambdaContextUnmarshalError")
        runtime.end()

    def test_remaining_time_ends_at_zero(self):
        runtime = Runtime("def handler(e, c): return [c.remaining_time, c.client_context]").ready()
        self.assertEqual(runtime.result(deadline_ms=1), [0, None])
        runtime.end()

    def test_non_ascii_follows_the_version(self):
        code = "def handler(event, context): return '\u00e4'"
        for version, expected in (("3.11", b'"\\u00e4"'), ("3.12", b'"\xc3\xa4"'),
                                  ("3.14", b'"\xc3\xa4"')):
            runtime = Runtime(code, env={"AWS_EXECUTION_ENV": "AWS_Lambda_python" + version})
            self.assertEqual(runtime.ready().invoke(), (RESPONSE, expected))
            runtime.end()

    def test_decimal_keeps_its_digits(self):
        code = """
from decimal import Decimal
def handler(event, context):
    return {'d': Decimal('1.10000000000000000000000001'), 'n': Decimal('NaN'), 'f': 0.1, 'l': ['x']}
"""
        runtime = Runtime(code).ready()
        kind, payload = runtime.invoke()
        self.assertEqual((kind, payload), (RESPONSE,
                         b'{"d": 1.10000000000000000000000001, "n": NaN, "f": 0.1, "l": ["x"]}'))
        runtime.end()

    def test_bytes_pass_as_they_are(self):
        runtime = Runtime("def handler(event, context): return b'\\xff{'").ready()
        self.assertEqual(runtime.invoke(), (RESPONSE, b"\xff{"))
        runtime.end()

    def test_six_megabytes_both_ways(self):
        runtime = Runtime("def handler(event, context): return event").ready()
        event = json.dumps("x" * (6 * 1024 * 1024 - 2)).encode()
        import threading
        sender = threading.Thread(target=runtime.send_invoke, args=(event,))
        sender.start()
        kind, _, payload = runtime.frame()
        sender.join()
        self.assertEqual((kind, payload), (RESPONSE, event))
        self.assertEqual(runtime.result({"small": 1}), {"small": 1})
        runtime.end()

    def test_frame_sizes_around_the_buffer(self):
        runtime = Runtime("def handler(event, context): return len(event)").ready()
        for size in range(65536 - 100, 65536 + 20, 7):
            self.assertEqual(runtime.result("x" * size), size)
        runtime.end()

    def test_trace_id(self):
        runtime = Runtime("import os\ndef handler(e, c): return os.environ.get('_X_AMZN_TRACE_ID')")
        runtime.ready()
        self.assertEqual(runtime.result(trace=b"Root=1-2"), "Root=1-2")
        self.assertIsNone(runtime.result())
        runtime.end()

    def test_children_do_not_get_the_socket(self):
        code = """
import os, subprocess
def handler(event, context):
    return subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True).stdout.decode()
"""
        self.assertNotIn("socket:", self.run_one(code))

    def test_search_path(self):
        code = "import sys\ndef handler(event, context): return sys.path"
        runtime = Runtime(code, env={"PYTHONPATH": "/some/where"}).ready()
        path = runtime.result()
        self.assertEqual(path[0], runtime.task)
        self.assertLess(path.index("/some/where"), path.index("/usr/lib/python3/dist-packages"))
        self.assertEqual(len(path), len(set(path)))
        runtime.end()

    def test_cold_start_imports_little(self):
        code = "import sys\ndef handler(event, context): return sorted(sys.modules)"
        loaded = self.run_one(code)
        for name in ("json", "re", "logging", "traceback", "socket", "site"):
            self.assertNotIn(name, loaded)


class Errors(unittest.TestCase):
    def test_exception(self):
        code = "def deep():\n    raise KeyError('k')\ndef handler(event, context):\n    deep()\n"
        runtime = Runtime(code).ready()
        error = runtime.error()
        self.assertEqual(list(error), ["errorMessage", "errorType", "requestId", "stackTrace"])
        self.assertEqual((error["errorMessage"], error["errorType"], error["requestId"]),
                         ("'k'", "KeyError", "req-1"))
        app = os.path.join(runtime.task, "app.py")
        self.assertEqual(error["stackTrace"], [
            f'  File "{app}", line 4, in handler\n    deep()\n',
            f"  File \"{app}\", line 2, in deep\n    raise KeyError('k')\n"])
        self.assertEqual(runtime.error(b"{}")["errorType"], "KeyError")
        _, output = runtime.end()
        self.assertIn("[ERROR] KeyError: 'k'\0Traceback (most recent call last):\0"
                      "\u00a0\u00a0File", output)

    def test_no_descriptors_left(self):
        runtime = Runtime("import os\nheld = []\ndef handler(e, c):\n"
                          "    while True: held.append(os.open('/dev/null', 0))\n").ready()
        for _ in range(2):
            error = runtime.error()
            self.assertEqual(error["errorType"], "OSError")
            self.assertIn("Too many open files", error["errorMessage"])
            self.assertRegex(error["stackTrace"][0], r'^  File ".*app.py", line 4, in handler\n')
        runtime.end()

    def test_wrong_arguments(self):
        runtime = Runtime("def handler(): pass").ready()
        error = runtime.error()
        self.assertEqual(error["errorType"], "TypeError")
        self.assertIn("takes 0 positional arguments but 2 were given", error["errorMessage"])
        runtime.end()

    def test_recursion(self):
        runtime = Runtime("def handler(e, c): return handler(e, c)").ready()
        self.assertEqual(runtime.error()["errorType"], "RecursionError")
        runtime.end()

    def test_unmarshallable_results(self):
        code = """
def handler(event, context):
    if event == 'gen': return (x for x in [1])
    if event == 'within': return [x for x in 'a'], (x for x in 'a')
    if event == 'set': return {'a': {1}}
    if event == 'cycle':
        a = []; a.append(a); return a
    if event == 'surrogate': return {'s': chr(0xd800)}
    return 'fine'
"""
        runtime = Runtime(code, env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}).ready()
        for event, message in (("gen", "an item of a stream is str or bytes, not int"),
                               ("within", "Object of type generator is not JSON serializable"),
                               ("set", "Object of type set is not JSON serializable"),
                               ("cycle", "Circular reference detected"), ("surrogate", "'utf-8'")):
            error = runtime.error(event)
            self.assertEqual(error["errorType"], "Runtime.MarshalError")
            self.assertIn("Unable to marshal response: " + message, error["errorMessage"])
            self.assertEqual(runtime.result("x"), "fine")
        runtime.end()

    def test_bad_event(self):
        runtime = Runtime("def handler(event, context): return 1").ready()
        error = runtime.error(b"{oops")
        self.assertEqual(error["errorType"], "Runtime.UnmarshalError")
        self.assertEqual(error["errorMessage"], "Unable to unmarshal input: Expecting property name "
                         "enclosed in double quotes: line 1 column 2 (char 1)")
        self.assertEqual(runtime.result(), 1)
        runtime.end()

    def check_exit(self, statement, code):
        runtime = Runtime(f"import os, sys\ndef handler(e, c):\n    {statement}\n").ready()
        runtime.send_invoke()
        with self.assertRaises(EOFError):
            runtime.frame()
        self.assertEqual(runtime.end()[0], code)

    def test_exits(self):
        self.check_exit("sys.exit(0)", 0)
        self.check_exit("sys.exit(7)", 7)
        self.check_exit("exit('bye')", 1)
        self.check_exit("os._exit(9)", 9)
        self.check_exit("os.kill(os.getpid(), 9)", -9)

    def check_init(self, code, handler, kind, message, **kwargs):
        runtime = Runtime(code, handler=handler, **kwargs)
        frame, seq, payload = runtime.start()
        self.assertEqual((frame, seq), (INIT_ERROR, 0))
        error = json.loads(payload)
        self.assertEqual((error["errorType"], error["errorMessage"]), (kind, message))
        status, output = runtime.end()
        self.assertEqual(status, 1)
        self.assertIn(f"[ERROR] {kind}: {message}", output)
        return error

    def test_init_errors(self):
        self.check_init("", "nope.handler", "Runtime.ImportModuleError",
                        "Unable to import module 'nope': No module named 'nope'")
        self.check_init("import missing_thing", "app.handler", "Runtime.ImportModuleError",
                        "Unable to import module 'app': No module named 'missing_thing'")
        self.check_init("", "app.handler", "Runtime.HandlerNotFound",
                        "Handler 'handler' missing on module 'app'")
        self.check_init("", "app", "Runtime.MalformedHandlerName",
                        "Bad handler 'app': not enough values to unpack (expected 2, got 1)")
        self.check_init("", "sys.exit", "Runtime.BuiltInModuleConflict",
                        "Cannot use built-in module sys as a handler module")
        error = self.check_init("x = (\n", "app.handler", "Runtime.UserCodeSyntaxError",
                                "Syntax error in module 'app': '(' was never closed (app.py, line 1)")
        self.assertIn("Line 1\n    x = (", error["stackTrace"][0])
        error = self.check_init("raise ValueError('at import')", "app.handler", "ValueError",
                                "at import")
        self.assertIn("in <module>\n    raise ValueError", error["stackTrace"][0])
        self.assertEqual(error["requestId"], "")

    def test_exit_during_init(self):
        runtime = Runtime("import sys; sys.exit(3)")
        self.assertEqual(runtime.frame()[0], BOOTED)
        with self.assertRaises(EOFError):
            runtime.frame()
        self.assertEqual(runtime.end()[0], 3)


STREAMS = """
import array, io, json
ended = []
def words(event):
    try:
        if event == 'before': raise KeyError('before')
        yield ''
        if event == 'none': return
        yield 'w\u00f6rd'
        if event == 'middle': raise KeyError('middle')
        if event == 'item': yield {'a': 1}
        if event == 'surrogate': yield chr(0xd800)
        yield bytearray(b'raw')
        yield memoryview(b'a-b-c')[::2]
        yield array.array('H', [1])
    finally:
        ended.append(event)
class Body:
    content_type = 'text/x-mine'
    def __init__(self, event): self.left = event
    def __iter__(self): return self
    def __next__(self):
        if not self.left: raise StopIteration
        self.left -= 1
        return 'x' * 70000
    def close(self): ended.append('body')
class Lines(list):
    def __next__(self): raise StopIteration
def handler(event, context):
    if event == 'ended': return ended
    if event == 'list': return Lines([1])
    if event == 'file': return io.BytesIO(bytes(range(256)) * 300)
    if event == 'lines': return io.StringIO('one\\ntwo\\n')
    if event == 'map': return map(json.dumps, [1, {'a': 2}])
    return Body(event) if isinstance(event, int) else words(event)
"""


class Streams(unittest.TestCase):
    HEAD, END = (STREAM_HEAD, b"application/octet-stream"), [(STREAM_END, b""), (RESPONSE, b"")]

    def setUp(self):
        self.runtime = Runtime(STREAMS).ready()
        self.addCleanup(lambda: self.assertEqual(self.runtime.end()[0], 0))

    def check(self, event, *pieces, head=HEAD):
        chunks = [(STREAM_CHUNK, piece) for piece in pieces]
        self.assertEqual(self.runtime.frames(event), [head, *chunks, *self.END])

    def test_generator(self):
        self.check("all", "w\u00f6rd".encode(), b"raw", b"abc", b"\1\0")
        self.check("none")
        self.assertEqual(self.runtime.result("ended"), ["all", "none"])

    def test_other_iterators(self):
        self.check("map", b"1", b'{"a": 2}')
        self.check("lines", b"one\n", b"two\n")
        data = bytes(range(256)) * 300
        self.check("file", data[:65536], data[65536:])
        self.check(2, *[b"x" * 65536, b"x" * 4464] * 2, head=(STREAM_HEAD, b"text/x-mine"))
        self.assertEqual(self.runtime.result("ended"), ["body"])
        self.assertEqual(self.runtime.result("list"), [1])

    def test_errors(self):
        begun = [self.HEAD, (STREAM_CHUNK, "w\u00f6rd".encode())]
        for event, before, kind, message in (
                ("before", [], "KeyError", "'before'"), ("middle", begun, "KeyError", "'middle'"),
                ("item", begun, "Runtime.MarshalError", "is str or bytes, not dict"),
                ("surrogate", begun, "Runtime.MarshalError", "surrogates not allowed")):
            *frames, (last, payload) = self.runtime.frames(event)
            self.assertEqual((frames, last), (before, ERROR))
            error = json.loads(payload)
            self.assertEqual((error["errorType"], error["requestId"]), (kind, "req-1"))
            self.assertIn(message, error["errorMessage"])
            if kind == "KeyError":
                self.assertRegex(error["stackTrace"][0], r'^  File ".*app.py", line \d+, in words\n')
        self.assertEqual(self.runtime.result("ended"), ["before", "middle", "item", "surrogate"])


class Output(unittest.TestCase):
    def test_logging_has_awss_format(self):
        code = """
import logging
logging.basicConfig(format='never')
logger = logging.getLogger()
logger.setLevel('INFO')
def handler(event, context):
    logger.info('one %d', 1)
    logging.getLogger('x').warning('two')
"""
        runtime = Runtime(code).ready()
        runtime.result(request_id="the-id")
        lines = runtime.end()[1].splitlines()
        self.assertRegex(lines[0], r"^\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tthe-id\tone 1$")
        self.assertRegex(lines[1], r"^\[WARNING\]\t.*Z\tthe-id\ttwo$")

    def test_output_is_there_before_the_answer(self):
        code = """
import os, sys
def handler(event, context):
    print('line'); print('part', end=''); sys.stderr.write('err'); print('\\u00e4')
    os.write(1, b'raw'); os.system('echo child')
"""
        runtime = Runtime(code).ready()
        runtime.result()
        text = os.read(runtime.process.stdout.fileno(), 65536).decode()
        for piece in ("line\n", "part", "err", "\u00e4", "raw", "child\n"):
            self.assertIn(piece, text)
        runtime.end()

    def test_closed_output_harms_nobody(self):
        code = """
import sys
def handler(event, context):
    if event: sys.stdout.close()
    else: raise ValueError('x')
"""
        runtime = Runtime(code).ready()
        runtime.result({"a": 1})
        self.assertEqual(runtime.error()["errorType"], "ValueError")
        runtime.end()

    def test_shutdown_ends(self):
        runtime = Runtime("import atexit\natexit.register(lambda: print('bye'))\n"
                          "def handler(e, c): return 1").ready()
        runtime.send_invoke()
        runtime.socket.sendall(HEADER.pack(0, SHUTDOWN, 0, 0, 0))
        self.assertEqual(runtime.frame()[0], RESPONSE)
        status, output = runtime.end()
        self.assertEqual((status, output), (0, "bye\n"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
