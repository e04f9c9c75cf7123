#!/usr/bin/python3
"""Compiles model/<service>.api to C: structs, enums and the tables of src/aws/model.h.

usage: apic.py FILE.api OUT.h OUT.c

Only what the selected operations reach is emitted. The output depends on the input alone, byte for
byte. Mistakes in the file are reported as FILE:LINE: what.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from apifile import KINDS, ApiError, Line, read  # noqa: E402

# Words that C, its predefined macros or base/banned.h take away from member names.
RESERVED = set("""auto break case char const continue default do double else enum extern float for
goto if inline int long register restrict return short signed sizeof static struct switch typedef
union unsigned void volatile while asm typeof bool true false assert errno stdin stdout stderr
linux unix i386 NULL EOF rand srand system gets strcpy strcat sprintf atoi gmtime localtime""".split())
PROTOCOLS = {"rest-json": "AWS_REST_JSON", "json-1.0": "AWS_JSON_1_0", "json-1.1": "AWS_JSON_1_1",
             "query": "AWS_QUERY", "rest-xml": "AWS_REST_XML", "cbor": "AWS_CBOR"}
LOCATIONS = {"label": "AWS_IN_LABEL", "query": "AWS_IN_QUERY", "header": "AWS_IN_HEADER",
             "header-prefix": "AWS_IN_HEADER_PREFIX", "status": "AWS_IN_STATUS"}
TIMES = {"epoch": "AWS_TIME_EPOCH", "iso8601": "AWS_TIME_ISO8601", "http": "AWS_TIME_HTTP"}
VALIDATION = {"coral": "AWS_VALIDATION_CORAL", "coral-not-null": "AWS_VALIDATION_CORAL_NOT_NULL",
              "smithy": "AWS_VALIDATION_SMITHY"}
SCALARS = {"boolean": "bool", "byte": "int8_t", "short": "int16_t", "integer": "int32_t",
           "long": "int64_t", "float": "float", "double": "double", "timestamp": "int64_t"}
TEXTS = ("string", "enum", "blob", "document")
MEMBER_FLAGS = {"required": "AWS_REQUIRED", "flattened": "AWS_FLATTENED",
                "attribute": "AWS_XML_ATTRIBUTE", "token": "AWS_IDEMPOTENCY_TOKEN",
                "host-label": "AWS_HOST_LABEL", "event-header": "AWS_EVENT_HEADER",
                "event-payload": "AWS_EVENT_PAYLOAD", "json-value": "AWS_JSON_VALUE",
                "stream": "AWS_BODY_STREAM"}
MEMBER_ATTRS = {"stored", "media-type", "wire", "query-name", "time", "xmlns", "xmlns-prefix", "default", "min", "max",
                "pattern", "values"}
SHAPE_FLAGS = {"sensitive": "AWS_SENSITIVE", "streaming": "AWS_STREAMING", "event": "AWS_EVENT",
               "event-stream": "AWS_EVENT_STREAM", "sparse": "AWS_SPARSE",
               "unique": "AWS_UNIQUE_ITEMS", "flattened": "AWS_SHAPE_FLATTENED",
               "unwrapped": "AWS_XML_UNWRAPPED"}
# What a dialect says about the whole service: the namespace of its XML.
DIALECTS = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}
SHAPE_ATTRS = {"payload", "xml-name", "xmlns", "xmlns-prefix", "status", "code", "min", "max",
               "pattern", "query-name", "matches", "values", "hidden", "time", "media-type"} | {
               f"{part}-{key}" for part in ("item", "key", "value")
               for key in ("wire", "xmlns", "xmlns-prefix", "min", "max", "pattern")}
OP_FLAGS = {"no-auth": "AWS_OP_NO_AUTH", "unsigned-payload": "AWS_OP_UNSIGNED_PAYLOAD",
            "compressed": "AWS_OP_COMPRESSED", "checksum-required": "AWS_OP_CHECKSUM_REQUIRED"}


def c_name(name):
    """A member's name in C."""
    name = re.sub(r"\W", "_", name)
    return name + "_" if name in RESERVED or name[0].isdigit() else name


def c_string(text):
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= byte < 127 and char != "?":
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")  # '?' too: trigraphs
    return '"' + "".join(out) + '"'


