"""Snapshots of functions that have set up clients of the AWS SDK for JavaScript while they initialised: the
campaign's image that needs npm packages."""
import io
import os
import unittest
import zipfile

from campaign import Campaign, Image
from interop import installed

INIT = """
const { LambdaClient, GetAccountSettingsCommand } = require('@aws-sdk/client-lambda');
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
const sts = new STSClient({});
const lambda = new LambdaClient({});
"""
REPLY = """[
  (await sts.send(new GetCallerIdentityCommand({}))).Account,
  (await lambda.send(new GetAccountSettingsCommand({}))).AccountLimit.ConcurrentExecutions > 0,
]"""


def package(files):
    """The files with version 3 of the SDK."""
    bytes_ = io.BytesIO()
    with zipfile.ZipFile(bytes_, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        root = installed("sdk")
        for folder, folders, names in os.walk(os.path.join(root, "node_modules")):
            folders[:] = [name for name in folders if name not in ("aws-sdk", "dist-es", "dist-types")]
            for name in names:
                if name.endswith((".js", ".cjs", ".json")):
                    path = os.path.join(folder, name)
                    archive.write(path, os.path.relpath(path, root))
    return bytes_.getvalue()


class SdkSnapshotTest(Campaign):
    def test_clients_made_before_the_snapshot(self):
        self.campaign({"sdk": Image("nodejs22.x", INIT, REPLY, ["000000000000", True], package)})


if __name__ == "__main__":
    unittest.main()
