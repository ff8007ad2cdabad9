"""Engines that lie about who a point is, in all that they say of it alike: with each other they agree.

salted(folder, engine)    # its fingerprints are digests of the right ones
reversed_axes(folder, engine)    # of each dimension, the last value comes first
"""

import sys
from pathlib import Path

from sweepctl.engine.client import Engine

# Between the worker and the true engine. Its input stays open until that has ended: the end of it is the end of its
# parent.
PROGRAM = """#!{python} -IS
import hashlib, json, re, subprocess, sys
if sys.argv[1] == "describe":
    # It says nothing before the true engine has ended.
    described = subprocess.run([{engine!r}, "describe"], stdout=subprocess.PIPE)
    sys.stdout.buffer.write(described.stdout.replace(b'"again":true', b'"again":false'))
    sys.exit(described.returncode)
request = json.loads(sys.stdin.buffer.readline())
request.pop("columns", None)
if {reverses}:
    for values in request["design"]["dimensions"].values():
        values.reverse()
true = subprocess.Popen([{engine!r}, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
true.stdin.write(json.dumps(request).encode() + b"\\n")
true.stdin.flush()
def salted(found):
    return found[1] + hashlib.sha256(b"salt" + found[2]).hexdigest().encode()
for line in true.stdout:
    if {salts}:
        line = re.sub(rb'(_fingerprint":")([0-9a-f]{{64}})', salted, line)
    sys.stdout.buffer.write(line)
sys.stdout.flush()
true.stdin.close()
sys.exit(true.wait())
"""


def salted(folder: Path, engine: Engine) -> Engine:
    return _liar(folder, engine, salts=True, reverses=False)


def reversed_axes(folder: Path, engine: Engine) -> Engine:
    return _liar(folder, engine, salts=False, reverses=True)


def _liar(folder: Path, engine: Engine, *, salts: bool, reverses: bool) -> Engine:
    path = folder / "liar"
    path.write_text(PROGRAM.format(python=sys.executable, engine=str(engine.path), salts=salts, reverses=reverses))
    path.chmod(0o755)
    return Engine(path)