def text_init(text):
    return "{NULL, 0}" if text is None else f"STR_INIT({c_string(text)})"


class Member:
    def __init__(self, line, name, shape, flags, attrs):
        self.line, self.name, self.shape, self.flags, self.attrs = line, name, shape, flags, attrs
        self.location, self.is_greedy = "AWS_IN_BODY", False


class Shape:
    def __init__(self, line, kind, name):
        self.line, self.kind, self.name = line, kind, name
        self.flags, self.attrs = set(line.flags), dict(line.attrs)
        self.members, self.values, self.needs_check = [], [], False
        self.like = name  # the shape whose C type it has; differs for narrowed copies

    def is_text(self):
        return self.kind in TEXTS

    def is_aggregate(self):
        return self.kind in ("structure", "union")


class Operation:
    def __init__(self, line):
        self.line, self.name = line, line.words[1]
        self.method, self.uri = line.words[2:4]
        self.attrs, self.flags = dict(line.attrs), set(line.flags)
        self.input = self.output = self.element = None
        self.errors, self.stored = [], None


class Service:
    """A parsed and checked file."""

    def __init__(self, path):
        self.path, self.shapes, self.operations, self.rest = path, {}, {}, []
        self.id, self.api, self.validation, self.selected = None, None, "coral", {}
        self.extra_errors, overrides, self.namespace, self.dialect = [], [], None, None
        self.extra_protocols = []
        self.validation_error = None
        statements, _ = read(path)
        for line in statements:
            self.take(line, overrides)
        if self.id is None:
            raise ApiError(f"{path}: no 'service NAME' line")
        if self.api is None:
            raise ApiError(f"{path}: no 'api' line: run tools/model-import.py")
        self.read_api()
        for line in overrides:
            self.override(line)
        self.select()
        self.resolve()

    def take(self, line, overrides):
        head = line.words[0]
        needs = {"service": 2, "validation": 2, "namespace": 2, "dialect": 2, "protocol": 2, "operation": 2, "override": 2, "error": 2, "op": 4,
                 "list": 4, "map": 6, "api": 1, "unselected": 1}
        if head not in needs and head not in KINDS:
            line.fail(f"unknown statement '{head}'")
        if len(line.words) < needs.get(head, 2):
            line.fail(f"'{head}' needs {needs.get(head, 2) - 1} words after it")
        if head == "service":
            self.id = line.words[1]
        elif head == "validation":
            if line.words[1] not in VALIDATION:
                line.fail("validation is one of: " + ", ".join(sorted(VALIDATION)))
            self.validation = line.words[1]
            self.validation_error = line.attrs.get("error")
        elif head == "namespace":
            self.namespace = line.words[1]
        elif head == "protocol":
            if line.words[1] not in PROTOCOLS:
                line.fail("protocol is one of: " + ", ".join(sorted(PROTOCOLS)))
            self.extra_protocols.append(line)
        elif head == "dialect":
            if line.words[1] not in DIALECTS:
                line.fail("dialect is one of: " + ", ".join(sorted(DIALECTS)))
            self.dialect = line.words[1]
        elif head == "operation":
            self.selected[line.words[1]] = line
        elif head == "override":
            overrides.append(line)
        elif head == "error":
            self.take_error(line)
        elif head == "api":
            self.api = line
        elif head == "op":
            self.take_operation(line)
        elif head == "unselected":
            self.take_rest(line)
        else:
            self.take_shape(line, head)

    def take_error(self, line):
        """An error that the official model does not list: `error NAME status=… [code=…]`."""
        line.flags.add("exception")
        shape = Shape(line, "structure", line.words[1])
        self.add_shape(shape)
        message = line.attrs.pop("message", "message")
        shape.attrs.pop("message", None)
        shape.members.append(Member(line, message, "String", set(), {}))
        self.shapes.setdefault("String", Shape(line_like(line), "string", "String"))
        self.extra_errors.append(shape.name)

    def take_operation(self, line):
        operation = Operation(line)
        for part in line.body:
            names = part.words[1:] + sorted(part.flags)
            if part.words[0] == "errors":
                operation.errors += names
            elif part.words[0] in ("input", "output") and names:
                setattr(operation, part.words[0], names[0])
                operation.element = part.attrs.get("element", operation.element)
            else:
                part.fail("expected input SHAPE, output SHAPE or errors SHAPE…")
        self.operations[operation.name] = operation

    def take_rest(self, line):
        for part in line.body:
            if len(part.words) != 3:
                part.fail("expected: NAME METHOD URI")
            self.rest.append(tuple(part.words))

    def take_shape(self, line, kind):
        shape = Shape(line, kind, line.words[1])
        for part in line.body if kind in ("structure", "union") else []:
            if len(part.words) != 2:
                part.fail("expected: NAME SHAPE attributes…")
            shape.members.append(Member(part, part.words[0], part.words[1], part.flags, part.attrs))
        if kind == "enum":
            shape.values = [value for part in line.body for value in part.words]
        if "values" in shape.attrs:
            shape.values = shape.attrs["values"].split(",")
        if kind == "list":
            shape.members = [self.item(line, "member", line.words[3], "item-")]
        if kind == "map":
            shape.members = [self.item(line, "key", line.words[3], "key-"),
                             self.item(line, "value", line.words[5], "value-")]
        self.add_shape(shape)

    @staticmethod
    def item(line, name, shape, prefix):
        attrs = {key[len(prefix):]: value for key, value in line.attrs.items()
                 if key.startswith(prefix)}
        return Member(line, name, shape, set(), attrs)

    def add_shape(self, shape):
        if shape.name in self.shapes:
            shape.line.fail(f"shape {shape.name} is already defined at line "
                            f"{self.shapes[shape.name].line.number}")
        self.shapes[shape.name] = shape

    def read_api(self):
        names = self.api.attrs.get("protocols", "").split(",")
        for name in names:
            if name not in PROTOCOLS:
                self.api.fail(f"unknown protocol '{name}'")
        for line in self.extra_protocols:
            if line.words[1] in names:
                line.fail("the official model lists it already")
            names.append(line.words[1])
            self.api.attrs.update(line.attrs)
        self.protocols = names

    def override(self, line):
        """`override SHAPE key=value…`, `override SHAPE.MEMBER …`, `override OPERATION …`; a flag
        `no-KEY` takes a trait away."""
        name, _, member = line.words[1].partition(".")
        target = self.shapes.get(name) or self.operations.get(name)
        if member and target:
            target = next((m for m in getattr(target, "members", []) if m.name == member), None)
        if target is None:
            line.fail(f"nothing is named '{line.words[1]}'")
        target.attrs.update(line.attrs)
        for item in target.members if getattr(target, "kind", None) in ("list", "map") else []:
            prefix = "item-" if target.kind == "list" else item.name + "-"
            item.attrs.update({key[len(prefix):]: value for key, value in line.attrs.items()
                               if key.startswith(prefix)})
        for flag in line.flags:
            if flag.startswith("no-") and flag[3:] in target.flags:
                target.flags.discard(flag[3:])
            elif flag.startswith("no-") and flag[3:] in target.attrs:
                del target.attrs[flag[3:]]
            else:
                target.flags.add(flag)

    def select(self):
        if "all" in self.selected:
            self.selected = {name: self.selected["all"] for name in self.operations}
        for name, line in self.selected.items():
            if name not in self.operations:
                line.fail(f"operation {name} is selected but not imported: "
                          "run tools/model-import.py")
            if "stored" in line.attrs:
                self.operations[name].stored = line.attrs["stored"]
        for name in list(self.operations):
            if name not in self.selected:
                gone = self.operations.pop(name)
                self.rest.append((gone.name, gone.method, gone.uri))

    def shape_at(self, name, line):
        if name not in self.shapes:
            line.fail(f"shape {name} is not defined")
        return self.shapes[name]

    def resolve(self):
        """Names become shapes; only what is reachable stays."""
        seen, todo = {}, []
        for operation in self.operations.values():
            for name in [operation.input, operation.output] + operation.errors:
                todo += [self.shape_at(name, operation.line)] if name else []
        todo += [self.shapes[name] for name in self.extra_errors]
        while todo:
            shape = todo.pop()
            if shape.name in seen:
                continue
            seen[shape.name] = shape
            self.check_shape(shape)
            for member in shape.members:
                member.target = self.shape_at(member.shape, member.line)
                todo.append(member.target)
        self.shapes = {name: seen[name] for name in sorted(seen)}
        self.narrow()
        for operation in self.operations.values():
            self.bind(operation)
        self.mark_checks()

    def hide(self, shape):
        """`hidden=A,B`: values that are accepted but not shown; they go to the end of the list."""
        hidden = shape.attrs["hidden"].split(",")
        for value in hidden:
            if value not in shape.values:
                shape.line.fail(f"hidden value '{value}' is no value of {shape.name}")
        shape.values = [value for value in shape.values if value not in hidden] + hidden

    def check_shape(self, shape):
        if "hidden" in shape.attrs:
            self.hide(shape)
        known = set(SHAPE_FLAGS) | {"exception", "receiver"}
        for word in sorted(shape.flags - known):
            shape.line.fail(f"unknown flag '{word}'")
        for word in sorted(set(shape.attrs) - SHAPE_ATTRS):
            shape.line.fail(f"unknown attribute '{word}'")
        names = set()
        for member in shape.members:
            for word in sorted(member.flags - set(MEMBER_FLAGS) - set(LOCATIONS)):
                member.line.fail(f"unknown flag '{word}'")
            for word in sorted(set(member.attrs) - MEMBER_ATTRS):
                member.line.fail(f"unknown attribute '{word}'")
            for name in (c_name(member.name), "has_" + c_name(member.name)):
                if name in names:
                    member.line.fail(f"two members are named {name} in C")
                names.add(name)
            for word, location in LOCATIONS.items():
                if word in member.flags:
                    member.location = location
        if "unwrapped" in shape.flags and len(shape.members) != 1:
            shape.line.fail("an unwrapped structure has one member")
        payload = shape.attrs.get("payload")
        if payload and payload not in [member.name for member in shape.members]:
            shape.line.fail(f"payload names no member: {payload}")

    def narrow(self):
        """A member with constraints of its own gets a copy of its shape that carries them."""
        for shape in list(self.shapes.values()):
            for member in shape.members:
                own = {key: member.attrs[key] for key in ("min", "max", "pattern", "values")
                       if key in member.attrs}
                if not own:
                    continue
                target = member.target
                copy = Shape(target.line, target.kind, f"{shape.name}_{member.name}")
                copy.like, copy.flags = target.like, set(target.flags)
                copy.attrs, copy.members = {**target.attrs, **own}, target.members
                # values="": any text goes through, and the service itself refuses it.
                copy.values = target.values if "values" not in own else \
                    [value for value in own["values"].split(",") if value]
                self.add_shape(copy)
                member.target = copy
        self.shapes = {name: self.shapes[name] for name in sorted(self.shapes)}

    def bind(self, operation):
        """Marks greedy labels, and checks that each label of the route is a member."""
        for word in sorted(operation.flags - set(OP_FLAGS)):
            operation.line.fail(f"unknown flag '{word}'")
        labels = re.findall(r"\{(.+?)(\+?)\}", operation.uri)
        members = self.shapes[operation.input].members if operation.input else []
        wires = {member.attrs.get("wire", member.name): member for member in members
                 if member.location == "AWS_IN_LABEL"}
        for label, plus in labels:
            if label not in wires:
                operation.line.fail(f"label {{{label}}} is no member of {operation.input}")
            wires[label].is_greedy |= bool(plus)
        for wire in wires:
            if wire not in [label for label, _ in labels]:
                operation.line.fail(f"member {wire} is a label that the route does not have")
        for member in members:
            if member.location == "AWS_IN_QUERY" and member.target.kind == "map":
                member.location = "AWS_IN_QUERY_MAP"

    def mark_checks(self):
        for shape in self.shapes.values():
            shape.needs_check = bool(
                set(shape.attrs) & {"min", "max", "pattern"} or shape.values
                or "unique" in shape.flags or any("required" in m.flags for m in shape.members))
        changed = True
        while changed:
            changed = False
            for shape in self.shapes.values():
                if not shape.needs_check and any(m.target.needs_check for m in shape.members):
                    shape.needs_check = changed = True


