"""A CPython worker to compare with: one JSON request per line, one JSON answer per line.

A request names a function by number and gives its source once; compiled functions are kept. The answer tells how long the
function alone ran, in seconds.
"""

import json
import sys
import time

functions = {}


def compiled(request):
    names = ["initial"] + request["parameters"]
    lines = "\n".join("    " + line for line in request["body"].split("\n"))
    scope = {}
    exec("import json, re, math, datetime\ndef block(%s):\n%s\n" % (", ".join(names), lines), scope)
    return scope["block"]


for line in sys.stdin:
    request = json.loads(line)
    number = request["number"]
    if number not in functions:
        functions[number] = compiled(request)
    start = time.perf_counter()
    output = functions[number](*request["values"])
    took = time.perf_counter() - start
    sys.stdout.write(json.dumps({"output": output, "took": took}) + "\n")
    sys.stdout.flush()
