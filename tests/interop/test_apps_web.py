"""Web frameworks behind their adapters for Lambda, through function URLs: Express (serverless-http,
@codegenie/serverless-express), Hono (buffered and streamed), Fastify. Each is called in an instance from
scratch and in one restored from a snapshot."""
import json
import tempfile
import unittest

from apps import AppTest, package

JSON = [("Content-Type", "application/json")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]
BYTES = [("Content-Type", "application/octet-stream")]
PATH = "/items/7%20x?tag=a&tag=b&text=%C3%BC%2B+"  # "7 x", two tags, "ü+ "


class ExpressTest(AppTest):
    def check_requests(self, name):
        answer = self.ask(name)
        self.assertEqual(answer[2], b"Hello, <b>World</b>")
        self.assertEqual((answer[1]["Content-Type"], answer[1]["X-Seen"]), ("text/html; charset=utf-8", "GET /"))
        self.assertEqual(self.ask_json(name, "/api" + PATH),
                         {"id": "7 x", "query": {"tag": ["a", "b"], "text": "ü+ "}})
        status, headers, content = self.ask(name, "/api/items", "POST", '{"id": "ü"}'.encode(), JSON)
        self.assertEqual((status, headers["Location"], json.loads(content)), (201, "/api/items/%C3%BC", {"id": "ü"}))
        self.assertEqual(self.ask_json(name, "/api/items", "POST", b"id=1&tag=a&tag=b&o[k]=v", FORM),
                         {"id": "1", "tag": ["a", "b"], "o": {"k": "v"}})
        every = bytes(range(256))
        self.assertEqual(self.ask(name, "/bytes", "POST", every, BYTES)[2], every[::-1])
        self.assertEqual(self.ask(name, "/pixel")[2][:8], b"\x89PNG\r\n\x1a\n")

    def check_statuses(self, name):
        for arguments, status, content in (
                (("/broken",), 500, b'{"error":"out of order"}'), (("/nowhere",), 404, b"Cannot GET /nowhere"),
                (("/api/items", "POST", b'{"id', JSON), 400, b"JSON"), (("/old",), 301, b"Redirecting to /?from=old"),
                (("/api/items/1", "DELETE"), 204, b""), (("/", "OPTIONS"), 200, b"GET, HEAD"), (("/", "HEAD"), 200, b"")):
            answer = self.ask(name, *arguments)
            self.assertEqual(answer[0], status, arguments)
            self.assertIn(content, answer[2])
        tag = self.ask(name)[1]["ETag"]
        self.assertEqual(self.ask(name, headers=[("If-None-Match", tag)])[::2], (304, b""))

    def check_cookies(self, name):
        _, headers, content = self.ask(name, "/cookies", headers=[("Cookie", "a=1; b=2")])
        self.assertEqual(json.loads(content), {"cookie": "a=1; b=2", "host": self.hosts[name], "ip": "127.0.0.1"})
        cookies = headers.get_all("Set-Cookie")
        self.assertEqual(cookies[0], "first=1%3B%202; Path=/; HttpOnly")
        self.assertRegex(cookies[1], r"^second=two; Max-Age=60; Path=/cookies; Expires=\w{3}, .* GMT$")
        with tempfile.NamedTemporaryFile() as jar:  # as a browser: keep cookies, follow redirects
            url = f"http://{self.hosts[name]}"
            self.curl("-c", jar.name, url + "/cookies")
            again = json.loads(self.curl("-b", jar.name, url + "/cookies"))
            self.assertEqual(sorted(again["cookie"].split("; ")), ["first=1%3B%202", "second=two"])
            self.assertEqual(self.curl("-L", url + "/old"), b"Hello, <b>World</b>")

    def check(self, name):
        self.check_requests(name)
        self.check_statuses(name)
        self.check_cookies(name)

    def test_serverless_http(self):
        code = package(["express.js", "express_app.js"], ["express", "serverless-http"])
        self.deploy("express", code, "express.handler", "BUFFERED")
        self.twice("express", lambda: self.check("express"))

    def test_codegenie(self):
        code = package(["codegenie.js", "express_app.js"], ["express", "@codegenie/serverless-express"])
        self.deploy("codegenie", code, "codegenie.handler", "BUFFERED")
        self.twice("codegenie", lambda: self.check("codegenie"))


