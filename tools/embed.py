#!/usr/bin/env python3
"""Turns a file into a C array, so that a program carries it inside.

Usage: embed.py FILE NAME OUT.c OUT.h
Defines `const unsigned char NAME[]` and `const size_t NAME_size`.
"""
import sys

path, name, out_c, out_h = sys.argv[1:]
data = open(path, "rb").read()
with open(out_h, "w", encoding="ascii") as h:
    h.write("#pragma once\n#include <stddef.h>\n"
            f"extern const unsigned char {name}[];\nextern const size_t {name}_size;\n")
with open(out_c, "w", encoding="ascii") as c:
    c.write("#include <stddef.h>\n"
            f"extern const unsigned char {name}[];\nextern const size_t {name}_size;\n"
            f"const size_t {name}_size = {len(data)};\n"
            f"const unsigned char {name}[] = {{\n")
    for at in range(0, len(data), 24):
        c.write(",".join(map(str, data[at:at + 24])) + ",\n")
    c.write("};\n" if data else "0};\n")
