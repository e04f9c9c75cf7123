"""Compiles the runtime for the interpreter that runs this, for a start without parsing.

Usage: compile.py SOURCE OUT.pyc. Docstrings and asserts are left out; the file names the path that
it has inside a sandbox, and is valid whatever the times of the source.
"""
import py_compile
import sys

source, out = sys.argv[1:]
py_compile.compile(source, cfile=out, dfile="/var/runtime/virga_python.py", doraise=True, optimize=2,
                   invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
