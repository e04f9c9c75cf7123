#!/usr/bin/python3
"""Runs the official protocol cases against the wire engine.

usage: run.py ENGINE CASES_DIR [ID-PART] [-v]

Compares JSON and CBOR by value, headers exactly, request ids not at all. What does not apply to a server is
left out and counted; everything else must pass. Exit 0 when all did.
"""
import base64
import json
import math
import struct
import subprocess
import sys
from xml.etree import ElementTree

PROTOCOLS = {"restJson1": 0, "awsJson1_0": 1, "awsJson1_1": 2, "awsQuery": 3, "restXml": 4,
             "rpcv2Cbor": 5}
SERVICES = {
    "aws.protocoltests.restjson#RestJson": "restjson",
    "aws.protocoltests.restjson.validation#RestJsonValidation": "restjsonvalidation",
    "aws.protocoltests.rpcv2cbor#NonQueryCompatibleRpcV2Protocol": "cborplain",
    "aws.protocoltests.rpcv2cbor#QueryCompatibleRpcV2Protocol": "cborqc",
    "smithy.protocoltests.rpcv2Cbor#RpcV2Protocol": "cbor",
    "com.amazonaws.apigateway#BackplaneControlService": "apigateway",
    "com.amazonaws.glacier#Glacier": "glacier",
    "aws.protocoltests.json#JsonProtocol": "json11",
    "aws.protocoltests.json10#JsonRpc10": "json10",
    "aws.protocoltests.json10#QueryCompatibleJsonRpc10": "json10qc",
    "aws.protocoltests.query#AwsQuery": "query",
    "aws.protocoltests.restxml#RestXml": "restxml",
    "aws.protocoltests.restxml.xmlns#RestXmlWithNamespace": "restxmlns",
    "com.amazonaws.s3#AmazonS3": "s3",
    "com.amazonaws.machinelearning#AmazonML_20141212": "machinelearning",
}
SPOKEN = {"restJson1", "awsJson1_0", "awsJson1_1", "awsQuery", "restXml", "rpcv2Cbor"}
LOST = "the service-2 model lacks the members"
LEFT_OUT = {
    "AwsJson10ServerPopulatesDefaultsInResponseWhenMissingInParams": LOST,
    "RestJsonOmitsEmptyListQueryValues": "for clients: an empty list in a query cannot be seen",
    "AwsJson11IntEnums": "the answer's headers are a request's",
    "ComplexError": "for clients: the body has members that the parameters lack",
    "InvalidGreetingError": "for clients: the body has members that the parameters lack",
    "S3OperationNoErrorWrappingResponse": "S3 itself sends no Type",
    "QueryEmptyQueryMaps": "for clients: an empty map in a form cannot be seen",
    "RestJsonServerPopulatesDefaultsInResponseWhenMissingInParams": LOST,
    "RpcV2CborServerPopulatesDefaultsInResponseWhenMissingInParams": LOST,
}


def skip_reason(case):
    """Why a case does not apply, or None."""
    if case["suite"] not in SPOKEN:
        return "protocol not spoken"
    if case["id"] in LEFT_OUT and case["kind"] != "malformed" and \
            (case["id"], case["kind"]) != ("AwsJson11IntEnums", "request"):
        return LEFT_OUT[case["id"]]
    if case["service"] is None:
        return "no model"
    if case["kind"] == "response" and "Offset" in case["id"]:
        return "for clients"
    if case["operation"].endswith("#PutWithContentEncoding") and not case["test"].get("body"):
        return "compression without a body"
    return None


def fits(model, shape, params):
    """False when the parameters speak of members that the model lost on its way to service-2."""
    trait = model["shapes"][shape]
    if trait["type"] == "structure" and isinstance(params, dict) and not trait.get("document"):
        return all(key in trait["members"] and fits(model, trait["members"][key]["shape"], value)
                   for key, value in params.items())
    if trait["type"] == "list" and isinstance(params, list):
        return all(fits(model, trait["member"]["shape"], value) for value in params)
    if trait["type"] == "map" and isinstance(params, dict):
        return all(fits(model, trait["value"]["shape"], value) for value in params.values())
    return True


def is_lost(case, folder, models):
    if case["kind"] != "request" or not case["test"].get("params"):
        return False
    name = case["service"].replace("#", ".")
    if name not in models:
        with open(f"{folder}/service2/{name}.json", encoding="utf-8") as file:
            models[name] = json.load(file)
    operation = models[name]["operations"][case["operation"].split("#")[1]]
    return not fits(models[name], operation["input"]["shape"], case["test"]["params"])


def flat(headers):
    return [text for pair in (headers or {}).items() for text in pair]


