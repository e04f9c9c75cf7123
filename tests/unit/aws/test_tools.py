#!/usr/bin/python3
"""Tests of tools/apifile.py, tools/model-import.py and tools/apic.py.

usage: test_tools.py [MODELS_DIR]
With a folder of official models (NAME/service-2.json.gz) the importer and the compiler also run
over each of them.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)
import apic  # noqa: E402
import apifile  # noqa: E402

MODELS = sys.argv.pop(1) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
MODELS = MODELS if MODELS and os.path.isdir(MODELS) else None

SMALL = {
    "metadata": {"apiVersion": "2020-01-01", "endpointPrefix": "small", "protocol": "rest-json",
                 "serviceId": "Small"},
    "operations": {
        "Put": {"name": "Put", "http": {"method": "PUT", "requestUri": "/things/{Id+}?kind=a",
                                        "responseCode": 201},
                "input": {"shape": "PutRequest"}, "output": {"shape": "Thing"},
                "errors": [{"shape": "Gone"}]},
        "List": {"name": "List", "http": {"method": "GET", "requestUri": "/things"}},
    },
    "shapes": {
        "PutRequest": {"type": "structure", "required": ["Id"], "payload": "Body", "members": {
            "Id": {"shape": "Id", "location": "uri", "locationName": "Id"},
            "When": {"shape": "Time", "location": "header", "locationName": "X-When"},
            "Body": {"shape": "Thing"}}},
        "Thing": {"type": "structure", "members": {
            "default": {"shape": "Count"}, "Colour": {"shape": "Colour"},
            "Parts": {"shape": "Parts"}, "Tags": {"shape": "Tags"}, "Limit": {"shape": "Count",
                                                                              "max": 3}}},
        "Parts": {"type": "list", "member": {"shape": "Thing"}, "max": 4},
        "Tags": {"type": "map", "key": {"shape": "Id"}, "value": {"shape": "Count"},
                 "sparse": True},
        "Id": {"type": "string", "min": 1, "pattern": "[a-z\"\\\\# ]+"},
        "Time": {"type": "timestamp", "timestampFormat": "iso8601"},
        "Colour": {"type": "string", "enum": ["red", "dark red", "RED"]},
        "Count": {"type": "integer", "min": 1, "max": 9},
        "Gone": {"type": "structure", "members": {}, "exception": True,
                 "error": {"httpStatusCode": 410, "code": "AllGone"}},
        "Unused": {"type": "string"},
    },
}


def run(tool, *arguments):
    return subprocess.run([sys.executable, os.path.join(TOOLS, tool), *arguments],
                          capture_output=True, text=True, check=False)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def import_small(self, *extra):
        return run("model-import.py", self.path("small.json", json.dumps(SMALL)),
                   self.path("small.api"), *extra)

    def compile(self, text):
        return run("apic.py", self.path("t.api", text), self.path("t.h"), self.path("t.c"))


class Words(unittest.TestCase):
    def test_quoting_comes_back(self):
        for text in ("plain", "", "a b", 'q"q', "back\\slash", "#", "a=b", "^[^\\s\"]+$"):
            line = apifile.parse_line("f", 1, "x key=" + '"' + apifile.quote("=" + text)[1:], 1)
            self.assertEqual(line.attrs["key"], "=" + text)

    def test_words_flags_attributes_and_comments(self):
        line = apifile.parse_line("f", 1, 'string Id min=1 sensitive pattern="a b" # why', 2)
        self.assertEqual((line.words, line.flags, line.attrs),
                         (["string", "Id"], {"sensitive"}, {"min": "1", "pattern": "a b"}))

    def test_an_open_quote_is_reported_with_its_place(self):
        with self.assertRaisesRegex(apifile.ApiError, "f:7: column 3: a quoted word"):
            apifile.parse_line("f", 7, 'x "open', 1)


class Import(Folder):
    def test_makes_a_file_and_keeps_the_hand_part(self):
        self.assertEqual(self.import_small("--operations", "Put").returncode, 0)
        text = self.text("small.api")
        self.assertIn("op Put PUT \"/things/{Id+}?kind=a\" status=201", text)
        self.assertIn("unselected\n  List GET /things", text)
        self.assertNotIn("Unused", text)
        self.path("small.api", "# by hand\n" + text)
        self.assertEqual(self.import_small().returncode, 0)
        self.assertEqual(self.text("small.api"), "# by hand\n" + text)

    def test_adding_an_operation_is_one_word(self):
        self.import_small("--operations", "Put")
        self.assertEqual(self.import_small("--operations", "List").returncode, 0)
        self.assertIn("op List GET /things", self.text("small.api"))
        self.assertNotIn("unselected", self.text("small.api"))

    def test_unknown_operation_changes_nothing(self):
        self.import_small("--operations", "Put")
        before = self.text("small.api")
        result = self.import_small("--operations", "Nope")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no operation 'Nope'", result.stderr)
        self.assertEqual(self.text("small.api"), before)

    def test_a_trait_that_it_does_not_know_is_an_error(self):
        model = json.loads(json.dumps(SMALL))
        model["shapes"]["Id"]["surprise"] = True
        result = run("model-import.py", self.path("m.json", json.dumps(model)),
                     self.path("m.api"))
        self.assertIn("unknown traits ['surprise']", result.stderr)
        self.assertFalse(os.path.exists(self.path("m.api")))


class Compile(Folder):
    def test_shapes_in_c(self):
        self.import_small()
        header, source = self.path("small.h"), self.path("small.c")
        self.assertEqual(run("apic.py", self.path("small.api"), header, source).stderr, "")
        text = re.sub(r"\s+", " ", self.text("small.h"))
        self.assertIn("struct small_Thing { bool has_default_; int32_t default_; struct str Colour;"
                      " struct small_Parts Parts; struct small_Tags Tags; bool has_Limit;"
                      " int32_t Limit; };", text)
        self.assertIn("struct small_Parts { struct small_Thing *items; size_t count; };", text)
        self.assertIn("struct small_Tags_entry { struct str key; bool has_value; int32_t value; };",
                      text)
        self.assertIn("small_Colour_DARK_RED = 2, small_Colour_RED_2 = 3,", text)
        tables = self.text("small.c")
        self.assertIn('STR_INIT("AllGone"), 410, AWS_SENDER', tables)
        self.assertIn("AWS_REQUIRED | AWS_LABEL_GREEDY, AWS_IN_LABEL", tables)
        self.assertIn("&small_shape_Thing_Limit", tables)

    def test_output_depends_on_the_input_only(self):
        self.import_small()
        texts = []
        for _ in range(2):
            run("apic.py", self.path("small.api"), self.path("small.h"), self.path("small.c"))
            texts.append(self.text("small.h") + self.text("small.c"))
        self.assertEqual(texts[0], texts[1])

    def test_mistakes_are_named_with_their_line(self):
        api = "api version=1 protocols=rest-json signing=x endpoint=x\n"
        for text, message in (
                ("service x\n" + api + "operation Go\n", "t.api:3: operation Go is selected but"),
                ("service x\n" + api + "strnig Id\n", "t.api:3: unknown statement 'strnig'"),
                (api, "no 'service NAME' line"),
                ("service x\n", "no 'api' line"),
                ("service x\napi protocols=soap\n", "t.api:2: unknown protocol 'soap'"),
                ("service x\n" + api + "operation Go\nop Go GET /{A}\n",
                 "t.api:4: label {A} is no member"),
                ("service x\n" + api + "operation Go\nop Go GET /\n  input In\n",
                 "t.api:4: shape In is not defined"),
                ("service x\n" + api + "operation Go\nop Go GET /\n  input In\n"
                 "structure In\n  A String requird\nstring String\n",
                 "t.api:7: unknown flag 'requird'"),
                ("service x\n" + api + "override Nope max=3\n", "nothing is named 'Nope'"),
                ("  x\n", "t.api:1: an indented line needs")):
            with self.subTest(message):
                result = self.compile(text)
                self.assertEqual(result.returncode, 1)
                self.assertIn(message, result.stderr)
                self.assertFalse(os.path.exists(self.path("t.c")))

    def test_hidden_values_go_to_the_end(self):
        self.import_small()
        text = self.text("small.api").replace(
            "service small\n", 'service small\noverride Colour hidden="dark red"\n')
        self.assertEqual(self.compile(text).stderr, "")
        self.assertIn("small_Colour_DARK_RED = 3,", self.text("t.h"))
        self.assertIn(".enum_hidden_from = 2", self.text("t.c"))

    def test_overrides(self):
        self.import_small()
        text = self.text("small.api").replace(
            "service small\n", "service small\noverride Count max=7\noverride PutRequest.Id "
            "no-required\noverride Put status=202\nerror Busy status=429\n")
        self.assertEqual(self.compile(text).stderr, "")
        tables = self.text("t.c")
        self.assertIn(".max = 7", tables)
        self.assertIn(".status = 202", tables)
        self.assertIn("const struct aws_error small_error_Busy", tables)
        self.assertNotIn("AWS_REQUIRED", tables)

    def test_the_most_specific_route_comes_first(self):
        routes = ["/{B}", "/{B}?acl", "/{B}/{K+}", "/{B}/{K+}?uploads", "/a/{K}", "/{B}?x=1&acl",
                  "/a/b"]
        ordered = sorted(routes, key=apic.specificity)
        for first, second in (("/{B}?acl", "/{B}"), ("/a/b", "/a/{K}"), ("/a/{K}", "/{B}/{K+}"),
                              ("/{B}/{K+}?uploads", "/{B}/{K+}"), ("/{B}?x=1&acl", "/{B}?acl")):
            self.assertLess(ordered.index(first), ordered.index(second))


class Docs(Folder):
    def test_lists_every_operation_with_its_state(self):
        self.import_small("--operations", "Put")
        self.path("small.api", self.text("small.api").replace(
            "operation Put\n", 'operation Put stored="no one reads it"\n'
            'override Thing.Colour stored="kept"\n'))
        page = self.path("small.md")
        self.assertEqual(run("apidocs.py", self.path("small.api"), page).stderr, "")
        self.assertIn("| Put | `PUT /things/{Id+}?kind=a` | stored | no one reads it |",
                      self.text("small.md"))
        self.assertIn("| Thing.Colour | kept |", self.text("small.md"))
        self.assertIn("| List | `GET /things` | rejected |", self.text("small.md"))
        self.assertEqual(run("apidocs.py", self.path("small.api"), page, "--check").returncode, 0)
        self.path("small.md", "old")
        self.assertEqual(run("apidocs.py", self.path("small.api"), page, "--check").returncode, 1)


@unittest.skipUnless(MODELS, "no folder of official models")
class EveryModel(Folder):
    def test_imports_and_compiles(self):
        for model in sorted(glob.glob(os.path.join(MODELS or "", "*", "service-2.json.gz"))):
            name = os.path.basename(os.path.dirname(model))
            with self.subTest(name):
                api, header, source = (self.path(name + end) for end in (".api", ".h", ".c"))
                self.assertEqual(run("model-import.py", model, api).stderr, "")
                self.assertEqual(run("apic.py", api, header, source).stderr, "")
        os.mkdir(self.path("gen"))
        for name in ("s3", "sqs", "cloudwatch", "kinesis", "lambda", "dynamodb"):
            if os.path.exists(self.path(name + ".c")):
                self.check_c(name)

    def check_c(self, name):
        """The C of one service of each protocol compiles without a warning."""
        os.rename(self.path(name + ".h"), self.path(f"gen/{name}.h"))
        flags = ["-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Werror",
                 "-Wno-missing-field-initializers", "-I" + os.path.join(ROOT, "src"),
                 "-I" + self.folder.name]
        result = subprocess.run([os.environ.get("CC", "cc"), *flags, self.path(name + ".c")],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main()
