"""Snapshots of functions that have set up clients of the AWS SDK for JavaScript while they initialised."""
import io
import os
import unittest
import zipfile

import server
from interop import installed
from snapshots import SnapshotTest

HANDLER = """
const { LambdaClient, GetAccountSettingsCommand } = require('@aws-sdk/client-lambda');
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
const sts = new STSClient({});
const lambda = new LambdaClient({});
exports.handler = async () => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { Account } = await sts.send(new GetCallerIdentityCommand({}));
  const settings = await lambda.send(new GetAccountSettingsCommand({}));
  return [Account, settings.AccountLimit.ConcurrentExecutions > 0];
};
"""


def package():
    """The handler with version 3 of the SDK."""
    bytes_ = io.BytesIO()
    with zipfile.ZipFile(bytes_, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("f.js", HANDLER)
        root = installed("sdk")
        for folder, folders, files in os.walk(os.path.join(root, "node_modules")):
            folders[:] = [name for name in folders if name not in ("aws-sdk", "dist-es", "dist-types")]
            for name in files:
                if name.endswith((".js", ".cjs", ".json")):
                    path = os.path.join(folder, name)
                    archive.write(path, os.path.relpath(path, root))
    return bytes_.getvalue()


class SdkSnapshotTest(SnapshotTest):
    def test_clients_made_before_the_snapshot(self):
        self.client.create_function(FunctionName="sdk", Runtime="nodejs22.x", Role=server.ROLE,
                                    Handler="f.handler", MemorySize=512, Timeout=60,
                                    Code={"ZipFile": package()})
        expected = ["000000000000", True]
        self.assertEqual(self.call("sdk")[0], expected)
        self.wait_for_snapshot("sdk")
        answers = self.burst("sdk", 4, {})
        self.assertEqual([answer[0] for answer in answers], [expected] * 4)
        self.assertGreaterEqual(sum("Restore Duration" in tail for _, _, tail in answers), 2)


if __name__ == "__main__":
    unittest.main()