def request_of(case, test):
    path, _, query = test["uri"].partition("?")
    headers = dict(test.get("headers") or {})
    if test.get("bodyMediaType") and test.get("body") and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = test["bodyMediaType"]
    if "awsJson" in case["suite"] and "x-amz-target" not in map(str.lower, headers):
        headers["X-Amz-Target"] = "Any." + case["operation"].split("#")[1]
    if case["suite"] == "awsQuery" and "Action=" not in test.get("body", ""):
        return None
    if case["service"].endswith("#AmazonS3"):
        headers["Host"] = test["resolvedHost"]
    query = "&".join(([query] if query else []) + test.get("queryParams", []))
    body = "body64" if case["suite"] == "rpcv2Cbor" else "body"
    return {"service": SERVICES[case["service"]], "protocol": PROTOCOLS[case["suite"]],
            "method": test["method"], "path": path, "query": query,
            "headers": flat(headers), body: test.get("body", "")}


def answer_of(case, test):
    wanted = {"service": SERVICES[case["service"]], "protocol": PROTOCOLS[case["suite"]],
              "op": case["operation"].split("#")[1], "params": test.get("params", {})}
    if case["kind"] == "error":
        wanted["error"] = case["shape"].split("#")[1]
    return wanted


def same(want, have):
    if isinstance(want, dict) and isinstance(have, dict):
        want = {key: value for key, value in want.items() if value is not None or key in have}
        have = {key: value for key, value in have.items() if value != {} or key in want}
        return want.keys() == have.keys() and all(same(want[key], have[key]) for key in want)
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(map(same, want, have))
    if isinstance(want, float) or isinstance(have, float):
        if want != want and have != have:  # both are NaN
            return True
        is_number = all(isinstance(x, (int, float)) and not isinstance(x, bool)
                        for x in (want, have))
        return is_number and math.isclose(want, have, rel_tol=1e-6)
    return want == have and isinstance(want, bool) == isinstance(have, bool)


def check_headers(wanted, answer):
    have = {"content-length": str(len(answer.get("body", "")))}  # the HTTP layer's
    pairs = answer["headers"]
    for name, value in zip(pairs[::2], pairs[1::2]):
        have[name.lower()] = value
    return [f"header {name}: {have.get(name.lower())!r} is not {value!r}"
            for name, value in (wanted or {}).items()
            if have.get(name.lower()) != value and "requestid" not in name.lower()]


def canonical(element):
    """An element for comparing: no blanks between elements, no order of attributes, of different
    children, no request ids."""
    children = [canonical(child) for child in element
                if child.tag.split("}")[-1] not in ("RequestId", "ResponseMetadata", "HostId")
                and not (child.tag.endswith("Result") and not len(child) and not child.text)]
    text = (element.text or "") if not len(element) else ""
    return element.tag, text, sorted(element.attrib.items()), sorted(children)


def same_xml(wanted, body):
    try:
        have = ElementTree.fromstring(body)
        want = ElementTree.fromstring(wanted)
    except ElementTree.ParseError:
        return False
    if "}" not in want.tag and "}" in have.tag:  # the case does not care for the service's
        default = have.tag.split("}")[0] + "}"
        for element in have.iter():
            element.tag = element.tag.removeprefix(default)
    return canonical(want) == canonical(have)


