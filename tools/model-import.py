#!/usr/bin/python3
"""Makes or refreshes model/<service>.api from an official service model.

usage: model-import.py MODEL FILE.api [--new] [--operations A,B,…|all] [--hand LINE]…

MODEL is a botocore service-2.json or service-2.json.gz. FILE.api keeps its hand-written part; what
lies below the mark is made anew: the operations that the hand part selects, every shape that they
reach, and the names and routes of all other operations. A file that does not exist is created,
with the operations given (default: all) and the LINEs in its hand part. With an existing file --operations adds to its selection;
--new forgets what it holds.
The result depends on the two inputs only.
"""
import argparse
import gzip
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from apifile import MARK, ApiError, parse, quote  # noqa: E402

PROTOCOLS = {"rest-json": "rest-json", "rest-xml": "rest-xml", "query": "query",
             "smithy-rpc-v2-cbor": "cbor"}
LOCATIONS = {"uri": "label", "querystring": "query", "header": "header",
             "headers": "header-prefix", "statusCode": "status"}
TIMES = {"unixTimestamp": "epoch", "iso8601": "iso8601", "rfc822": "http"}
SCALARS = ("string", "blob", "boolean", "byte", "short", "integer", "long", "float", "double",
           "timestamp")
# What the wire does not show, and what no server needs.
IGNORED_SHAPE = {"type", "documentation", "box", "deprecated", "deprecatedMessage",
                 "deprecatedSince", "retryable", "synthetic", "wrapper", "xmlOrder"}
KNOWN_SHAPE = {"members", "required", "exception", "error", "payload", "fault", "union", "event",
               "locationName", "xmlNamespace", "eventstream", "sensitive", "streaming", "document",
               "member", "key", "value", "min", "max", "pattern", "enum", "intEnum", "flattened",
               "uniqueItems", "sparse", "mediaType", "timestampFormat"}
IGNORED_MEMBER = {"shape", "documentation", "contextParam", "box", "deprecated",
                  "deprecatedMessage", "deprecatedSince"}
KNOWN_MEMBER = {"locationName", "location", "idempotencyToken", "xmlNamespace", "timestampFormat",
                "flattened", "default", "min", "max", "pattern", "enum", "hostLabel", "streaming",
                "queryName", "eventpayload", "eventheader", "xmlAttribute", "jsonvalue"}


