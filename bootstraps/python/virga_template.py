"""Turns an initialised Python process into a template, and its copies into instances.

Loaded only in the throw-away instance that a snapshot is taken of; part of its copies from then on.

A copy differs from a fresh process in one way that matters: what was drawn from a source of
randomness, or learned about this instance alone, before the snapshot is the same in all copies. So
the user's init is observed, and the snapshot is not taken when something of the kind happened:

    os.urandom, os.getrandom             keys, ids, uuid4, secrets, SystemRandom
    ssl.RAND_bytes, uuid.uuid1, getnode
    the global generator of `random`     compared with its state after import
    random.Random instances              their state would go on equally in all copies
    reading the log stream's name        the identity of an instance

What libraries draw for their own generators at import is renewed in a copy instead: `random` and
tempfile by the interpreter's own rule for forks, numpy and multiprocessing here. The hash seed of strings is shared.
C code that asks the kernel by itself is not seen, except OpenSSL, which notices a copy by its pid.
"""
import os
import sys

_STREAM = "AWS_LAMBDA_LOG_STREAM_NAME"
_drawn = []  # what happened, in words


def _note(what):
    if not _drawn:
        _drawn.append(what)


def _observed(function, what, is_harmless=lambda: False):
    def observer(*args, **kwargs):
        if not is_harmless():
            _note(what)
        return function(*args, **kwargs)

    observer.__name__ = getattr(function, "__name__", what)
    observer.__wrapped__ = function
    return observer


def _reads_all(frame):
    """Is this the loop of os.environ.items(), values() or copy()? That asks for no name."""
    place = frame.f_globals.get("__name__"), frame.f_code.co_name
    return place in (("collections.abc", "__iter__"), ("os", "copy"))


def _is_renewed():
    """Does a library draw, while it is imported, what adopt() draws again in each copy?"""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") in _renewals:
            return True
        frame = frame.f_back
    return False


class _Finder:
    """Looks at some modules the moment they have been imported."""

    def __init__(self, watched):
        self._watched = watched

    def find_spec(self, name, path=None, target=None):
        watch = self._watched.pop(name, None)
        if watch is None:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                spec.loader = _Loader(spec.loader, watch)
                return spec
        return None


class _Loader:
    def __init__(self, loader, watch):
        self._loader = loader
        self._watch = watch

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._watch(module)


class Watch:
    """Observes the user's init from its creation to stop(). is_lenient: the function's owner has asked
    for a snapshot (SnapStart), and sees to what is unique himself, as AWS has it."""

    def __init__(self, is_lenient=False):
        self.is_lenient = is_lenient
        self._random_state = None
        self._undo = []
        self._patch(os, "urandom", "os.urandom", _is_renewed)
        self._patch(os, "getrandom", "os.getrandom")
        self._watch_environ()
        self._finder = _Finder(
            {
                "random": self._on_random,
                "ssl": self._on_ssl,
                "uuid": self._on_uuid,
                "multiprocessing.process": self._on_multiprocessing,
            }
        )
        for name in [name for name in self._finder._watched if name in sys.modules]:
            self._finder._watched.pop(name)(sys.modules[name])
        sys.meta_path.insert(0, self._finder)

    def _patch(self, module, name, what, is_harmless=lambda: False):
        original = getattr(module, name, None)
        if original is None:
            return
        setattr(module, name, _observed(original, what, is_harmless))
        self._undo.append((module, name, original))

    def _watch_environ(self):
        kind = type(os.environ)
        original = kind.__getitem__

        def getitem(environ, key):
            if key == _STREAM and not _reads_all(sys._getframe(1)):
                _note("the name of the log stream was read")
            return original(environ, key)

        kind.__getitem__ = getitem
        self._undo.append((kind, "__getitem__", original))

    def _on_random(self, module):
        self._random_state = module.getstate()

    def _on_ssl(self, module):
        self._patch(module, "RAND_bytes", "ssl.RAND_bytes")

    def _on_uuid(self, module):
        self._patch(module, "uuid1", "uuid.uuid1")
        self._patch(module, "getnode", "uuid.getnode")

    def _on_multiprocessing(self, module):
        global _authkey
        _authkey = module.current_process()._config.get("authkey")

    def _check_generators(self):
        module = sys.modules.get("random")
        if module is None:
            return
        if self._random_state != module.getstate():
            _note("random")
        import gc

        tempfile = sys.modules.get("tempfile")
        names = getattr(tempfile, "_name_sequence", None)
        known = {id(getattr(module, "_inst", None)), id(getattr(names, "_rng", None))}
        system = module.SystemRandom
        for item in gc.get_objects():
            kind = type(item)
            if id(item) not in known and issubclass(kind, module.Random):
                if not issubclass(kind, system):
                    _note("a random.Random was made")

    def stop(self):
        """What was drawn, or None. Everything is as it was then, but for references that user code
        took from an observed module: those still work."""
        self._check_generators()
        for owner, name, original in reversed(self._undo):
            setattr(owner, name, original)
        self._undo.clear()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        return _drawn[0] if _drawn else None


def _hooks(name):
    module = sys.modules.get("snapshot_restore_py")
    return list(getattr(module, name)()) if module is not None else []


def _renew_numpy(module):
    module.seed()


def _renew_multiprocessing(module):
    """The key that processes of one program know each other by, unless the user has set his own."""
    config = module.current_process()._config
    if config.get("authkey") is _authkey:
        config["authkey"] = module.AuthenticationString(os.urandom(32))


_renewals = {"numpy.random": _renew_numpy, "multiprocessing.process": _renew_multiprocessing}
_authkey = None  # what multiprocessing drew


def why_not(watch):
    """Why no snapshot of this init can be taken, or None."""
    try:
        what = watch.stop()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if what is not None and not watch.is_lenient:
        return "the init drew something unique: " + what
    return None


def run_hooks_before():
    """Raises what a hook raises."""
    for function, args, kwargs in reversed(_hooks("get_before_snapshot")):
        function(*args, **kwargs)


def take(image_fd, control_fd):
    """Returns None in each copy, and in the template why there is no image, or "" when it is
    written."""
    try:
        import gc

        import virga_snap

        gc.collect()
        gc.freeze()  # A collection in a copy would write to every page of the heap.
        return virga_snap.take(image_fd, control_fd)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def adopt(payload):
    """What a copy does first. payload: the environment's values of this instance, NAME=value and a
    NUL each. Raises what a hook raises."""
    for item in str(payload, "utf-8", "surrogateescape").split("\0")[:-1]:
        name, _, value = item.partition("=")
        os.environ[name] = value
    for name, renew in _renewals.items():
        if name in sys.modules:
            renew(sys.modules[name])
    for function, args, kwargs in _hooks("get_after_restore"):
        function(*args, **kwargs)
