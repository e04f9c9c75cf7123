"""The lenient prelude: VIRGA_LENIENT=1 in a function's environment runs code as books and web pages
print it, which leaves out its imports. On AWS such code fails with a NameError; so does it here,
unless asked for.

Into each module of the package, before it runs, go those names that it reads and that stand in the
table below, or are public in a module `virga_stubs` of the package (what the text takes for granted).
The module's own definitions win. Only what is read is imported, and one line in the log says what was
given. Besides: a handler may be an attribute of an object ("app.router.handle"), and answers may hold
dates, sets and numbers of numpy; and boto3 finds the platform's services whatever its age.
"""
import builtins
import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder

# Name in the code -> module, or module:attribute.
_NAMES = {
    "boto3": "boto3",
    "botocore": "botocore",
    "ClientError": "botocore.exceptions:ClientError",
    "Key": "boto3.dynamodb.conditions:Key",
    "Attr": "boto3.dynamodb.conditions:Attr",
    "Config": "botocore.config:Config",
    "Image": "PIL:Image",
    "redis": "redis",
    "psycopg2": "psycopg2",
    "pymysql": "pymysql",
    "joblib": "joblib",
    "requests": "requests",
    "np": "numpy",
    "pd": "pandas",
    "yaml": "yaml",
    "uuid4": "uuid:uuid4",
    "datetime": "datetime:datetime",
    "timedelta": "datetime:timedelta",
    "timezone": "datetime:timezone",
    "Decimal": "decimal:Decimal",
    "defaultdict": "collections:defaultdict",
    "Counter": "collections:Counter",
    "OrderedDict": "collections:OrderedDict",
    "deque": "collections:deque",
    "wraps": "functools:wraps",
    "partial": "functools:partial",
    "reduce": "functools:reduce",
    "lru_cache": "functools:lru_cache",
    "dataclass": "dataclasses:dataclass",
    "field": "dataclasses:field",
    "Enum": "enum:Enum",
    "ABC": "abc:ABC",
    "abstractmethod": "abc:abstractmethod",
    "Path": "pathlib:Path",
    "ThreadPoolExecutor": "concurrent.futures:ThreadPoolExecutor",
    "as_completed": "concurrent.futures:as_completed",
    "BytesIO": "io:BytesIO",
    "StringIO": "io:StringIO",
    "quote": "urllib.parse:quote",
    "unquote": "urllib.parse:unquote",
    "unquote_plus": "urllib.parse:unquote_plus",
    "urlparse": "urllib.parse:urlparse",
}
_NAMES.update((name, name) for name in (
    "asyncio", "base64", "collections", "copy", "csv", "enum", "functools", "glob", "gzip", "hashlib",
    "hmac", "io", "itertools", "json", "logging", "math", "os", "pathlib", "pickle", "random", "re",
    "secrets", "shutil", "signal", "socket", "ssl", "statistics", "string", "struct", "subprocess",
    "sys", "tempfile", "threading", "time", "traceback", "typing", "urllib", "uuid", "zipfile"))
_NAMES.update((name, "typing:" + name) for name in (
    "Any", "Callable", "Dict", "Generator", "Iterable", "Iterator", "List", "Optional", "Set", "Tuple",
    "Type", "Union"))
# A package whose parts are used without being imported.
_PARTS = {"concurrent": "concurrent.futures", "urllib": "urllib.parse"}
_NAMES["concurrent"] = "concurrent"


def _names_read(code):
    """The global names that a code object and those inside it read."""
    import dis

    names = set()
    waiting = [code]
    while waiting:
        code = waiting.pop()
        waiting += [const for const in code.co_consts if hasattr(const, "co_code")]
        names.update(step.argval for step in dis.get_instructions(code)
                     if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return names


def _find(name):
    """What a name of the table stands for."""
    module, _, attribute = _NAMES[name].partition(":")
    if module in _PARTS:
        import_module(_PARTS[module])
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def _stubs():
    try:
        return vars(import_module("virga_stubs"))
    except ModuleNotFoundError as error:
        if error.name != "virga_stubs":
            raise
        return {}


def _bind(module, code):
    given, missing = [], []
    stubs = {} if module.__name__ == "virga_stubs" else _stubs()
    for name in sorted(_names_read(code)):
        if name in vars(module) or hasattr(builtins, name):
            continue
        if name in stubs and not name.startswith("_"):
            setattr(module, name, stubs[name])
        elif name in _NAMES:
            try:
                setattr(module, name, _find(name))
            except ImportError:
                missing.append(name)
                continue
        else:
            continue
        given.append(name)
    if given or missing:
        text = "virga: lenient: " + module.__name__ + " is given " + (", ".join(given) or "nothing")
        print(text + ("; not installed: " + ", ".join(missing) if missing else ""), file=sys.stderr)


class _Loader:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        code = self._loader.get_code(module.__name__)
        _bind(module, code)
        exec(code, vars(module))


class _SessionLoader:
    """botocore reads AWS_ENDPOINT_URL from 1.31 on; older ones (Debian 12's) would go to AWS."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        create = module.Session.create_client

        def create_client(self, *args, **options):
            if options.get("endpoint_url") is None:
                options["endpoint_url"] = os.environ.get("AWS_ENDPOINT_URL")
            return create(self, *args, **options)

        if tuple(int(part) for part in module.__version__.split(".")[:2]) < (1, 31):
            module.Session.create_client = create_client


class _Finder:
    """Finds the package's own modules; layers and libraries import what they need."""

    def __init__(self, root):
        self._root = os.path.join(root, "")

    def find_spec(self, name, path=None, target=None):
        if name in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if name == "botocore.session" and spec is not None:
            spec.loader = _SessionLoader(spec.loader)
            return spec
        is_own = spec is not None and (spec.origin or "").startswith(self._root)
        if not is_own or not hasattr(spec.loader, "get_code"):
            return None
        spec.loader = _Loader(spec.loader)
        return spec


def _walk_to(name):
    """The object of "module.object.method"; None: it is not there."""
    parts = name.replace("/", ".").split(".")
    for count in range(len(parts) - 1, 0, -1):
        found = sys.modules.get(".".join(parts[:count]))
        for part in parts[count:] if found is not None else ():
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def _import_first(name):
    """Imports the longest beginning of a dotted name that is a module."""
    parts = name.replace("/", ".").split(".")
    for count in range(len(parts) - 1, 0, -1):
        dotted = ".".join(parts[:count])
        try:
            return import_module(dotted)
        except ModuleNotFoundError as error:
            if error.name is None or not (dotted + ".").startswith(error.name + "."):
                raise
    return None


def encode_default(value):
    """JSON for what AWS's runtime does not know: dates, sets, and numbers and arrays of numpy."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def install(load_handler):
    """Begins to be lenient. Returns what is to find the handler instead of load_handler."""
    sys.meta_path.insert(0, _Finder(os.environ.get("LAMBDA_TASK_ROOT", "/var/task")))

    def load(name):
        try:
            _import_first(name)
        except (ImportError, SyntaxError):
            return load_handler(name)  # which says it in AWS's words
        found = _walk_to(name)
        return load_handler(name) if found is None else found

    return load
