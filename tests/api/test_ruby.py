"""Ruby functions: handlers in classes, gems, loggers, results that are streams, what ends a process.
What all languages have in common is in test_behaviours.py."""
import base64
import json
import os
import subprocess
import unittest
import urllib.request

from server import ROLE, ROOT, VIRGA, ServerTest, wait_until, zip_of

APP = """
require 'stringio'

class Shop
  class Desk
    def self.serve(event:, context:) = { desk: event, same: context.is_a?(LambdaContext) }
  end
end

def gem_there(event:, context:)
  require 'shouting'
  [Shouting.of(event), defined?(Gem::VERSION) ? 'gems' : 'none']
end

def no_gem(event:, context:)
  require 'date'
  [Date.new(2026, 11, 21).to_s, Virga::Demand.gems?]
end

def stream(event:, context:) = StringIO.new("raw #{event}")

def ends(event:, context:)
  exit 7 if event == 'exit'
  nothing_of_this_name if event == 'name'
  $calls = $calls.to_i + 1
end

def logs(event:, context:)
  require 'logger'
  logger = Logger.new($stdout)
  logger.debug('quiet')
  logger.warn("loud\\nlines")
  begin
    raise ArgumentError, 'inner'
  rescue ArgumentError => e
    logger.error(e)
  end
end

def own(event:, context:) = event

def json_of_a_time(event:, context:) = { big: 10**30, text: "\\u2028", nan: nil, symbol: :a, nested: [{}] }
"""
GEM = {
    "gems/shouting-1.0.0/lib/shouting.rb": "module Shouting\n  def self.of(text) = text.upcase\nend\n",
    "specifications/shouting-1.0.0.gemspec": "Gem::Specification.new do |s|\n  s.name = 'shouting'\n"
    "  s.version = '1.0.0'\n  s.summary = 'x'\n  s.authors = ['x']\n  s.require_paths = ['lib']\nend\n",
}
MARSHALLER = """
class AwsLambda::Marshaller
  def self.marshall_request(raw_request) = "mine: #{raw_request.body}"
end
""" + APP


class RubyFunctions(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.abi = subprocess.run(["/usr/bin/ruby", "-e", "print RbConfig::CONFIG['ruby_version']"],
                                 capture_output=True, check=True, text=True).stdout

    def make(self, handler, files=None, name=None):
        name = name or handler.replace(".", "-").replace("::", "-")
        self.client.create_function(FunctionName=name, Runtime="ruby3.3", Role=ROLE, Handler=handler,
                                    MemorySize=512, Timeout=10,
                                    Code={"ZipFile": zip_of({"app.rb": APP, **(files or {})})})
        return name

    def call(self, name, event=None, is_error=False):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        self.log = base64.b64decode(answer["LogResult"]).decode()
        body = answer["Payload"].read()
        self.assertEqual("FunctionError" in answer, is_error, (body, self.log))
        return body.decode()

    def test_example(self):
        def virga(*arguments):
            return subprocess.run(
                [VIRGA, *arguments], capture_output=True, timeout=60, check=True,
                env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint}).stdout.decode()

        self.assertRegex(virga("deploy", os.path.join(ROOT, "examples/hello-ruby")),
                         r"ruby\d\.\d, app\.lambda_handler")
        answer = json.loads(virga("invoke", "hello-ruby", "--payload", '{"name": "Ruby"}'))
        self.assertEqual(json.loads(answer["body"])["message"], "Hello, Ruby!")

    def test_class(self):
        self.assertEqual(json.loads(self.call(self.make("app.Shop::Desk.serve"), [1])), {"desk": [1], "same": True})

    def test_bad_name(self):
        error = json.loads(self.call(self.make("app"), is_error=True))
        self.assertEqual(error["errorType"], "Init<ArgumentError>")
        self.assertIn('Invalid handler ["app"], must be of form FILENAME.METHOD', error["errorMessage"])

    def test_gem_beside_the_code(self):
        for version in (self.abi, "3.3.0"):  # the interpreter's and the id's
            files = {f"vendor/bundle/ruby/{version}/{path}": text for path, text in GEM.items()}
            name = self.make("app.gem_there", files, "gem-" + version.replace(".", "-"))
            self.assertEqual(json.loads(self.call(name, "loud")), ["LOUD", "gems"])

    def test_gem_that_is_missing(self):
        error = json.loads(self.call(self.make("app.gem_there"), "x", is_error=True))
        self.assertEqual((error["errorType"], error["errorMessage"]),
                         ("Function<LoadError>", "cannot load such file -- shouting"))
        self.assertIn("/var/task/app.rb:", error["stackTrace"][-1])

    def test_standard_library_needs_no_gems(self):
        self.assertEqual(json.loads(self.call(self.make("app.no_gem"))), ["2026-11-21", False])

    def test_stream(self):
        self.assertEqual(self.call(self.make("app.stream"), 5), "raw 5")

    def test_results(self):
        self.assertEqual(self.call(self.make("app.json_of_a_time")),
                         '{"big":1' + "0" * 30 + ',"text":"\u2028","nan":null,"symbol":"a","nested":[{}]}')

    def test_own_marshaller(self):
        name = self.make("app.own", {"app.rb": MARSHALLER})
        self.assertEqual(json.loads(self.call(name, {"a": 1})), 'mine: {"a": 1}')

    def test_ends(self):
        name = self.make("app.ends")
        self.assertEqual(self.call(name), "1")
        for event, kind, message in (("exit", "SystemExit", "exit"), ("name", "NameError", "undefined local variable")):
            error = json.loads(self.call(name, event, is_error=True))
            self.assertEqual(error["errorType"], f"Function<{kind}>")
            self.assertIn(message, error["errorMessage"])
            self.assertTrue(error["stackTrace"][-1].startswith("/var/task/app.rb:"), error)
            self.assertEqual(self.call(name), "1")  # by another instance
            self.assertIn("Init Duration", self.log)

    def test_logger(self):
        self.call(self.make("app.logs"))
        self.assertRegex(self.log, r"D, \[\S+ #\d+\] DEBUG [0-9a-f-]{36} -- : quiet\n")
        self.assertRegex(self.log, r"W, \[\S+ #\d+\]  WARN [0-9a-f-]{36} -- : loud\nlines\n")
        self.assertRegex(self.log, r"E, \[\S+ #\d+\] ERROR [0-9a-f-]{36} -- : inner \(ArgumentError\)\n/var/task/app.rb")

    def test_json_log(self):
        name = self.make("app.logs", name="json")
        urllib.request.urlopen(urllib.request.Request(
            f"{self.server.endpoint}/2015-03-31/functions/{name}/configuration", method="PUT",
            data=json.dumps({"LoggingConfig": {"LogFormat": "JSON"}}).encode())).close()
        self.call(name)

        def records():
            return [json.loads(message) for message in self.server.messages(name)]

        wait_until(lambda: any(record.get("type") == "platform.report" for record in records()), "the log")
        own = [record for record in records() if "level" in record]
        self.assertEqual([(record["level"], record["message"]) for record in own],
                         [("WARN", "loud\nlines"), ("ERROR", "inner")])
        self.assertEqual(own[1]["errorType"], "ArgumentError")


if __name__ == "__main__":
    unittest.main()