def load(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return json.load(file)


def number(value):
    """A bound without a useless fraction: 100.0 becomes 100."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def namespace_words(prefix, trait):
    uri = trait if isinstance(trait, str) else trait["uri"]
    words = [f"{prefix}xmlns={quote(uri)}"]
    if isinstance(trait, dict) and trait.get("prefix"):
        words.append(f"{prefix}xmlns-prefix={trait['prefix']}")
    return words


def bounds(trait, prefix=""):
    words = [f"{prefix}{key}={number(trait[key])}" for key in ("min", "max") if key in trait]
    if "pattern" in trait:
        words.append(f"{prefix}pattern={quote(trait['pattern'])}")
    return words


def member_words(trait, name, where, host_labels=()):
    """The attributes of a structure's member, in a fixed order."""
    unknown = set(trait) - KNOWN_MEMBER - IGNORED_MEMBER
    if unknown:
        raise ApiError(f"{where}.{name}: unknown traits {sorted(unknown)}")
    words = []
    wire = trait.get("locationName", name)
    if "location" in trait:
        words.append(LOCATIONS[trait["location"]])
    if wire != name:
        words.append(f"wire={quote(wire)}")
    if "queryName" in trait:
        words.append(f"query-name={quote(trait['queryName'])}")
    flags = {"flattened": "flattened", "xmlAttribute": "attribute", "idempotencyToken": "token",
             "streaming": "stream", "hostLabel": "host-label", "eventheader": "event-header",
             "eventpayload": "event-payload", "jsonvalue": "json-value"}
    words += [word for key, word in flags.items() if trait.get(key)]
    if "timestampFormat" in trait:
        words.append(f"time={TIMES[trait['timestampFormat']]}")
    if "xmlNamespace" in trait:
        words += namespace_words("", trait["xmlNamespace"])
    if trait.get("default") is not None:
        words.append(f"default={quote(json.dumps(trait['default']))}")
    words += bounds(trait)
    if "enum" in trait:
        words.append("values=" + quote(",".join(trait["enum"])))
    return words


def wrapped(words, indent="  ", width=98):
    """The words on as many indented lines as they need."""
    lines, line = [], indent.rstrip("\n")
    for word in words:
        if len(line) > len(indent) and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = indent
        line += (" " if len(line) > len(indent) else "") + word
    return lines + [line] if words else lines


def structure_head(name, shape):
    words = ["union" if shape.get("union") or shape.get("eventstream") else "structure", name]
    for key, word in (("event", "event"), ("eventstream", "event-stream"),
                      ("sensitive", "sensitive")):
        if shape.get(key):
            words.append(word)
    if "payload" in shape:
        words.append(f"payload={shape['payload']}")
    if "locationName" in shape:
        words.append(f"xml-name={quote(shape['locationName'])}")
    if "xmlNamespace" in shape:
        words += namespace_words("", shape["xmlNamespace"])
    if shape.get("exception"):
        error = shape.get("error", {})
        words.append("exception")
        is_fault = shape.get("fault") or error.get("fault")
        is_sender = error.get("senderFault", not is_fault)
        words.append(f"status={error.get('httpStatusCode', 400 if is_sender else 500)}")
        if not is_sender:
            words.append("receiver")
        if error.get("code", name) != name:
            words.append(f"code={quote(error['code'])}")
    return words


def structure_lines(name, shape):
    if shape.get("document"):
        return [f"document {name}"]
    lines = [" ".join(structure_head(name, shape))]
    required = set(shape.get("required", []))
    for member, trait in shape["members"].items():
        words = [member, trait["shape"]] + (["required"] if member in required else [])
        lines.append("  " + " ".join(words + member_words(trait, member, name)))
    return lines


def item_words(prefix, trait, default):
    words = []
    if trait.get("locationName", default) != default:
        words.append(f"{prefix}wire={quote(trait['locationName'])}")
    if "xmlNamespace" in trait:
        words += namespace_words(prefix, trait["xmlNamespace"])
    return words + bounds(trait, prefix)


def collection_words(name, shape):
    if shape["type"] == "list":
        words = ["list", name, "of", shape["member"]["shape"]]
        items = item_words("item-", shape["member"], "member")
    else:
        words = ["map", name, "of", shape["key"]["shape"], "to", shape["value"]["shape"]]
        items = item_words("key-", shape["key"], "key")
        items += item_words("value-", shape["value"], "value")
    words += [word for key, word in (("flattened", "flattened"), ("sparse", "sparse"),
                                     ("uniqueItems", "unique"), ("sensitive", "sensitive"))
              if shape.get(key)]
    if "xmlNamespace" in shape:
        words += namespace_words("", shape["xmlNamespace"])
    return words + bounds(shape) + items


def scalar_lines(name, shape):
    is_enum = "enum" in shape and shape["type"] == "string"
    words = ["enum" if is_enum else shape["type"], name]
    words += [key for key in ("sensitive", "streaming") if shape.get(key)]
    if "timestampFormat" in shape:
        words.append(f"time={TIMES[shape['timestampFormat']]}")
    if "mediaType" in shape:
        words.append(f"media-type={quote(shape['mediaType'])}")
    if "intEnum" in shape:
        words.append("values=" + ",".join(str(value) for value in shape["intEnum"]))
    lines = [" ".join(words + bounds(shape))]
    return lines + (wrapped([quote(value) for value in shape["enum"]]) if is_enum else [])


def shape_lines(name, shape):
    unknown = set(shape) - KNOWN_SHAPE - IGNORED_SHAPE
    if unknown:
        raise ApiError(f"shape {name}: unknown traits {sorted(unknown)}")
    if shape["type"] == "structure":
        return structure_lines(name, shape)
    if shape["type"] in ("list", "map"):
        return [" ".join(collection_words(name, shape))]
    if shape["type"] in SCALARS:
        return scalar_lines(name, shape)
    raise ApiError(f"shape {name}: unsupported type '{shape['type']}'")


def operation_lines(operation):
    http, input_, output = operation["http"], operation.get("input"), operation.get("output")
    words = ["op", operation["name"], http["method"], quote(http["requestUri"])]
    if http.get("responseCode", 200) != 200:
        words.append(f"status={http['responseCode']}")
    if operation.get("authtype") == "none" or operation.get("auth") == ["smithy.api#noAuth"]:
        words.append("no-auth")
    if operation.get("unsignedPayload"):
        words.append("unsigned-payload")
    if operation.get("requestcompression"):
        words.append("compressed")
    checksum = operation.get("httpChecksum", {})
    if checksum.get("requestChecksumRequired") or operation.get("httpChecksumRequired"):
        words.append("checksum-required")
    if "requestAlgorithmMember" in checksum:
        words.append(f"checksum={checksum['requestAlgorithmMember']}")
    if operation.get("endpoint", {}).get("hostPrefix"):
        words.append(f"host-prefix={quote(operation['endpoint']['hostPrefix'])}")
    lines = [" ".join(words)]
    if input_:
        words = ["input", input_["shape"]]
        if "locationName" in input_:
            words.append(f"element={quote(input_['locationName'])}")
        if "xmlNamespace" in input_:
            words += namespace_words("", input_["xmlNamespace"])
        lines.append("  " + " ".join(words))
    if output:
        if output.get("resultWrapper", operation["name"] + "Result") != operation["name"] + "Result":
            raise ApiError(f"{operation['name']}: unusual wrapper {output['resultWrapper']}")
        lines.append(f"  output {output['shape']}")
    errors = sorted({error["shape"] for error in operation.get("errors", [])})
    return lines + wrapped(errors, "  errors ")


def api_line(metadata):
    names = metadata.get("protocols", [metadata["protocol"]])
    protocols = []
    for name in [metadata["protocol"]] + names:
        if name == "json":
            name = "json-" + metadata.get("jsonVersion", "1.0")
        elif name not in PROTOCOLS:
            raise ApiError(f"protocol '{name}' is not supported")
        name = PROTOCOLS.get(name, name)
        if name not in protocols:
            protocols.append(name)
    words = ["api", f"version={metadata['apiVersion']}", "protocols=" + ",".join(protocols),
             f"signing={metadata.get('signingName', metadata['endpointPrefix'])}",
             f"endpoint={metadata['endpointPrefix']}"]
    for key, word in (("targetPrefix", "target"), ("xmlNamespace", "xmlns")):
        if key in metadata:
            value = metadata[key]
            words.append(f"{word}={quote(value if isinstance(value, str) else value['uri'])}")
    words += ["query-compatible"] if "awsQueryCompatible" in metadata else []
    words += ["errors-unwrapped"] if metadata.get("noErrorWrapping") else []
    return " ".join(words)


def children(shape):
    if shape["type"] == "structure":
        return [trait["shape"] for trait in shape["members"].values()]
    return [shape[key]["shape"] for key in ("member", "key", "value") if key in shape]


def reach(model, operations):
    """Names of the shapes that the operations need."""
    seen, todo = set(), []
    for operation in operations:
        for key in ("input", "output"):
            todo += [operation[key]["shape"]] if operation.get(key) else []
        todo += [error["shape"] for error in operation.get("errors", [])]
    while todo:
        name = todo.pop()
        if name not in seen:
            if name not in model["shapes"]:
                raise ApiError(f"shape {name} is used but not defined")
            seen.add(name)
            todo += children(model["shapes"][name])
    return seen


def generated(model, selected):
    """The text below the mark."""
    operations = model["operations"]
    lines = ["", api_line(model["metadata"])]
    for name in sorted(selected):
        lines += [""] + operation_lines(operations[name])
    shapes = reach(model, [operations[name] for name in selected])
    scalars = [name for name in shapes if model["shapes"][name]["type"] != "structure"]
    for group in (sorted(shapes - set(scalars)), sorted(scalars)):
        for name in group:
            text = shape_lines(name, model["shapes"][name])
            lines += ([""] if len(text) > 1 else []) + text
        lines.append("")
    rest = [operations[name] for name in sorted(operations) if name not in selected]
    if rest:
        lines.append("unselected")
    for operation in rest:
        http = operation["http"]
        lines.append(f"  {operation['name']} {http['method']} {quote(http['requestUri'])}")
    return "\n".join(lines).rstrip("\n") + "\n"


def selection(model, path, statements):
    """Names of the operations that the hand part selects."""
    selected = set()
    for line in statements:
        if line.is_generated or line.words[0] != "operation":
            continue
        if len(line.words) < 2:
            line.fail("operation: a name is missing")
        if line.words[1] == "all":
            return set(model["operations"])
        if line.words[1] not in model["operations"]:
            line.fail(f"the official model has no operation '{line.words[1]}'")
        selected.add(line.words[1])
    if not selected:
        raise ApiError(f"{path}: no operation is selected")
    return selected


def hand_part(path, operations, lines, is_new):
    """The text above the mark, with the operations asked for added; new files begin with it."""
    if os.path.exists(path) and not is_new:
        with open(path, encoding="utf-8") as file:
            head, mark, _ = file.read().partition(MARK)
        if not mark:
            raise ApiError(f"{path}: the mark line is missing; nothing was changed")
        present = [line.words[1] for line in parse(path, head)[0] if line.words[0] == "operation"]
        added = [name for name in operations if name not in present]
        return head.rstrip("\n") + "\n" + "".join(f"operation {name}\n" for name in added) + "\n"
    service = os.path.splitext(os.path.basename(path))[0].replace("-", "_")
    chosen = operations or ["all"]
    return f"service {service}\n" + "".join(line + "\n" for line in lines) + "\n" + "".join(f"operation {name}\n" for name in chosen) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("file")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--operations", default="")
    parser.add_argument("--hand", action="append", default=[])
    arguments = parser.parse_args()
    try:
        model = load(arguments.model)
        head = hand_part(arguments.file, [name for name in arguments.operations.split(",") if name],
                         arguments.hand, arguments.new)
        selected = selection(model, arguments.file, parse_hand(arguments.file, head))
        text = head + MARK + "\n" + generated(model, selected)
    except (ApiError, OSError, ValueError, KeyError) as error:
        what = f"{arguments.model}: missing {error}" if isinstance(error, KeyError) else error
        print(f"model-import: {what}", file=sys.stderr)
        return 1
    with open(arguments.file, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


def parse_hand(path, head):
    statements, _ = parse(path, head)
    for line in statements:
        line.is_generated = False
    return statements


if __name__ == "__main__":
    sys.exit(main())
