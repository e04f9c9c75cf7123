"""Virga's Python runtime: loads the user's handler and answers invocations over descriptor 3.

The wire format is src/runtime/frame.h. What user code sees (context, error objects, log lines,
module search path) follows AWS's awslambdaric 2 and 3, except where a comment says otherwise.

A cold start pays for every module imported here, so this file imports only what the interpreter
has built in or frozen. json (which needs re), traceback and logging are imported when the first
need arises; the logging module is configured the moment user code imports it.

User code is hostile to the platform by assumption, and shares this process: nothing here defends
the platform, which checks every frame. This file only keeps honest code from breaking itself:
print() cannot reach the protocol, and children do not inherit the socket.
"""
import os
import sys
import time
from _socket import socket as _Socket
from _struct import Struct

_HEADER = Struct("<IBBHI")
_DEADLINE = Struct("<q")
_LENGTH = Struct("<H")
_INVOKE, _SHUTDOWN, _RESTORE = 2, 3, 4
_READY, _INIT_ERROR, _RESPONSE, _ERROR, _BOOTED, _SNAPSHOT = 16, 17, 18, 19, 20, 25
_STREAM_HEAD, _STREAM_CHUNK, _STREAM_END = 21, 22, 23
_CHUNK_MAX = 64 * 1024  # FRAME_CHUNK_MAX
_FD_IMAGE = 5

# Beyond 128 kB malloc maps and unmaps memory on every call, which costs more than the call.
_BUFFER_SIZE = 64 * 1024

_NBSP = "\u00a0"
_LINE_BREAK = "\0"  # Inside one event of the log; src/runtime/lines.h makes it a newline again.
_request_id = ""  # of the running invocation, for the logging filter
# What the environment decides, see _configure().
_logs_json = False
_loads = _dumps = None
_lenient = None  # the module virga_lenient, where the function asks for it


class Fault(Exception):
    """An error that the runtime itself reports, with one of AWS's Runtime.* types."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace


# ---------------------------------------------------------------- the socket


class Channel:
    def __init__(self, fd):
        os.set_inheritable(fd, False)
        self.fd = fd
        self._socket = _Socket(fileno=fd)
        self._socket.setblocking(True)
        self._buffer = bytearray(_BUFFER_SIZE)
        self._view = memoryview(self._buffer)
        self._end = 0  # bytes of the buffer that hold input

    def _fill(self, need):
        while self._end < need:
            count = self._socket.recv_into(self._view[self._end :])
            if count == 0:
                raise EOFError
            self._end += count

    def receive(self):
        """The next frame: (type, seq, payload). The payload is a copy or, when small, a view that
        is valid until the next call."""
        self._fill(_HEADER.size)
        size, kind, _flags, _zero, seq = _HEADER.unpack_from(self._buffer)
        total = _HEADER.size + size
        if total <= _BUFFER_SIZE:
            self._fill(total)
            payload = self._view[_HEADER.size : total]
            rest = self._end - total
            if rest:  # A SHUTDOWN may stand right behind an INVOKE.
                payload = memoryview(bytes(payload))
                self._buffer[:rest] = self._buffer[total : self._end]
            self._end = rest
            return kind, seq, payload
        payload = memoryview(bytearray(size))
        at = self._end - _HEADER.size
        payload[:at] = self._view[_HEADER.size : self._end]
        self._end = 0
        while at < size:
            count = self._socket.recv_into(payload[at:])
            if count == 0:
                raise EOFError
            at += count
        return kind, seq, payload

    def send(self, kind, seq, payload=b""):
        header = _HEADER.pack(len(payload), kind, 0, 0, seq)
        if len(payload) < _BUFFER_SIZE:
            self._socket.sendall(header + payload)
        else:
            self._socket.sendall(header)
            self._socket.sendall(payload)


# ---------------------------------------------------------------- JSON


class _ScannerOptions:
    """What json.JSONDecoder gives to the C scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {
        "-Infinity": float("-inf"),
        "Infinity": float("inf"),
        "NaN": float("nan"),
    }.__getitem__


class _NeedsPythonEncoder(Exception):
    pass


