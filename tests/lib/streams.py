"""A client of streamed answers that sees the bytes as they come: raw HTTP/1.1 on a socket, and
InvokeWithResponseStream's events by botocore's own decoder of frames."""
import json
import socket

from botocore.eventstream import EventStreamBuffer


class Answer:
    """A request that has been sent; head and body are read as far as asked for."""

    def __init__(self, port, method, path, body=b"", headers=(), host="127.0.0.1", buffer=None):
        self.socket = socket.socket()
        if buffer:  # before the connection: it bounds what the peer may send unread
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.rest = b""
        self.is_whole = False
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        self.status = int(head[0].split(" ")[1])
        self.headers = [tuple(line.split(": ", 1)) for line in head[1:]]

    def header(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.rest += data

    def until(self, mark):
        while mark not in self.rest:
            self.more()
        found, self.rest = self.rest.split(mark, 1)
        return found

    def exactly(self, size):
        while len(self.rest) < size:
            self.more()
        found, self.rest = self.rest[:size], self.rest[size:]
        return found

    def chunk(self):
        """The next chunk of the coding; b"" at the regular end. EOFError: it broke off."""
        size = int(self.until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        self.is_whole = size == 0
        return data

    def read(self):
        """All that is left of the body."""
        if self.header("Content-Length") is not None:
            self.is_whole = True
            return self.exactly(int(self.header("Content-Length")))
        found = b""
        while data := self.chunk():
            found += data
        return found

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Events(Answer):
    """InvokeWithResponseStream; iterating gives (event type, payload) as they come."""

    def __init__(self, port, name, event=None, headers=(), payload=None, query="", **options):
        super().__init__(
            port, "POST", f"/2021-11-15/functions/{name}/response-streaming-invocations{query}",
            json.dumps(event).encode() if payload is None else payload, headers, **options)
        self.frames = EventStreamBuffer()

    def __iter__(self):
        while data := self.chunk():
            self.frames.add_data(data)
            for frame in self.frames:
                kind = frame.headers[":event-type"]
                assert frame.headers[":message-type"] == "event"
                assert frame.headers[":content-type"] == (
                    "application/octet-stream" if kind == "PayloadChunk" else "application/json")
                yield kind, frame.payload

    def all(self):
        """(body, the last event)."""
        body = b""
        for kind, payload in self:
            if kind == "InvokeComplete":
                assert self.chunk() == b""
                return body, json.loads(payload)
            body += payload
        raise AssertionError("no InvokeComplete")
