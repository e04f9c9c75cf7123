"""Debugging a function: VIRGA_DEBUG in its environment is the token of `virga invoke --debug`.

debugpy listens on the instance's own loopback, which nobody outside reaches; so a relay of ours calls
the platform (where AWS_ENDPOINT_URL points) and asks to upgrade to "virga-debug": what comes over such
a connection goes to debugpy, and back. One connection is always kept waiting for the next front end.

The function's code is loaded in the first call, after a debugger has attached, so breakpoints of its
module hold, too, and the limit of an init does not run out while a person looks. The relay's threads
are not the debugger's to stop.
"""
import os
import socket
import sys
import threading

_PORT = 5678


def _thread(run, *arguments):
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    thread.pydev_do_not_trace = True  # debugpy's marks for threads of its own
    thread.is_pydev_daemon_thread = True
    thread.start()


def _open(token):
    """A connection that waits for a front end."""
    host, _, port = os.environ["AWS_ENDPOINT_URL"].rpartition("/")[2].partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"GET /_virga/debug/{token} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                       "Connection: upgrade\r\nUpgrade: virga-debug\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    if not head.startswith(b"HTTP/1.1 101 "):
        raise OSError("the server does not forward debuggers (virga serve --dev)")
    return connection


def _copy(source, sink):
    try:
        while True:
            some = source.recv(65536)
            if not some:
                break
            sink.sendall(some)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _relay(token, connection):
    while True:
        first = connection.recv(65536)
        if first:
            debugger = socket.create_connection(("127.0.0.1", _PORT))
            debugger.sendall(first)
            _thread(_copy, connection, debugger)
            _thread(_copy, debugger, connection)
        connection = _open(token)


def _attach(token):
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # no warning about frozen modules
    try:
        import debugpy
    except ImportError:
        print("virga: debug: this host lacks debugpy (package python3-debugpy)", file=sys.stderr)
        return
    try:
        connection = _open(token)
    except OSError as error:
        print(f"virga: debug: {error}", file=sys.stderr)
        return
    debugpy.configure(subProcess=False)
    debugpy.listen(("127.0.0.1", _PORT))
    _thread(_relay, token, connection)
    print("virga: debug: waiting for a debugger", file=sys.stderr)
    sys.stderr.flush()
    debugpy.wait_for_client()


def defer(load):
    """A handler that attaches and loads at its first call."""
    loaded = []

    def handler(event, context):
        if not loaded:
            _attach(os.environ["VIRGA_DEBUG"])
            loaded.append(load())
        return loaded[0](event, context)

    return handler
