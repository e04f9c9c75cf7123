"""Starts Virga's Python runtime: what /usr/bin/python3 is given inside the sandbox.

The runtime proper is compiled when Virga is built, because parsing it costs more than the rest of
an interpreter's start. An interpreter of another version cannot read that file: it takes the
source.
"""
import sys

try:
    _runtime = __import__("virga_python_" + sys.implementation.cache_tag.replace("-", "_"))
except ImportError:
    _runtime = __import__("virga_python")
_runtime.main(3)
