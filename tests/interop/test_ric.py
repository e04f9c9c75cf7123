"""The official runtime interface client for Node.js (aws-lambda-ric from npm) serves invocations
unchanged: a custom runtime whose bootstrap starts it."""
import base64
import json
import os
import unittest

from interop import installed
from server import ROLE, ServerTest, zip_of

PARTS = ("package.json", "bin/index.mjs", "dist/index.mjs", "dist/rapid-client.node")
BOOTSTRAP = """#!/bin/sh
exec /usr/bin/node node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"
"""
APP = """
let count = 0;
exports.handler = async (event, context) => {
  console.log("seen");
  if (event.fail) throw new TypeError(event.fail);
  return { event, count: ++count, id: context.awsRequestId, name: context.functionName,
           arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis(),
           client: context.clientContext?.custom, trace: process.env._X_AMZN_TRACE_ID };
};
exports.streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  stream.write("first ");
  stream.write("second");
  stream.end();
});
"""


class OfficialClient(ServerTest):
    @classmethod
    def setUpClass(cls):
        folder = installed("ric")
        files = {"bootstrap": BOOTSTRAP, "app.js": APP}
        for part in PARTS:
            with open(os.path.join(folder, "node_modules/aws-lambda-ric", part), "rb") as file:
                files["node_modules/aws-lambda-ric/" + part] = file.read()
        super().setUpClass()
        for name in ("handler", "streaming", "missing"):
            cls.client.create_function(
                FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler="app." + name,
                Code={"ZipFile": zip_of(files)}, MemorySize=512, Timeout=20)

    def call(self, name, event, **options):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **options)
        return answer, json.loads(answer["Payload"].read())

    def test_invocations(self):
        context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
        for count in (1, 2):
            answer, body = self.call("handler", {"n": count}, ClientContext=context)
            self.assertEqual({"n": count}, body["event"])
            self.assertEqual(count, body["count"])
            self.assertEqual(answer["ResponseMetadata"]["RequestId"], body["id"])
            self.assertEqual("handler", body["name"])
            self.assertEqual("arn:aws:lambda:us-east-1:000000000000:function:handler", body["arn"])
            self.assertTrue(0 < body["left"] <= 20000)
            self.assertEqual({"k": "v"}, body["client"])
            self.assertRegex(body["trace"], "^Root=1-")

    def test_errors(self):
        answer, body = self.call("handler", {"fail": "asked to"}, LogType="Tail")
        self.assertEqual("Unhandled", answer["FunctionError"])
        self.assertEqual(("TypeError", "asked to"), (body["errorType"], body["errorMessage"]))
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertIn("INFO\tseen", log)
        self.assertIn("ERROR\tInvoke Error", log)
        answer, body = self.call("missing", {})
        self.assertEqual("Runtime.HandlerNotFound", body["errorType"])

    def test_streaming(self):
        answer = self.client.invoke(FunctionName="streaming")
        self.assertEqual(b"first second", answer["Payload"].read())


if __name__ == "__main__":
    unittest.main()