def _encode_default(value):
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        raise _NeedsPythonEncoder
    if _lenient is not None:
        return _lenient.encode_default(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _loads_with_json(text):
    import json

    return json.loads(text)


def _dumps_with_json(value, ascii_only):
    """The slow way, which writes a Decimal with its own digits, as AWS does."""
    import json
    from json.encoder import _make_iterencode, encode_basestring, encode_basestring_ascii

    class Digits(float):
        pass

    def default(item):
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(item, decimal.Decimal):
            digits = Digits("nan")
            digits.text = "NaN" if item.is_nan() else str(item)
            return digits
        return _encode_default(item)

    def float_text(item):
        if isinstance(item, Digits):
            return item.text
        return json.dumps(item)

    string = encode_basestring_ascii if ascii_only else encode_basestring
    encode = _make_iterencode({}, default, string, None, float_text, ": ", ", ", False, False, False)
    return "".join(encode(value, 0))


def _make_codec(ascii_only):
    """(loads, dumps) over the C halves of the json module, without importing the module."""
    try:
        import _json

        scan = _json.make_scanner(_ScannerOptions)
        string = _json.encode_basestring_ascii if ascii_only else _json.encode_basestring
        seen = {}
        encode = _json.make_encoder(
            seen, _encode_default, string, None, ": ", ", ", False, False, True
        )
    except (ImportError, AttributeError, TypeError):  # Another interpreter than CPython.
        return _loads_with_json, lambda value: _dumps_with_json(value, ascii_only)

    def loads(text):
        try:
            value, end = scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError, RecursionError, SystemError):
            pass  # SystemError: the scanner looks for the exception's class in json.decoder.
        return _loads_with_json(text)  # Blanks around the value, or an error with its message.

    def dumps(value):
        if type(value) is str:
            return string(value)
        try:
            return "".join(encode(value, 0))
        except _NeedsPythonEncoder:
            return _dumps_with_json(value, ascii_only)
        finally:
            seen.clear()  # An error leaves its containers behind.

    return loads, dumps


def _is_ascii_runtime():
    # AWS escapes non-ASCII characters in answers up to python3.11 and no longer from 3.12 on.
    name = os.environ.get("AWS_EXECUTION_ENV", "")
    minor = name.rpartition("python3.")[2]
    return not (minor.isdigit() and int(minor) >= 12)


def _configure():
    """Does what the environment says; a copy of a booted process gets its own later."""
    global _logs_json, _loads, _dumps
    _logs_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    _loads, _dumps = _make_codec(_is_ascii_runtime())


# ---------------------------------------------------------------- errors


def _error_object(message, kind, trace, request_id=""):
    return {
        "errorMessage": message or "",
        "errorType": kind or "",
        "requestId": request_id,
        "stackTrace": trace or [],
    }


def _bare_stack(trace):
    """The stack without source lines and without imports."""
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != _OWN_FILE:
            lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n')
        trace = trace.tb_next
    return lines