def line_like(line):
    return Line(line.path, line.number, ["string", "String"], set(), {})


class Writer:
    """Service -> the two C files."""

    def __init__(self, service, header_name):
        self.s, self.p = service, re.sub(r"\W", "_", service.id)
        self.header_name, self.names, self.patterns = header_name, {}, []
        # These protocols know no names but the model's own; other names are then Query's.
        self.is_rpc = bool(set(service.protocols) & {"json-1.0", "json-1.1", "cbor"}) and \
            "rest-json" not in service.protocols

    # ---- C types ----

    def value_type(self, shape):
        if shape.is_text():
            return "struct str"
        return SCALARS.get(shape.kind) or f"struct {self.p}_{shape.like}"

    def item_type(self, shape):
        """The type of a list's item or a map's entry, as `shape.items` points to it."""
        if shape.kind == "map":
            return f"struct {self.p}_{shape.like}_entry"
        target = shape.members[0].target
        if "sparse" in shape.flags and not target.is_text():
            return f"struct {self.p}_{shape.like}_item"
        return self.value_type(target)

    @staticmethod
    def has_flag(target):
        return target.kind in SCALARS

    def declare_member(self, member):
        name, target = c_name(member.name), member.target
        if target.is_aggregate():
            return f"{self.value_type(target)} *{name};"
        has = f"bool has_{name}; " if self.has_flag(target) else ""
        return f"{has}{self.value_type(target)} {name};"

    def sparse_parts(self, shape):
        has = "sparse" in shape.flags and not shape.members[-1].target.is_text()
        return "bool has_value; " if has else ""

    def header(self):
        own = [shape for shape in self.s.shapes.values() if shape.like == shape.name]
        out = [f"/* Generated by tools/apic.py from {os.path.basename(self.s.path)}; not edited. */",
               "#pragma once", '#include "aws/model.h"', ""]
        for shape in own:
            if shape.kind == "enum":
                out += self.enum(shape)
        for shape in own:
            if shape.kind in ("structure", "union", "list", "map"):
                out.append(f"struct {self.p}_{shape.name};")
        for shape in own:
            if shape.kind in ("list", "map"):
                if shape.kind == "map" or "_item" in self.item_type(shape)[-5:]:
                    out.append(self.item_type(shape) + ";")
                out.append(f"struct {self.p}_{shape.name} "
                           f"{{ {self.item_type(shape)} *items; size_t count; }};")
        for shape in own:
            if shape.is_aggregate():
                out.append(f"struct {self.p}_{shape.name} {{")
                out += ["    " + self.declare_member(member) for member in shape.members]
                out += ([] if shape.members else ["    char nothing;"]) + ["};"]
        for shape in own:
            out += self.item_struct(shape)
        return "\n".join(out + [""] + self.externs()) + "\n"

    def item_struct(self, shape):
        if shape.kind not in ("list", "map"):
            return []
        value = self.value_type(shape.members[-1].target)
        if shape.kind == "map":
            return [f"{self.item_type(shape)} {{ struct str key; {self.sparse_parts(shape)}"
                    f"{value} value; }};"]
        if self.sparse_parts(shape):
            return [f"{self.item_type(shape)} {{ bool has_value; {value} value; }};"]
        return []

    def enum(self, shape):
        seen, out = {}, [f"enum {self.p}_{shape.name} {{"]
        for number, value in enumerate(shape.values, 1):
            name = re.sub(r"\W", "_", value).upper() or "EMPTY"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f"_{seen[name]}"
            out.append(f"    {self.p}_{shape.name}_{name} = {number},")
        symbol, kind = f"{self.p}_shape_{shape.name}", f"enum {self.p}_{shape.name}"
        return out + [
            "};", f"extern const struct aws_shape {symbol};",
            f"static inline {kind} {self.p}_{shape.name}_find(struct str text)",
            f"{{ return ({kind}) aws_enum_find(&{symbol}, text); }}",
            f"static inline struct str {self.p}_{shape.name}_text({kind} value)",
            f"{{ return aws_enum_text(&{symbol}, value); }}"]

    def externs(self):
        out = [f"extern const struct aws_shape {self.p}_shape_{name};" for name in self.s.shapes]
        out += [f"extern const struct aws_error {self.p}_error_{name};" for name in self.errors()]
        out += [f"extern const struct aws_operation {self.p}_op_{name};"
                for name in sorted(self.s.operations)]
        return out + [f"extern const struct aws_service {self.p}_service;"]

    def errors(self):
        return [name for name, shape in self.s.shapes.items() if "exception" in shape.flags]

    # ---- tables ----

    def names_ref(self, **texts):
        """&names_N for the rare names of a member or shape; NULL when it has none."""
        key = tuple((field, texts[field]) for field in sorted(texts) if texts[field] is not None)
        if not key:
            return "NULL"
        return f"&names_{self.names.setdefault(key, len(self.names))}"

    def member(self, shape, member, type_, value):
        """One row. `type_`: the C struct that holds it; `value`: its field there, None: at 0."""
        attrs, target = member.attrs, member.target
        flags = [MEMBER_FLAGS[flag] for flag in sorted(member.flags & set(MEMBER_FLAGS))]
        if shape.attrs.get("payload") == member.name:
            flags.append("AWS_PAYLOAD")
        if member.is_greedy:
            flags.append("AWS_LABEL_GREEDY")
        if "flattened" in target.flags and shape.is_aggregate() and "AWS_FLATTENED" not in flags:
            flags.append("AWS_FLATTENED")
        has = None
        if shape.is_aggregate():
            has = "has_" + value if self.has_flag(target) else None
        elif value and self.sparse_parts(shape) and member.name != "key":
            has = "has_value"
        offset = f"offsetof({type_}, {value})" if value else "0"
        has_offset = f"offsetof({type_}, {has})" if has else "AWS_NO_OFFSET"
        query = attrs.get("query-name", attrs.get("wire") if self.is_rpc else None) or \
            target.attrs.get("query-name")
        names = self.names_ref(query=query, xml_namespace=attrs.get("xmlns"),
                               xml_prefix=attrs.get("xmlns-prefix"),
                               default_json=attrs.get("default"),
                               media_type=attrs.get("media-type"))
        wire = member.name if self.is_rpc else attrs.get("wire", member.name)
        return (f"    {{{text_init(member.name)}, {text_init(wire)}, "
                f"&{self.p}_shape_{target.name}, {names}, {offset}, {has_offset}, "
                f"{' | '.join(flags) or '0'}, {member.location}, "
                f"{TIMES.get(attrs.get('time'), 'AWS_TIME_DEFAULT')}}},")

    def member_table(self, shape):
        rows = []
        for member in shape.members:
            if shape.is_aggregate():
                rows.append(self.member(shape, member, f"struct {self.p}_{shape.like}",
                                        c_name(member.name)))
            elif shape.kind == "map":
                rows.append(self.member(shape, member, self.item_type(shape), member.name))
            else:
                field = "value" if self.sparse_parts(shape) else None
                rows.append(self.member(shape, member, self.item_type(shape), field))
        if not rows:
            return []
        return [f"static const struct aws_member members_{shape.name}[] = {{"] + rows + ["};"]

    def pattern_ref(self, shape):
        source = (shape.attrs.get("pattern"), shape.attrs.get("matches"))
        if source[0] is None:
            return "NULL"
        if source not in self.patterns:
            self.patterns.append(source)
        return f"&pattern_{self.patterns.index(source)}"

    def shape_flags(self, shape):
        flags = [SHAPE_FLAGS[flag] for flag in sorted(shape.flags & set(SHAPE_FLAGS))]
        flags += [f"AWS_HAS_{key.upper()}" for key in ("min", "max") if key in shape.attrs]
        flags += ["AWS_NEEDS_CHECK"] if shape.needs_check else []
        flags += ["AWS_INT_ENUM"] if shape.values and shape.kind == "integer" else []
        return " | ".join(flags) or "0"

    def shape_table(self, shape):
        attrs, name = shape.attrs, shape.name
        out = self.member_table(shape)
        if shape.values:
            out.append(f"static const struct str values_{name}[] = {{")
            out += [f"    {text_init(value)}," for value in shape.values] + ["};"]
        kind = "STRING" if shape.kind == "enum" else shape.kind.upper()
        names = self.names_ref(xml_name=attrs.get("xml-name"), xml_namespace=attrs.get("xmlns"),
                               xml_prefix=attrs.get("xmlns-prefix"),
                               media_type=attrs.get("media-type"))
        rows = [f".name = {text_init(name)}", f".kind = AWS_{kind}",
                f".size = sizeof({self.value_type(shape)})", f".flags = {self.shape_flags(shape)}"]
        if shape.kind in ("list", "map"):
            rows.append(f".item_size = sizeof({self.item_type(shape)})")
        if shape.members:
            rows += [f".members = members_{name}", f".member_count = {len(shape.members)}"]
        if shape.values:
            hidden = len(attrs["hidden"].split(",")) if "hidden" in attrs else 0
            rows += [f".enum_values = values_{name}", f".enum_count = {len(shape.values)}",
                     f".enum_hidden_from = {len(shape.values) - hidden}"]
        rows += [f".{key} = {attrs[key]}" for key in ("min", "max") if key in attrs]
        rows += [f".pattern = {self.pattern_ref(shape)}"] if "pattern" in attrs else []
        rows += [f".names = {names}"] if names != "NULL" else []
        if "time" in attrs:
            rows.append(f".timestamp_format = {TIMES[attrs['time']]}")
        if "payload" in attrs:
            index = [member.name for member in shape.members].index(attrs["payload"])
            rows.append(f".payload = &members_{name}[{index}]")
        return out + [f"const struct aws_shape {self.p}_shape_{name} = {{"] + \
            [f"    {row}," for row in rows] + ["};"]

    def error_table(self, name):
        shape = self.s.shapes[name]
        code = shape.attrs.get("code")
        side = "AWS_RECEIVER" if "receiver" in shape.flags else "AWS_SENDER"
        return (f"const struct aws_error {self.p}_error_{name} = {{{text_init(name)}, "
                f"{text_init(name)}, {text_init(code)}, {shape.attrs.get('status', 400)}, {side}, "
                f"&{self.p}_shape_{name}}};")

    def has_event_stream(self, name):
        return bool(name) and any("event-stream" in member.target.flags
                                  for member in self.s.shapes[name].members)

    def operation_flags(self, op):
        flags = [OP_FLAGS[flag] for flag in sorted(op.flags)]
        flags += ["AWS_OP_STORED"] if op.stored else []
        flags += ["AWS_OP_EVENTS_IN"] if self.has_event_stream(op.input) else []
        flags += ["AWS_OP_EVENTS_OUT"] if self.has_event_stream(op.output) else []
        if op.input and any("stream" in m.flags or "streaming" in m.target.flags
                            for m in self.s.shapes[op.input].members):
            flags.append("AWS_OP_BODY_STREAM")
        return " | ".join(flags) or "0"

    def operation_table(self, op):
        out = []
        if op.errors:
            out.append(f"static const struct aws_error *const errors_{op.name}[] = {{")
            out += [f"    &{self.p}_error_{name}," for name in sorted(set(op.errors))] + ["};"]
        for name in op.errors:
            if "exception" not in self.s.shapes[name].flags:
                op.line.fail(f"{name} is listed as an error but is no exception")
        rows = [f".name = {text_init(op.name)}", f".method = {text_init(op.method)}",
                f".uri = {text_init(op.uri)}", f".status = {op.attrs.get('status', 200)}",
                f".flags = {self.operation_flags(op)}"]
        for key, shape in (("input", op.input), ("output", op.output)):
            rows += [f".{key} = &{self.p}_shape_{shape}"] if shape else []
        for key, text in (("input_element", op.element),
                          ("host_prefix", op.attrs.get("host-prefix")),
                          ("checksum_member", op.attrs.get("checksum"))):
            rows += [f".{key} = {text_init(text)}"] if text else []
        if op.errors:
            rows += [f".errors = errors_{op.name}", f".error_count = {len(set(op.errors))}"]
        return out + [f"const struct aws_operation {self.p}_op_{op.name} = {{"] + \
            [f"    {row}," for row in rows] + ["};"]

    def routes(self):
        rows = [(op.name, op.method, op.uri, f"&{self.p}_op_{op.name}")
                for op in self.s.operations.values()]
        rows += [rest + ("NULL",) for rest in self.s.rest]
        rows.sort(key=lambda row: (specificity(row[2]), row[1], row[0]))
        return ["static const struct aws_route routes[] = {"] + \
            [f"    {{{text_init(name)}, {text_init(method)}, {text_init(uri)}, {op}}},"
             for name, method, uri, op in rows] + ["};"]

    def service_table(self):
        attrs, flags = self.s.api.attrs, self.s.api.flags
        names, errors = sorted(self.s.operations), self.errors()
        out = self.routes()
        out.append("static const struct aws_operation *const operations[] = {")
        out += [f"    &{self.p}_op_{name}," for name in names] + ["};"]
        if errors:
            out.append("static const struct aws_error *const errors[] = {")
            out += [f"    &{self.p}_error_{name}," for name in errors] + ["};"]
        bits = " | ".join(f"1 << {PROTOCOLS[name]}" for name in self.s.protocols)
        rows = [f".id = {text_init(self.s.id)}", f".signing_name = {text_init(attrs['signing'])}",
                f".endpoint_prefix = {text_init(attrs['endpoint'])}",
                f".api_version = {text_init(attrs['version'])}", f".protocols = {bits}",
                f".protocol = {PROTOCOLS[self.s.protocols[0]]}",
                f".validation = {VALIDATION[self.s.validation]}",
                ".operations = operations", f".operation_count = {len(names)}",
                ".routes = routes", ".route_count = sizeof routes / sizeof routes[0]"]
        if self.s.dialect:
            attrs.setdefault("xmlns", DIALECTS[self.s.dialect])
        rows += [".is_s3 = true"] if self.s.dialect == "s3" else []
        for key, field in (("target", "target_prefix"), ("xmlns", "xml_namespace")):
            rows += [f".{field} = {text_init(attrs[key])}"] if key in attrs else []
        rows += [f".error_namespace = {text_init(self.s.namespace)}"] if self.s.namespace else []
        if self.s.validation_error:
            if self.s.validation_error not in errors:
                raise ApiError(f"{self.s.path}: validation error={self.s.validation_error}: "
                               "no such error")
            rows.append(f".validation_error = &{self.p}_error_{self.s.validation_error}")
        rows += [".is_query_compatible = true"] if "query-compatible" in flags else []
        rows += [".is_error_unwrapped = true"] if "errors-unwrapped" in flags else []
        if errors:
            rows += [".errors = errors", f".error_count = {len(errors)}"]
        return out + [f"const struct aws_service {self.p}_service = {{"] + \
            [f"    {row}," for row in rows] + ["};"]

    def source(self):
        body = []
        for shape in self.s.shapes.values():
            body += self.shape_table(shape)
        body += [self.error_table(name) for name in self.errors()]
        for name in sorted(self.s.operations):
            body += self.operation_table(self.s.operations[name])
        body += self.service_table()
        head = [f"/* Generated by tools/apic.py from {os.path.basename(self.s.path)}; not edited. */",
                f'#include "{self.header_name}"', "", "#include <stddef.h>", ""]
        for index, (source, matches) in enumerate(self.patterns):
            head.append(f"static struct aws_pattern pattern_{index} = "
                        f"{{{text_init(source)}, {text_init(matches)}, NULL}};")
        for key, index in self.names.items():
            fields = ", ".join(f".{field} = {text_init(text)}" for field, text in key)
            head.append(f"static const struct aws_names names_{index} = {{{fields}}};")
        return "\n".join(head + [""] + body) + "\n"


def specificity(uri):
    """Sorts the most specific route first: literals before labels before greedy labels, segment by
    segment; then more query literals, then longer paths."""
    path, _, query = uri.partition("?")
    ranks = []
    for segment in path.strip("/").split("/"):
        ranks.append(0 if not segment.startswith("{") else 2 if segment.endswith("+}") else 1)
    literals = [part for part in query.split("&") if part]
    return ranks, -len(literals), -sum("=" in part for part in literals), path, query


def compile_file(path, header, source):
    service = Service(path)
    writer = Writer(service, "gen/" + os.path.basename(header))
    text = writer.source()
    for out, content in ((header, writer.header()), (source, text)):
        with open(out, "w", encoding="utf-8") as file:
            file.write(content)


def main():
    if len(sys.argv) != 4:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    try:
        compile_file(*sys.argv[1:])
    except (ApiError, OSError) as error:
        print(f"apic: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
