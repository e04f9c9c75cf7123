"""Starting and stopping: what `virga serve` promises to whoever runs it."""
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import unittest

import botocore.exceptions

from server import Server, ServerTest, VIRGA, children_of, python_function, wait_until


def get(server, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value
                                                for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def parent_of(pid):
    """None: the process has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def serve(*options):
    return subprocess.run([VIRGA, "serve", *options], capture_output=True, text=True, timeout=30,
                          check=False)


class Start(unittest.TestCase):
    def test_health(self):
        with Server() as server:
            for path in ("/_virga/health", "/_localstack/health"):
                status, headers, body = get(server, path)
                self.assertEqual(status, 200)
                self.assertEqual(headers["Content-Type"], "application/json")
                health = json.loads(body)
                self.assertEqual(health["status"], "running")
                self.assertIn("version", health)
                self.assertIsInstance(health["services"], dict)
                self.assertIsInstance(health["instances"], dict)

    def test_main_has_no_privilege(self):
        with Server() as server:
            with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
            self.assertEqual(status["Uid"].split(), ["64566"] * 4)
            self.assertEqual(status["Gid"].split(), ["64566"] * 4)
            self.assertEqual(status["Groups"].strip(), "")
            self.assertEqual(status["NoNewPrivs"], "1")
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[name], 16), 0, name)

    def test_data_directory(self):
        with Server() as server:
            self.assertEqual(os.stat(server.data).st_uid, 0)
            own = os.stat(os.path.join(server.data, "data"))
            self.assertEqual((own.st_uid, stat.S_IMODE(own.st_mode)), (64566, 0o700))
            spawner = os.stat(os.path.join(server.data, "sandbox"))
            self.assertEqual((spawner.st_uid, stat.S_IMODE(spawner.st_mode)), (0, 0o700))

    def test_data_directory_behind_closed_doors(self):
        with tempfile.TemporaryDirectory() as folder:
            closed = os.path.join(folder, "closed")
            os.mkdir(closed, 0o700)
            server = Server(data=os.path.join(closed, "data"))
            self.assertEqual(get(server, "/_virga/health")[0], 200)
            server.stop()

    def test_one_server_per_directory(self):
        with Server() as server:
            second = serve("--dev", "--listen", "127.0.0.1:0", "--data", server.data)
            self.assertEqual(second.returncode, 1)
            self.assertIn("another virga serves the data directory", second.stderr)
            self.assertEqual(get(server, "/_virga/health")[0], 200)

    def test_port_in_use(self):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            second = serve("--dev", "--listen", f"127.0.0.1:{server.port}", "--data", folder)
            self.assertEqual(second.returncode, 1)
            self.assertIn("Address already in use", second.stderr)

    def test_wrong_usage(self):
        for options in (["--dev", "--nonsense"], ["--dev", "--listen", "4566"],
                        ["--dev", "--listen", "example.com:1"], ["--dev", "--listen"],
                        ["--dev", "--listen", "127.0.0.1:65536"], ["--dev", "--loops", "0"],
                        ["--dev", "--log-level=loud"], ["--dev", "--data="]):
            with self.subTest(options=options):
                wrong = serve(*options)
                self.assertEqual(wrong.returncode, 2)
                self.assertIn("see: virga serve --help", wrong.stderr)

    def test_several_loops(self):
        with Server("--loops", "3") as server:
            for _ in range(20):
                self.assertEqual(get(server, "/_virga/health")[0], 200)


class Stop(unittest.TestCase):
    def test_leaves_no_process(self):
        server = Server()
        processes = children_of(server.pid)
        self.assertTrue(processes)
        server.stop()
        for pid in processes:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
        server.remove()

    def test_interrupt_with_connections_open(self):
        server = Server()
        idle = socket.create_connection(("127.0.0.1", server.port))
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 100\r\n\r\n{")
        self.assertEqual(get(server, "/_virga/health")[0], 200)
        server.process.send_signal(signal.SIGINT)
        server.stop()
        idle.close()
        half.close()
        server.remove()

    def test_traces_on_demand(self):
        with Server() as server:
            get(server, "/2015-03-31/nothing")
            server.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: "--- trace of a thread" in server.log_text(), "the trace")


class Trouble(unittest.TestCase):
    def test_spawner_killed(self):
        server = Server()
        python_function(server.client(), "f", "def handler(event, context):\n    return event\n")
        spawner = [pid for pid in children_of(server.pid) if parent_of(pid) == server.pid]
        self.assertEqual(len(spawner), 1)
        os.kill(spawner[0], signal.SIGKILL)
        self.assertEqual(server.process.wait(20), 1)
        self.assertIn("the spawner has ended", server.log_text())
        again = Server(data=server.data)  # What was acknowledged is there.
        self.assertEqual(again.client().invoke(FunctionName="f", Payload=b"7")["Payload"].read(),
                         b"7")
        again.stop()
        server.remove()

    def test_stop_under_load(self):
        for loops in ("1", "3"):
            server = Server("--loops", loops)
            python_function(server.client(), "f",
                            "def handler(event, context):\n    return event\n")
            done, bad = threading.Event(), []

            def caller(server=server, done=done, bad=bad):
                client = server.client()
                while True:
                    try:
                        if client.invoke(FunctionName="f", Payload=b"7")["Payload"].read() != b"7":
                            bad.append("another's answer")
                        client.get_function(FunctionName="f")
                        done.set()
                    except botocore.exceptions.BotoCoreError:
                        return  # the server has gone
                    except botocore.exceptions.ClientError as error:
                        bad.append(error)
                        return

            threads = [threading.Thread(target=caller) for _ in range(8)]
            for thread in threads:
                thread.start()
            self.assertTrue(done.wait(20))
            server.stop()
            for thread in threads:
                thread.join(20)
            self.assertEqual(bad, [])
            server.remove()

    def test_slow_call_is_finished_before_the_end(self):
        server = Server()
        python_function(server.client(), "f", "import time\n\ndef handler(event, context):\n"
                        "    time.sleep(1)\n    return event\n", Timeout=5)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            server.client().invoke(FunctionName="f", Payload=b"7")["Payload"].read()))
        thread.start()
        wait_until(lambda: server.health()["instances"]["busy"] == 1, "the call")
        server.stop()
        thread.join(20)
        self.assertEqual(answers, [b"7"])
        server.remove()


class Strangers(ServerTest):
    """Requests that nobody here takes: a 4xx that clients can read, never HTML."""

    def signed(self, service):
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential=K/20261120/us-east-1/{service}"
                                 "/aws4_request, SignedHeaders=host, Signature=00"}

    def test_unknown_service_in_json(self):
        status, headers, body = get(self.server, "/", "POST", "{}",
                                    X_Amz_Target="AmazonSQS.SendMessage",
                                    Content_Type="application/x-amz-json-1.0")
        self.assertEqual(status, 400)
        self.assertIn("AmazonSQS", json.loads(body)["message"])
        self.assertEqual(json.loads(body)["__type"], "UnknownOperationException")
        self.assertRegex(headers["x-amzn-RequestId"], r"^[0-9a-f]{8}-[0-9a-f-]{27}$")

    def test_unknown_service_in_xml(self):
        status, headers, body = get(self.server, "/bucket/key", **self.signed("s3"))
        self.assertEqual((status, headers["Content-Type"]), (400, "application/xml"))
        self.assertIn(b"<Error><Code>UnknownOperationException</Code>", body)
        status, headers, body = get(self.server, "/", "POST", "Action=Publish",
                                    Content_Type="application/x-www-form-urlencoded",
                                    **self.signed("sns"))
        self.assertEqual((status, headers["Content-Type"]), (400, "text/xml"))
        self.assertIn(b"<ErrorResponse><Error><Type>Sender</Type>", body)
        for service in ("route53", "cloudfront"):
            status, headers, body = get(self.server, "/2013-04-01/hostedzone",
                                        **self.signed(service))
            self.assertEqual((status, headers["Content-Type"]), (400, "text/xml"))
            self.assertIn(b"<Code>UnknownOperationException</Code>", body)

    def test_markup_in_names_is_escaped(self):
        _, _, body = get(self.server, "/b", **self.signed("s3"))
        self.assertNotIn(b"<script", body)
        _, _, body = get(self.server, "/", "POST", "Action=x",
                         Content_Type="application/x-www-form-urlencoded",
                         **self.signed("<script>"))
        self.assertIn(b"&lt;script&gt;", body)

    def test_nothing_recognised(self):
        for path in ("/", "/favicon.ico", "/_virga/nothing"):
            status, headers, body = get(self.server, path)
            self.assertIn(status, (400, 404))
            self.assertEqual(headers["Content-Type"], "application/json")
            json.loads(body)

    def refused(self, path, method="GET", server=None, body=None, **headers):
        status, got, text = get(server or self.server, path, method, body, **headers)
        if status == 403:
            self.assertIn(got["Content-Type"], ("application/json", "text/xml"))
            self.assertIn(b"AccessDeniedException", text)
        return status == 403

    def test_browsers_of_strangers(self):
        for headers in ({"Host": "evil.example.com"}, {"Host": "localhost.evil.example.com"},
                        {"Origin": "http://evil.example.com"}, {"Origin": "null"}, {"Origin": ""},
                        {"Origin": "http://localhost:1"}, {"Sec_Fetch_Site": "cross-site"},
                        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}):
            with self.subTest(headers=headers):
                for path in ("/_virga/health", "/2015-03-31/functions", "/"):
                    self.assertTrue(self.refused(path, **headers))
                self.assertTrue(self.refused("/2015-03-31/functions/f/invocations", "POST", body="1",
                                             **headers))
        for host in ("localhost:1", "lambda.us-east-1.amazonaws.com", "[::1]:1", "x.localhost"):
            self.assertEqual(get(self.server, "/_virga/health", Host=host)[0], 200)

    def test_preflights_of_strangers(self):
        """No preflight succeeds: neither a custom header nor a method beyond POST can be sent."""
        status, headers, _ = get(self.server, "/_virga/reset", "OPTIONS",
                                 Origin="http://evil.example.com",
                                 Access_Control_Request_Method="POST",
                                 Access_Control_Request_Headers="x-virga-action")
        self.assertEqual(status, 403)
        self.assertFalse([name for name in headers if name.lower().startswith("access-control")])

    def test_links_may_be_followed_but_do_not_act(self):
        link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        self.assertFalse(self.refused("/_virga/health", **link))
        self.assertFalse(self.refused("/?code=1", **link))
        who = "Action=GetCallerIdentity&Version=2011-06-15"
        self.assertTrue(self.refused("/?" + who, **link))
        self.assertTrue(self.refused("/?" + who.replace("Action", "%41ction"), **link))
        self.assertTrue(self.refused("/", "POST", body=who, Origin="null",
                                     Content_Type="application/x-www-form-urlencoded", **link))
        self.assertEqual(get(self.server, "/?" + who)[0], 200)

    def test_actions_need_a_header(self):
        for path in ("/_virga/reset", "/_virga/health", "/_localstack/state/reset"):
            for method in ("POST", "PUT", "DELETE"):
                self.assertTrue(self.refused(path, method))
                self.assertTrue(self.refused(path, method, body="X-Virga-Action=reset"))
                self.assertFalse(self.refused(path, method, X_Virga_Action="reset"))
        self.assertTrue(self.refused("/_virga/reset", "POST", X_Virga_Action="reset",
                                     Origin="http://evil.example.com"))

    def test_what_the_operator_allows(self):
        with Server("--allow-host", "virga.example.com", "--allow-host", ".apps.example.com",
                    "--allow-origin", "https://app.example.com") as server:
            for host, is_in in (("virga.example.com", True), ("VIRGA.example.com:1", True),
                                ("a.apps.example.com", True), ("apps.example.com", False),
                                ("x.virga.example.com", False), ("sync-virga.example.com", True)):
                self.assertEqual(self.refused("/_virga/health", server=server, Host=host), not is_in,
                                 host)
            for origin, is_in in (("https://app.example.com", True), ("http://app.example.com", False),
                                  ("https://app.example.com.evil.com", False),
                                  (f"http://127.0.0.1:{server.port}", True)):
                self.assertEqual(self.refused("/_virga/health", server=server, Origin=origin),
                                 not is_in, origin)


if __name__ == "__main__":
    unittest.main()