def _stack_of(error):
    try:
        import traceback
    except Exception:  # The handler has used up the descriptors, or the memory.
        return _bare_stack(error.__traceback__)

    frames = [
        (frame.filename, frame.lineno, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    for at, frame in enumerate(frames):  # Frames of this file are no news to the user.
        if frame[0] != _OWN_FILE:
            frames = frames[at:]
            break
    return traceback.format_list(frames)


def _error_of_exception(error, request_id=""):
    try:
        message = str(error)
    except Exception:
        message = "<exception text not available>"
    return _error_object(message, type(error).__name__, _stack_of(error), request_id)


def _error_of(error, request_id=""):
    if isinstance(error, Fault):
        return _error_object(error.message, error.kind, error.trace, request_id)
    return _error_of_exception(error, request_id)


_OWN_FILE = _error_of.__code__.co_filename


def _log_error(error):
    if _logs_json:
        _write_error(_dumps({"timestamp": _iso_time(time.time()), "level": "ERROR", **error}))
        return
    head = "[ERROR]"
    if error["errorType"]:
        head += " " + error["errorType"]
    if error["errorMessage"]:
        head += (":" if error["errorType"] else "") + " " + error["errorMessage"]
    lines = [head, "Traceback (most recent call last):"]
    for entry in error["stackTrace"]:
        for line in entry.splitlines():
            bare = line.lstrip(" ")
            lines.append(_NBSP * (len(line) - len(bare)) + bare)
    _write_error(_LINE_BREAK.join(lines))


def _write_error(text):
    try:
        sys.stdout.write(text + "\n")
    except Exception:
        pass  # User code may have closed or replaced its standard output; the answer matters more.


def _encode_error(error):
    return _dumps(error).encode("utf-8", "backslashreplace")


# ---------------------------------------------------------------- logging


class _LoggingFinder:
    """Configures the logging module, as AWS's runtime does, when it is first imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _LoggingLoader(spec.loader)
                return spec
        return None


class _LoggingLoader:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _configure_logging(module)


def _configure_logging(logging):
    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = _request_id
            return True

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            text = self.format(record)
            if text.find("\n", 0, -1) >= 0:  # The end that the format gives stays.
                text = text[:-1].replace("\n", _LINE_BREAK) + text[-1:]
            sys.stdout.write(text)

    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    if _logs_json:
        handler.setFormatter(_make_json_formatter(logging))
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                "%Y-%m-%dT%H:%M:%S",
            )
        )
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = "DEBUG" if level == "TRACE" else level
    if level in logging._nameToLevel:
        root.setLevel(level)
    root.addHandler(handler)


def _make_json_formatter(logging):
    """Records as AWS's JSON log format has them: fixed fields, then what came in `extra`."""
    import json
    import traceback

    own = set(vars(logging.makeLogRecord({}))) | {"aws_request_id", "message", "asctime", "taskName"}

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            level = min(50, max(0, record.levelno)) // 10 * 10
            fields = {
                "timestamp": _iso_time(record.created),
                "level": logging.getLevelName(level),
                "message": record.getMessage(),
                "logger": record.name,
            }
            if record.exc_info and record.exc_info[0]:
                kind, error, trace = record.exc_info
                fields["stackTrace"] = traceback.format_tb(trace)
                fields["errorType"] = kind.__name__
                fields["errorMessage"] = str(error)
            fields["requestId"] = record.aws_request_id
            if record.exc_info:
                fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
            for name, value in vars(record).items():
                if name not in own and name not in fields and value is not None:
                    fields[name] = value
            return json.dumps(fields, ensure_ascii=False) + "\n"

    return JsonFormatter()


def _iso_time(seconds):
    millis = int(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"


# ---------------------------------------------------------------- the context object


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client:
    __slots__ = [
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    ]


class ClientContext:
    __slots__ = ["custom", "env", "client"]


def _object_from(cls, fields):
    made = cls()
    for name in cls.__slots__:
        setattr(made, name, fields.get(name))
    return made


def _parse_context(text, name):
    try:
        return _loads(text)
    except Exception as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from None


class LambdaContext:
    """The second argument of a handler. request_id, memory_limit and remaining_time are spellings
    found in existing code besides AWS's own."""

    def __init__(self, request_id, deadline_ms, arn, client_context, cognito_identity):
        environ = os.environ
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.tenant_id = None
        self.client_context = None
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = self.identity.cognito_identity_pool_id = None
        self._deadline_ms = deadline_ms
        if client_context:
            self._set_client_context(_parse_context(client_context, "Client Context"))
        if cognito_identity:
            fields = _parse_context(cognito_identity, "Cognito Identity")
            self.identity.cognito_identity_id = fields.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")

    def _set_client_context(self, fields):
        self.client_context = _object_from(ClientContext, fields)
        if self.client_context.client is not None:
            self.client_context.client = _object_from(Client, self.client_context.client)

    def get_remaining_time_in_millis(self):
        left = self._deadline_ms - int(time.time() * 1000)
        return left if left > 0 else 0

    def log(self, message):
        sys.stdout.write(str(message))

    @property
    def request_id(self):
        return self.aws_request_id

    @property
    def memory_limit(self):
        return self.memory_limit_in_mb

    @property
    def remaining_time(self):
        return self.get_remaining_time_in_millis()

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        fields = ",".join(f"{name}={getattr(self, name)}" for name in names)
        return f"LambdaContext([{fields}])"


# ---------------------------------------------------------------- the handler


def _set_search_path():
    """AWS's order: the code, its layers, then the runtime's own and the system's packages."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    declared = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("_")[2]
    own = [os.environ.get("LAMBDA_TASK_ROOT", "/var/task")]
    layers = [f"/opt/python/lib/{name}/site-packages" for name in dict.fromkeys((declared, version))]
    layers.append("/opt/python")
    system = [f"/usr/local/lib/{version}/dist-packages", "/usr/lib/python3/dist-packages"]
    rest = [path for path in dict.fromkeys(sys.path[1:]) if path not in own]
    runtime = [sys.path[0]]
    # A directory that is not there would cost a system call in each import.
    found = [path for path in layers if os.path.isdir(path)]
    tail = [path for path in system if os.path.isdir(path)]
    sys.path[:] = list(dict.fromkeys(own + found + runtime + rest + tail))


def _add_site_builtins():
    """What the site module gives (it is skipped: it costs a third of the start)."""
    import builtins

    from _sitebuiltins import Quitter

    builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")


def _load_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    dotted = module_name.replace("/", ".")
    try:
        __import__(dotted)
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from None
    except SyntaxError as error:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from None
    try:
        return getattr(sys.modules[dotted], function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'"
        ) from None


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # User code may have closed or replaced it; its own lines are lost, no more.


# ---------------------------------------------------------------- invocations


def _split_invoke(payload):
    """(deadline_ms, five texts, event) of an INVOKE payload."""
    (deadline_ms,) = _DEADLINE.unpack_from(payload, 0)
    at = _DEADLINE.size
    texts = []
    for _ in range(5):
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        texts.append(str(payload[at : at + length], "utf-8"))
        at += length
    return deadline_ms, texts, payload[at:]


def _parse_event(event):
    try:
        return _loads(str(event, "utf-8"))
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def _marshal_error(why):
    return Fault("Runtime.MarshalError", f"Unable to marshal response: {why}")


def _answer(channel, seq, result):
    """The payload of the RESPONSE. What JSON cannot say and is an iterator (a generator, a file) has
    been sent as a stream then; asking here costs the other answers nothing."""
    if isinstance(result, bytes):
        return result
    try:
        return _dumps(result).encode("utf-8")
    except Exception as error:
        if not hasattr(type(result), "__next__"):
            raise _marshal_error(error) from None
    _stream(channel, seq, result)
    return b""


def _bytes_of(item):
    """An item of a stream as it is sent."""
    try:
        return item.encode("utf-8") if isinstance(item, str) else memoryview(item).tobytes()
    except UnicodeEncodeError as error:
        raise _marshal_error(error) from None
    except TypeError:
        kind = type(item).__name__
        raise _marshal_error(f"an item of a stream is str or bytes, not {kind}") from None


def _stream(channel, seq, result):
    """Sends what an iterator gives as it gives it. The head goes with the first bytes: what is raised
    before them is an error like any other."""
    content_type = getattr(result, "content_type", None) or "application/octet-stream"
    content_type = str(content_type).encode("utf-8")
    read = getattr(result, "read1", None)  # A binary file's lines may be long, or none.
    is_begun = False
    try:
        for item in result if read is None else iter(lambda: read(_CHUNK_MAX), b""):
            piece = _bytes_of(item)
            if piece and not is_begun:
                is_begun = True
                channel.send(_STREAM_HEAD, seq, content_type)
            for at in range(0, len(piece), _CHUNK_MAX):
                channel.send(_STREAM_CHUNK, seq, piece[at : at + _CHUNK_MAX])
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    if not is_begun:
        channel.send(_STREAM_HEAD, seq, content_type)
    channel.send(_STREAM_END, seq)


def _set_trace_id(trace_id):
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    elif "_X_AMZN_TRACE_ID" in os.environ:
        del os.environ["_X_AMZN_TRACE_ID"]


def _invoke(channel, seq, handler, payload):
    """Runs one invocation: (frame type, payload of the answer)."""
    global _request_id
    deadline_ms, texts, event = _split_invoke(payload)
    _request_id, arn, trace_id, client_context, cognito_identity = texts
    _set_trace_id(trace_id)
    try:
        context = LambdaContext(_request_id, deadline_ms, arn, client_context, cognito_identity)
        return _RESPONSE, _answer(channel, seq, handler(_parse_event(event), context))
    except Exception as error:
        fault = _error_of(error, _request_id)
    _log_error(fault)
    return _ERROR, _encode_error(fault)


def _init(channel):
    """The user's handler; does not return when it cannot be loaded."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.meta_path.insert(0, _LoggingFinder())
    _add_site_builtins()
    _set_search_path()
    load = _load_handler
    if os.environ.get("VIRGA_LENIENT") == "1":
        global _lenient
        _lenient = __import__("virga_lenient")
        load = _lenient.install(_load_handler)
    if os.environ.get("VIRGA_DEBUG"):
        return __import__("virga_debug").defer(lambda: load(os.environ.get("_HANDLER", "")))
    try:
        return load(os.environ.get("_HANDLER", ""))
    except Exception as error:
        fault = _error_of(error)
    _log_error(fault)
    _flush()
    channel.send(_INIT_ERROR, 0, _encode_error(fault))
    sys.exit(1)


def _image_wanted():
    """What is this process started to be copied as? "--template": an initialised function,
    "--snapstart": the same, whatever its init does, "--boot": the booted language, nobody's yet; else
    None. Hides it from user code."""
    found = sys.argv[1] if sys.argv[1:] in (["--template"], ["--snapstart"], ["--boot"]) else None
    if found:
        del sys.argv[1]
        del getattr(sys, "orig_argv", [None])[-1]
    return found


def _fail_in_hook(channel, error, kind):
    """As AWS's runtime: what a hook raises is an error of the init."""
    fault = _error_of(error)
    fault["errorType"] = kind
    _log_error(fault)
    _flush()
    channel.send(_INIT_ERROR, 0, _encode_error(fault))
    os._exit(1)


def _take_snapshot(channel, template, watch):
    """Ends the template; returns in its copies, once they know who they are. watch: None when no
    function has been initialised."""
    why = template.why_not(watch) if watch is not None else None
    if why is None:
        try:
            template.run_hooks_before()
        except Exception as error:
            _fail_in_hook(channel, error, "Runtime.BeforeSnapshotError")
        why = template.take(_FD_IMAGE, channel.fd)
    if why is not None:
        channel.send(_SNAPSHOT, 0, why.encode("utf-8", "backslashreplace"))
        os._exit(0)
    os.set_inheritable(channel.fd, False)  # A flag of the descriptor, which is another one here.
    try:
        kind, _seq, payload = channel.receive()
    except EOFError:
        os._exit(0)
    if kind != _RESTORE:
        os._exit(1)
    if watch is None:
        locale = os.environ.get("LC_CTYPE")  # The interpreter's own doing, where the host lacks LANG's.
        os.environ.clear()
        if locale is not None:
            os.environ["LC_CTYPE"] = locale
    try:
        template.adopt(payload)
    except Exception as error:
        _fail_in_hook(channel, error, "Runtime.AfterRestoreError")


def main(fd):
    channel = Channel(fd)
    image = _image_wanted()
    template = __import__("virga_template") if image else None
    if image == "--boot":
        _take_snapshot(channel, template, None)
        time.tzset()
        os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    _configure()
    channel.send(_BOOTED, 0)
    watch = template.Watch(image == "--snapstart") if image in ("--template", "--snapstart") else None
    handler = _init(channel)
    _flush()
    if watch is not None:
        _take_snapshot(channel, template, watch)
    channel.send(_READY, 0)
    while True:
        try:
            kind, seq, payload = channel.receive()
        except EOFError:
            return
        if kind != _INVOKE:
            return
        kind, answer = _invoke(channel, seq, handler, payload)
        _flush()
        channel.send(kind, seq, answer)