class HonoTest(AppTest):
    def check(self, name):
        _, headers, content = self.ask(name)
        self.assertEqual((headers["Content-Type"], headers["X-Seen"], content),
                         ("text/plain;charset=UTF-8", "GET /", b"Hello Hono!"))
        self.assertEqual(self.ask_json(name, PATH), {"id": "7 x", "tags": ["a", "b"], "text": "ü+ "})
        status, _, content = self.ask(name, "/json", "POST", '{"id": "ü"}'.encode(), JSON)
        self.assertEqual((status, json.loads(content)), (201, {"id": "ü"}))
        self.assertEqual(self.ask_json(name, "/form", "POST", b"id=1&tag=a&tag=b", FORM), {"id": "1", "tag": ["a", "b"]})
        _, headers, content = self.ask(name, "/cookies", headers=[("Cookie", "a=1; b=2")])
        self.assertEqual(json.loads(content), {"a": "1", "b": "2"})
        self.assertEqual(", ".join(headers.get_all("Set-Cookie")),  # Headers of Node.js 18 join them
                         "first=eins; Path=/; HttpOnly, second=zwei; Max-Age=60; Path=/")
        self.assertEqual(self.ask(name, "/binary")[2], bytes([0, 1, 254, 255]))
        self.assertEqual(self.ask_json(name, "/lambda"), {"name": name, "ip": "127.0.0.1"})
        for path, status, content in (("/old", 302, b""), ("/denied", 403, b"not you"), ("/nowhere", 404, b"404 Not Found"),
                                      ("/broken", 500, b"Internal Server Error")):
            self.assertEqual(self.ask(name, path)[::2], (status, content))
        _, headers, content = self.ask(name, "/events")
        self.assertEqual(headers["Content-Type"], "text/event-stream")
        self.assertEqual(content, b"".join(b"event: tick\ndata: tick %d\nid: %d\n\n" % (n, n) for n in range(3)))
        form = json.loads(self.curl("-F", "id=1", "-F", "tag=ü", f"http://{self.hosts[name]}/form"))
        self.assertEqual(form, {"id": "1", "tag": "ü"})  # multipart

    def test_buffered(self):
        self.deploy("hono", package(["hono.mjs"], ["hono"]), "hono.handler", "BUFFERED")
        self.twice("hono", lambda: self.check("hono"))

    def test_streaming(self):
        self.deploy("hono-stream", package(["hono.mjs"], ["hono"]), "hono.streaming", "RESPONSE_STREAM")

        def check():
            self.check("hono-stream")
            _, headers, content = self.ask("hono-stream", "/stream")
            self.assertEqual((headers["Transfer-Encoding"], content), ("chunked", b"one\n\x00\xff"))

        self.twice("hono-stream", check)


class FastifyTest(AppTest):
    def check(self):
        name = "fastify"
        _, headers, content = self.ask(name)
        self.assertEqual((headers["Content-Type"], headers["X-Seen"], content),
                         ("application/json; charset=utf-8", "GET /", b'{"hello":"world"}'))
        self.assertEqual(self.ask_json(name, PATH), {"id": "7 x", "query": {"tag": ["a", "b"], "text": "ü+ "}})
        status, _, content = self.ask(name, "/items", "POST", '{"id": "5", "name": "ü"}'.encode(), JSON)
        self.assertEqual((status, json.loads(content)), (201, {"id": 5, "name": "ü"}))
        for body, why in ((b'{"name": 5}', "must have required property 'id'"), (b'{"id', "JSON")):
            status, _, content = self.ask(name, "/items", "POST", body, JSON)
            self.assertEqual(status, 400)
            self.assertIn(why, json.loads(content)["message"])
        _, headers, content = self.ask(name, "/cookies", headers=[("Cookie", "a=1; b=2")])
        self.assertEqual(json.loads(content), {"cookie": "a=1;b=2", "ip": "127.0.0.1"})
        self.assertEqual(headers.get_all("Set-Cookie"), ["first=1; HttpOnly", "second=2"])
        self.assertEqual(self.ask(name, "/binary")[2], bytes([0, 1, 254, 255]))
        self.assertEqual(self.ask_json(name, "/lambda"), {"name": name})
        self.assertEqual(self.ask(name, "/old")[1]["Location"], "/")
        self.assertEqual([self.ask(name, path)[0] for path in ("/broken", "/nowhere")], [500, 404])

    def test_fastify(self):
        self.deploy("fastify", package(["fastify.js"], ["fastify", "@fastify/aws-lambda"]), "fastify.handler", "BUFFERED")
        self.twice("fastify", self.check)


if __name__ == "__main__":
    unittest.main()
