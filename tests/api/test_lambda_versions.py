"""Versions and aliases of functions, through the real server."""
import contextlib
import json
import unittest

import botocore.exceptions
import server

SOURCE = "def handler(event, context): return [{}, context.function_version, context.invoked_function_arn]\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


class VersionsTest(server.ServerTest):
    def create(self, name, number=0, **options):
        return server.python_function(self.client, name, SOURCE.format(number), **options)

    def change(self, name, number, **options):
        code = server.zip_of({"f.py": SOURCE.format(number)})
        return self.client.update_function_code(FunctionName=name, ZipFile=code, **options)

    def call(self, name, qualifier=None, client=None):
        more = {"Qualifier": qualifier} if qualifier else {}
        answer = (client or self.client).invoke(FunctionName=name, Payload="{}", **more)
        payload = json.load(answer["Payload"])
        self.assertEqual(payload[1], answer["ExecutedVersion"])
        return payload[0], payload[1]

    def refused(self, code, words, function, **options):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**options)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code, error)
        self.assertIn(words, error["Message"])

    def three(self, name):
        """Versions 1 and 2, and another $LATEST."""
        self.create(name, 1, Publish=True)
        self.change(name, 2, Publish=True)
        self.change(name, 3)

    def test_numbers_are_never_used_again(self):
        self.three("again")
        self.client.delete_function(FunctionName="again")
        made = self.create("again", 4, Publish=True)
        self.assertEqual(made["Version"], "3")
        self.refused("ResourceNotFoundException", "again:2", self.client.get_function,
                     FunctionName="again", Qualifier="2")
        self.client.delete_function(FunctionName="again")  # once more, without a version of its own
        self.create("again", 5)
        self.client.delete_function(FunctionName="again")
        self.create("again", 6)
        self.assertEqual(self.client.publish_version(FunctionName="again")["Version"], "4")

    def test_a_version_stays_what_it_was(self):
        created = self.create("stays", 1, Description="first")
        first = self.client.publish_version(FunctionName="stays", Description="one")
        self.assertEqual((first["Version"], first["FunctionArn"], first["Description"]),
                         ("1", ARN + "stays:1", "one"))
        self.assertEqual(first["CodeSha256"], created["CodeSha256"])
        self.assertNotEqual(first["RevisionId"], created["RevisionId"])
        self.change("stays", 2)
        self.client.update_function_configuration(
            FunctionName="stays", MemorySize=256, Environment={"Variables": {"STAGE": "2"}})
        second = self.client.publish_version(FunctionName="stays")
        self.assertEqual((second["Version"], second["MemorySize"], second["Description"]),
                         ("2", 256, "first"))
        self.change("stays", 3)
        self.assertEqual(self.call("stays"), (3, "$LATEST"))
        self.assertEqual(self.call("stays", "$LATEST"), (3, "$LATEST"))
        self.assertEqual(self.call("stays", "1"), (1, "1"))
        self.assertEqual(self.call("stays:2"), (2, "2"))
        self.assertEqual(self.call(ARN + "stays:1"), (1, "1"))
        one = self.client.get_function(FunctionName="stays", Qualifier="1")["Configuration"]
        self.assertEqual((one["FunctionArn"], one["MemorySize"], one["Description"]),
                         (ARN + "stays:1", 128, "one"))
        self.assertNotIn("Environment", one)
        self.refused("ResourceNotFoundException", "Function not found: " + ARN + "stays:3",
                     self.client.get_function_configuration, FunctionName="stays", Qualifier="3")
        self.refused("ResourceNotFoundException", "Function not found: " + ARN + "stays:3",
                     self.client.invoke, FunctionName="stays", Qualifier="3")

    def test_nothing_new_is_no_new_version(self):
        self.create("same", 1)
        one = self.client.publish_version(FunctionName="same")
        again = self.client.publish_version(FunctionName="same", Description="other")
        self.assertEqual((again["Version"], again["RevisionId"]), ("1", one["RevisionId"]))
        self.client.put_function_concurrency(FunctionName="same", ReservedConcurrentExecutions=2)
        self.assertEqual(self.client.publish_version(FunctionName="same")["Version"], "1")
        self.client.delete_function(FunctionName="same", Qualifier="1")
        self.assertEqual(self.client.publish_version(FunctionName="same")["Version"], "2")

    def test_publish_names_what_it_expects(self):
        made = self.create("expects", 1)
        self.refused("InvalidParameterValueException", "is different from current CodeSHA256",
                     self.client.publish_version, FunctionName="expects", CodeSha256="x")
        self.refused("PreconditionFailedException", "Revision Id provided does not match",
                     self.client.publish_version, FunctionName="expects", RevisionId="x")
        self.refused("ResourceNotFoundException", "Function not found", self.client.publish_version,
                     FunctionName="nowhere")
        one = self.client.publish_version(FunctionName="expects", CodeSha256=made["CodeSha256"],
                                          RevisionId=made["RevisionId"])
        self.assertEqual(one["Version"], "1")

    def test_create_and_update_publish(self):
        made = self.create("along", 1, Publish=True)
        self.assertEqual((made["Version"], made["FunctionArn"]), ("1", ARN + "along"))
        made = self.change("along", 2, Publish=True)
        self.assertEqual((made["Version"], made["FunctionArn"]), ("2", ARN + "along:2"))
        self.assertEqual([self.call("along", v) for v in "12"], [(1, "1"), (2, "2")])

    def test_versions_are_listed_in_pages(self):
        self.three("listed")
        versions = [v["Version"] for page in
                    self.client.get_paginator("list_versions_by_function").paginate(
                        FunctionName="listed", PaginationConfig={"PageSize": 2})
                    for v in page["Versions"]]
        self.assertEqual(versions, ["$LATEST", "1", "2"])
        arns = [f["FunctionArn"] for page in self.client.get_paginator("list_functions").paginate(
                    FunctionVersion="ALL", PaginationConfig={"PageSize": 2})
                for f in page["Functions"] if f["FunctionName"] == "listed"]
        self.assertEqual(arns, [ARN + "listed:" + v for v in ("$LATEST", "1", "2")])
        names = [f["FunctionName"] for f in self.client.list_functions()["Functions"]]
        self.assertEqual(names.count("listed"), 1)

    def test_an_alias_leads_to_its_version(self):
        self.three("named")
        alias = self.client.create_alias(FunctionName="named", Name="prod", FunctionVersion="1",
                                         Description="live")
        self.assertEqual((alias["AliasArn"], alias["FunctionVersion"], alias["Description"]),
                         (ARN + "named:prod", "1", "live"))
        self.assertNotIn("RoutingConfig", alias)
        self.assertEqual(self.call("named", "prod"), (1, "1"))
        arn = json.load(self.client.invoke(FunctionName="named:prod")["Payload"])[2]
        self.assertEqual(arn, ARN + "named:prod")
        changed = self.client.update_alias(FunctionName="named", Name="prod", FunctionVersion="2",
                                           RevisionId=alias["RevisionId"])
        self.assertEqual(changed["Description"], "live")
        self.assertEqual(self.call("named", "prod"), (2, "2"))
        self.assertEqual(self.client.get_alias(FunctionName="named", Name="prod")["RevisionId"],
                         changed["RevisionId"])
        shown = self.client.get_function_configuration(FunctionName="named", Qualifier="prod")
        self.assertEqual((shown["FunctionArn"], shown["Version"]), (ARN + "named:prod", "2"))
        self.client.create_alias(FunctionName="named", Name="dev", FunctionVersion="$LATEST")
        self.assertEqual(self.call("named", "dev"), (3, "$LATEST"))
        listed = [a["Name"] for page in self.client.get_paginator("list_aliases").paginate(
                      FunctionName="named", PaginationConfig={"PageSize": 1}) for a in page["Aliases"]]
        self.assertEqual(listed, ["dev", "prod"])
        only = self.client.list_aliases(FunctionName="named", FunctionVersion="2")["Aliases"]
        self.assertEqual([a["Name"] for a in only], ["prod"])
        self.refused("ResourceConflictException", "aliases reference it: [prod]",
                     self.client.delete_function, FunctionName="named", Qualifier="2")
        self.client.delete_alias(FunctionName="named", Name="prod")
        self.client.delete_alias(FunctionName="named", Name="prod")
        self.client.delete_function(FunctionName="named", Qualifier="2")
        self.refused("ResourceNotFoundException", "Function not found: " + ARN + "named:prod",
                     self.client.invoke, FunctionName="named", Qualifier="prod")

    def test_an_alias_shares_calls_out(self):
        self.three("shares")
        alias = self.client.create_alias(
            FunctionName="shares", Name="canary", FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}})
        self.assertEqual(alias["RoutingConfig"], {"AdditionalVersionWeights": {"2": 0.3}})
        versions = [self.call("shares", "canary")[1] for _ in range(120)]
        self.assertEqual(set(versions), {"1", "2"})
        self.assertTrue(10 < versions.count("2") < 70, versions.count("2"))  # 36 are expected
        cleared = self.client.update_alias(FunctionName="shares", Name="canary",
                                           RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertNotIn("RoutingConfig", cleared)
        self.assertEqual({self.call("shares", "canary")[1] for _ in range(10)}, {"1"})

    def test_what_aliases_may_not_be(self):
        self.three("strict")
        make = self.client.create_alias
        self.client.create_alias(FunctionName="strict", Name="a", FunctionVersion="1")
        self.refused("ResourceConflictException", "Alias already exists: " + ARN + "strict:a", make,
                     FunctionName="strict", Name="a", FunctionVersion="2")
        self.refused("ResourceNotFoundException", "Function not found: " + ARN + "strict:9", make,
                     FunctionName="strict", Name="b", FunctionVersion="9")
        self.refused("ValidationException", "failed to satisfy constraint", make,
                     FunctionName="strict", Name="7", FunctionVersion="1")
        weights = lambda **w: {"AdditionalVersionWeights": {k[1:]: v for k, v in w.items()}}
        self.refused("InvalidParameterValueException", "cannot be greater than 1", make,
                     FunctionName="strict", Name="b", FunctionVersion="1",
                     RoutingConfig=weights(_1=0.1, _2=0.1))
        self.refused("InvalidParameterValueException", "already included", make,
                     FunctionName="strict", Name="b", FunctionVersion="1", RoutingConfig=weights(_1=0.1))
        self.refused("InvalidParameterValueException", "$LATEST is not supported", make,
                     FunctionName="strict", Name="b", FunctionVersion="$LATEST",
                     RoutingConfig=weights(_1=0.1))
        self.refused("ResourceNotFoundException", "Cannot find alias arn: " + ARN + "strict:no",
                     self.client.get_alias, FunctionName="strict", Name="no")
        self.refused("PreconditionFailedException", "Revision Id", self.client.update_alias,
                     FunctionName="strict", Name="a", RevisionId="other")
        self.refused("InvalidParameterValueException", "Deletion of aliases",
                     self.client.delete_function, FunctionName="strict", Qualifier="a")
        self.refused("InvalidParameterValueException", "permitted on Lambda functions only",
                     self.client.put_function_concurrency, FunctionName="strict:1",
                     ReservedConcurrentExecutions=1)

    def test_a_function_goes_with_all_that_is_its_own(self):
        self.three("goes")
        self.client.create_alias(FunctionName="goes", Name="prod", FunctionVersion="1")
        self.client.delete_function(FunctionName="goes")
        for qualifier in ("1", "2", "prod", "$LATEST"):
            self.refused("ResourceNotFoundException", "Function not found", self.client.invoke,
                         FunctionName="goes", Qualifier=qualifier)
        self.create("goes", 5)
        self.assertEqual(len(self.client.list_versions_by_function(FunctionName="goes")["Versions"]), 1)
        self.assertEqual(self.client.list_aliases(FunctionName="goes")["Aliases"], [])

    def test_reservations_reach_versions(self):
        self.create("reserved", 1, Publish=True)
        self.client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
        self.refused("TooManyRequestsException", "Rate Exceeded", self.client.invoke,
                     FunctionName="reserved", Qualifier="1")
        self.client.delete_function_concurrency(FunctionName="reserved")
        self.assertEqual(self.call("reserved", "1"), (1, "1"))

    def test_events_reach_versions(self):
        source = "def handler(event, context): print('ran as', context.function_version)\n"
        server.python_function(self.client, "events", source, Publish=True)
        self.client.create_alias(FunctionName="events", Name="prod", FunctionVersion="1")
        with contextlib.closing(self.server.client("logs")) as logs:
            self.client.invoke(FunctionName="events", Qualifier="prod", InvocationType="Event")

            def ran():
                try:
                    found = logs.filter_log_events(logGroupName="/aws/lambda/events")["events"]
                except logs.exceptions.ResourceNotFoundException:
                    return False
                return any("ran as 1" in event["message"] for event in found)

            server.wait_until(ran, "the event")

    def test_restarts_keep_versions_and_aliases(self):
        with server.Server() as own:
            with contextlib.closing(own.client()) as client:
                server.python_function(client, "kept", SOURCE.format(1), Publish=True)
                client.update_function_code(FunctionName="kept",
                                            ZipFile=server.zip_of({"f.py": SOURCE.format(2)}))
                client.create_alias(FunctionName="kept", Name="prod", FunctionVersion="1")
            own.kill()
            own.start()
            with contextlib.closing(own.client()) as client:
                self.assertEqual(self.call("kept", "1", client), (1, "1"))
                self.assertEqual(self.call("kept", "prod", client), (1, "1"))
                self.assertEqual(self.call("kept", client=client), (2, "$LATEST"))


if __name__ == "__main__":
    unittest.main()