def is_empty_envelope(body):
    """Query's answer without a result is an envelope around nothing."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return False
    return all(not len(child) and not child.text for child in root
               if not child.tag.endswith("ResponseMetadata"))


class Break(Exception):
    """The end of a CBOR item whose length was not given."""


def cbor_items(data, at, count):
    """So many items, or all up to the break when count is None."""
    items = []
    while count is None or len(items) < count:
        try:
            item, at = cbor(data, at)
        except Break:
            return items, at + 1
        items.append(item)
    return items, at


def cbor(data, at=0):
    """The item at that byte, and where the next begins. Blobs read as {"blob": …}."""
    major, info = data[at] >> 5, data[at] & 31
    if data[at] == 0xff:
        raise Break
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    argument = int.from_bytes(data[at + 1:at + 1 + width], "big") if width else info
    start, at = at, at + 1 + width
    if major == 7:
        constants = {20: False, 21: True, 22: None, 23: None}
        if info in constants:
            return constants[info], at
        return struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], data[start + 1:at])[0], at
    if major < 2:
        return (argument, -1 - argument)[major], at
    if major < 4:
        if info == 31:
            parts, at = cbor_items(data, at, None)
            return "".join(parts) if major == 3 else {"blob": "".join(p["blob"] for p in parts)}, at
        text = data[at:at + argument]
        at += argument
        return (text.decode() if major == 3 else {"blob": text.hex()}), at
    if major == 6:
        item, at = cbor(data, at)
        return {"tag": argument, "item": item}, at
    count = None if info == 31 else argument * (2 if major == 5 else 1)
    items, at = cbor_items(data, at, count)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def same_cbor(wanted, have):
    if not wanted or not have:
        return wanted == have
    want, value = cbor(wanted)[0], cbor(have)
    return value[1] == len(have) and same(want, value[0])


def check_body(test, answer):
    wanted = test.get("body")
    if wanted is None:
        return []
    if "body64" in answer:
        have = base64.b64decode(answer["body64"])
        return [] if same_cbor(base64.b64decode(wanted), have) else [f"body {have}"]
    body = answer["body"]
    if "awsQuery" in test.get("protocol", "") and not wanted:
        return [] if is_empty_envelope(body) else [f"body {body!r}"]
    if ("xml" in (test.get("bodyMediaType") or "") and wanted) or wanted.startswith("<"):
        return [] if same_xml(wanted, body) else [f"body {body}"]
    if "json" in (test.get("bodyMediaType") or "") and wanted:
        try:
            return [] if same(json.loads(wanted), json.loads(body)) else [f"body {body}"]
        except ValueError:
            return [f"body is not JSON: {body!r}"]
    return [] if body == wanted else [f"body {body!r} is not {wanted!r}"]


def check(case, test, answer):
    if case["kind"] == "request":
        if "op" not in answer:
            return [f"refused: {answer}"]
        wrong = [] if answer["op"] == case["operation"].split("#")[1] else [f"op {answer['op']}"]
        if "queryParamsMapOfStrings" not in test.get("params", {}):
            answer.get("params", {}).pop("queryParamsMapOfStrings", None)  # all, for servers
        if not same(test.get("params", {}), answer.get("params", {})):
            wrong.append(f"params {answer.get('params')}")
        return wrong
    if "status" not in answer:
        return [f"not refused: {answer}"]
    if case["kind"] == "malformed":
        wanted = test["response"]
        body = (wanted.get("body") or {}).get("assertion", {}).get("contents")
        body = body and body.replace("$$", "$")  # the cases escape their parameters' mark
        wanted = {"code": wanted["code"], "headers": wanted.get("headers"), "body": body,
                  "bodyMediaType": "application/json"}
    else:
        wanted = test
    wrong = [] if answer["status"] == wanted["code"] else [f"status {answer['status']}"]
    wrong += check_headers(wanted.get("headers"), answer) + check_body(wanted, answer)
    present = {name.lower() for name in answer["headers"][::2]}
    return wrong + [f"forbidden header {name}" for name in test.get("forbidHeaders", [])
                    if name.lower() in present]


def main():
    verbose = "-v" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "-v"]
    engine, folder = arguments[:2]
    part = arguments[2] if len(arguments) > 2 else ""
    counts, left_out, models, failed = {}, {}, {}, 0
    with open(folder + "/cases-server.jsonl", encoding="utf-8") as file, \
            subprocess.Popen([engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in file:
            case = json.loads(line)
            reason = skip_reason(case)
            if part not in case["id"] or reason:
                left_out[reason] = left_out.get(reason, 0) + (part in case["id"])
                continue
            if is_lost(case, folder, models):
                left_out[LOST] = left_out.get(LOST, 0) + 1
                continue
            test = case["test"]
            if case["kind"] in ("request", "malformed"):
                message = request_of(case, test if case["kind"] == "request" else test["request"])
            else:
                message = answer_of(case, test)
            if message is None:
                left_out["no body"] = left_out.get("no body", 0) + 1
                continue
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            text = process.stdout.readline()
            answer = json.loads(text) if text else None
            if answer and "unfit" in answer:
                left_out[LOST] = left_out.get(LOST, 0) + 1
                continue
            wrong = check(case, test, answer) if text else ["the engine died"]
            key = (case["suite"], case["kind"])
            passed, total = counts.get(key, (0, 0))
            counts[key] = (passed + (not wrong), total + 1)
            if wrong:
                failed += 1
                print(f"FAIL {case['id']}: {'; '.join(wrong)[:600]}")
                if verbose:
                    print("    " + json.dumps(message)[:1500])
            if not text:
                break
        process.stdin.close()
    for (suite, kind), (passed, total) in sorted(counts.items()):
        print(f"{suite:12} {kind:10} {passed:4} of {total:4}")
    for reason, count in left_out.items():
        print(f"left out   {count:4}: {reason}")
    return 1 if failed or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
