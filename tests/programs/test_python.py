"""The helper that runs an author's Python function: what it may be given, and what it may return."""

import ast
import json
import os
import py_compile
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs.functions import FOLDER, RANDOM, SEED, SERVE, greeted, interpreters, started
from waiting import wait_until

ROWS = {"series": {"t": "int", "x": "float"}}


@pytest.fixture
def lv(tmp_path: Path) -> Path:
    return tmp_path / "lv.py"


@pytest.mark.parametrize("name", ["python.py", "python_declare.py"])
def test_the_helpers_are_written_for_python_3_9(name: str) -> None:
    ast.parse((FOLDER / name).read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("interpreter", interpreters())
def test_a_function_is_served_by_every_python(lv: Path, interpreter: str) -> None:
    lv.write_text(
        "import sys\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Out:\n    y: float\n    major: int\n"
        "def simulate(x, random):\n"
        "    if x > 9: raise ValueError('x is large')\n"
        "    return Out(x + random.python().random(), sys.version_info[0])\n"
    )
    with greeted(
        lv, parameters={"x": "float"}, metrics={"y": "float", "major": "int"}, interpreter=interpreter
    ) as child:
        assert child.metrics(x=0.5) == {"y": 0.5 + random.Random(SEED).random(), "major": 3}
        assert child.ask(x=10) == (
            '"error_code":"value_error","error_message":"ValueError: x is large (lv.py:8, in simulate)"'
        )
        assert child.ended() == (0, "")


def test_parameters_arrive_by_name_and_of_their_types(lv: Path) -> None:
    lv.write_text("def simulate(*, x, n, s, b, o): return {'y': repr((x, n, s, b, o))}")
    kinds = {"x": "float", "n": "int", "s": "string", "b": "bool", "o": "float"}
    with greeted(lv, parameters=kinds) as child:
        assert child.metrics(x=5, n=5, s="ä", b=True, o=None) == {"y": "(5.0, 5, 'ä', True, None)"}


@pytest.mark.parametrize(
    ("returned", "reply"),
    [
        ("{'y': 0.1, 'z': 5}", '"y":0.1,"z":5'),
        ("Data(0.1, None)", '"y":0.1,"z":null'),
        ("Named(True, 'text\\n')", '"y":true,"z":"text\\n"'),
        ("{'y': float('nan'), 'z': float('-inf')}", '"y":"NaN","z":"-Infinity"'),
        ("{'y': float('inf')}", '"y":"Infinity"'),
        ("{'y': 2.0, 'z': 2**80}", '"y":2.0,"z":1208925819614629174706176'),
        ("{'y': 1, 'other': 2}", '"y":1,"other":2'),  # the engine names what is not declared
        ("{'y': 1, 'series': {'t': [1], 'x': [object()]}}", '"y":1'),  # not asked for, so never looked at
    ],
)
def test_results_become_metrics(lv: Path, returned: str, reply: str) -> None:
    lv.write_text(
        "from typing import Any, NamedTuple, ClassVar\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Data:\n    y: Any\n    z: Any\n    c: ClassVar[int] = 3\n"
        "class Named(NamedTuple):\n    y: Any\n    z: Any\n"
        f"def simulate(): return {returned}\n"
    )
    with greeted(lv, metrics={"y": "float", "z": "float"}, datasets=ROWS) as child:
        assert child.ask() == f'"metrics":{{{reply}}}'


@pytest.mark.parametrize(
    ("returned", "reply"),
    [
        ("np.float32(0.5)", "0.5"),
        ("np.float64(0.1)", "0.1"),
        ("np.int8(-3)", "-3"),
        ("np.bool_(True)", "true"),
        ("np.str_('a')", '"a"'),
        ("np.array(0.25)", "0.25"),
        ("np.float32('nan')", '"NaN"'),
    ],
)
def test_numbers_of_numpy_are_numbers_and_one_metric_needs_no_name(lv: Path, returned: str, reply: str) -> None:
    lv.write_text(f"import numpy as np\ndef simulate(): return {returned}\n")
    with greeted(lv) as child:
        assert child.ask() == f'"metrics":{{"y":{reply}}}'


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ("None", "simulate returned None: return a dict or a dataclass with y, z, series"),
        ("5", "simulate returned an int: return a dict or a dataclass with y, z, series"),
        ("{'y': [1]}", "y is of type list: it must be a number, a bool or a text"),
        ("{'other': {'a': 1}}", "other is of type dict: it must be a number, a bool or a text"),
        ("{'y': np.array([1.5])}", "y is of type ndarray: it must be a number, a bool or a text"),
        ("{'y': 1j}", "y is of type complex: it must be a number, a bool or a text"),
        (
            "{'series': 5}",
            "series is of type int: give a dict of columns, a list of dicts, a DataFrame or an Arrow table",
        ),
        ("{'series': {'t': 'text'}}", "series.t is of type str: a column is a list or an array"),
        ("{'series': {'t': [b'']}}", "a cell is of type bytes: it must be a number, a bool or a text"),
        ("{'series': [{'t': 1}, {'x': 1}]}", "series: row 1 has other columns than row 0"),
        ("{'series': [{'t': 1}, 5]}", "series: row 1 has other columns than row 0"),
    ],
)
def test_what_is_no_result_says_what_is(lv: Path, returned: str, problem: str) -> None:
    lv.write_text(f"{'import numpy as np' if 'np.' in returned else ''}\ndef simulate(): return {returned}\n")
    with greeted(lv, metrics={"y": "float", "z": "float"}, datasets=ROWS) as child:
        assert child.ask(outputs=["series"]) == f'"error_code":"bad_result","error_message":"{problem}"'


def test_a_text_that_is_no_unicode_fails_its_point(lv: Path) -> None:
    lv.write_text("def simulate(how):\n    if how: raise ValueError('\\udc80')\n    return {'y': '\\udc80'}\n")
    with greeted(lv, parameters={"how": "bool"}) as child:
        assert child.ask(how=False).startswith(
            '"error_code":"bad_result","error_message":"the result cannot be written'
        )
        assert r"ValueError: \\udc80 (lv.py:2" in child.ask(how=True)
        assert child.ended() == (0, "")


@pytest.mark.parametrize(
    "returned",
    [
        "{'t': [0, 1], 'x': (0.5, float('nan'))}",
        "[{'t': 0, 'x': 0.5}, {'t': 1, 'x': float('nan')}]",
        "[Row(0, 0.5), Row(1, float('nan'))]",
        "{'t': range(2), 'x': array.array('d', [0.5, float('nan')])}",
    ],
)
def test_rows_become_columns(lv: Path, returned: str) -> None:
    lv.write_text(
        "import array, collections\nRow = collections.namedtuple('Row', 't x')\n"
        f"def simulate(): return {{'y': 1, 'series': {returned}}}\n"
    )
    with greeted(lv, datasets=ROWS) as child:
        assert child.ask(outputs=["series"]) == '"metrics":{"y":1},"rows":{"series":{"t":[0,1],"x":[0.5,"NaN"]}}'


@pytest.mark.slow
def test_arrays_frames_and_tables_become_columns(lv: Path) -> None:
    lv.write_text(
        "import numpy as np, pandas as pd, pyarrow as pa\n"
        "columns = {'t': np.arange(2), 'x': np.array([0.5, np.nan])}\n"
        "scalars = {'t': [np.int64(0), np.int8(1)], 'x': [np.float32(0.5), np.float64('nan')]}\n"
        "series = [columns, scalars, pd.DataFrame(columns), pa.table(columns), pa.record_batch(columns)]\n"
        "def simulate(kind): return {'y': 1, 'series': series[kind]}\n"
    )
    with greeted(lv, parameters={"kind": "int"}, datasets=ROWS) as child:
        for kind in range(5):
            expected = '"metrics":{"y":1},"rows":{"series":{"t":[0,1],"x":[0.5,"NaN"]}}'
            assert child.ask(outputs=["series"], kind=kind) == expected


def test_no_rows_are_left_out(lv: Path) -> None:
    lv.write_text("def simulate(): return {'y': 1, 'series': []}\n")
    with greeted(lv, datasets=ROWS) as child:
        assert child.ask(outputs=["series"]) == '"metrics":{"y":1}'


def test_random_numbers_follow_from_the_request(lv: Path) -> None:
    lv.write_text(
        "def simulate(random):\n"
        "    return {'n': random.numpy().random(), 'again': random.numpy().random(),\n"
        "            'p': random.python().random(), 'seed': str(random.seed)}\n"
    )
    generator = np.random.Generator(np.random.PCG64(SEED))
    expected = {
        "n": generator.random(),
        "again": generator.random(),
        "p": random.Random(SEED).random(),
        "seed": str(SEED),
    }
    with greeted(lv) as child:
        assert child.metrics() == expected
        assert child.metrics(random=[1, 2, 3, 4]) != expected
        assert child.metrics() == expected


CARELESS = """
def simulate():
    return {'r': random.random(), 'n': np.random.random()}
"""
CAREFUL = """
standard = random
def simulate(random):
    random.seed_all()
    return {'r': standard.random(), 'n': np.random.random()}
"""


@pytest.mark.parametrize("source", [CARELESS, CAREFUL])
def test_global_generators_are_seeded(lv: Path, source: str) -> None:
    lv.write_text(f"import random\nimport numpy as np\n{source}")
    expected = {"r": random.Random(SEED).random(), "n": np.random.RandomState(RANDOM).random()}
    with greeted(lv) as child:
        assert child.metrics() == expected
        assert child.metrics() == expected


def test_seed_all_seeds_torch_where_it_is_imported(lv: Path) -> None:
    (lv.parent / "torch.py").write_text("seeds = []\ndef manual_seed(seed): seeds.append(seed)\n")
    lv.write_text("import torch\ndef simulate(random):\n  random.seed_all()\n  return {'y': str(torch.seeds)}\n")
    with greeted(lv) as child:
        assert child.metrics() == {"y": str([SEED % 2**64])}


def failure(reply: str) -> tuple[str, str]:
    members: dict[str, Any] = json.loads(f"{{{reply}}}")
    assert members.keys() == {"error_code", "error_message"}
    return members["error_code"], members["error_message"]


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        ("ValueError('text')", "value_error", "ValueError: text (lv.py:14, in simulate)"),
        ("KeyError()", "key_error", "KeyError (lv.py:14, in simulate)"),
        ("HTTPError2('a')", "http_error2", "HTTPError2: a (lv.py:14, in simulate)"),
        ("TooDry('a')", "no_rain", "TooDry: a (lv.py:14, in simulate)"),
        ("Ä('a')", "exception", "Ä: a (lv.py:14, in simulate)"),
        ("Mute()", "mute", "Mute (lv.py:14, in simulate)"),
        ("SystemExit(3)", "system_exit", "SystemExit: 3 (lv.py:14, in simulate)"),
        ("KeyboardInterrupt", "keyboard_interrupt", "KeyboardInterrupt (lv.py:14, in simulate)"),
        (
            "json.loads('')",
            "json_decode_error",
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (lv.py:14,",
        ),
        ("deep()", "recursion_error", "RecursionError: maximum recursion depth exceeded"),
        ("ValueError('x' * 9999)", "value_error", "ValueError: xxx"),
    ],
)
def test_an_exception_is_a_failed_point(lv: Path, raised: str, code: str, message: str) -> None:
    lv.write_text(
        "import json\n"
        "class HTTPError2(Exception): pass\n"
        "class TooDry(Exception): error_code = 'no_rain'\n"
        "class Ä(Exception): pass\n"
        "class Mute(Exception):\n"
        "    def __str__(self): raise ValueError\n"
        "def deep(): return deep()\n"
        "import functools\n"
        "def logged(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(**given): return function(**given)\n"
        "    return wrapper\n"
        "@logged\n"
        f"def simulate(): raise {raised}\n"
    )
    with greeted(lv) as child:
        found = failure(child.ask())
        assert found[0] == code
        assert found[1].startswith(message)
        assert len(found[1]) <= 2000
        assert found[1].endswith(", in simulate)") or code == "recursion_error"
        assert child.ended() == (0, "")


def test_a_wrong_call_has_no_place_in_the_file(lv: Path) -> None:
    lv.write_text("def simulate(x): return {'y': x}\n")
    with greeted(lv) as child:
        assert failure(child.ask()) == (
            "type_error",
            "TypeError: simulate() missing 1 required positional argument: 'x'",
        )


def test_a_lack_of_memory_ends_the_process_with_threads_and_all(lv: Path) -> None:
    lv.write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
        "def simulate(): raise MemoryError('much')\n"
    )
    with greeted(lv) as child:
        status, errors = child.last_words()
    assert status == 1
    assert 'lv.py", line 3, in simulate\n' in errors
    assert errors.endswith("\nMemoryError: much\n")
    assert "<string>" not in errors


def test_nothing_but_replies_is_on_the_protocols_streams(lv: Path) -> None:
    lv.write_text(
        "import os, subprocess, sys\nprint('imported')\n"
        "def simulate():\n"
        "    print('one')\n"
        "    os.write(1, b'two\\n')\n"
        "    subprocess.run(['sh', '-c', 'cat; echo three'])\n"
        "    sys.__stdout__.write('four\\n')\n"
        "    return {'y': sys.stdin.read()}\n"
    )
    with greeted(lv) as child:
        assert [child.ask(), child.ask()] == ['"metrics":{"y":""}'] * 2
        status, errors = child.ended()
        assert status == 0
        assert sorted(errors.split()) == sorted(["imported", *["one", "two", "three", "four"] * 2])


def test_prints_are_flushed(lv: Path) -> None:
    lv.write_text("import os\ndef simulate():\n    print('last words')\n    os._exit(9)\n")
    with greeted(lv) as child:
        assert child.last_words() == (9, "last words\n")


def test_the_file_is_a_module_among_its_neighbours(lv: Path, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def value(): return 'helped'\n")
    (tmp_path / "signal.py").write_text("raise ValueError('not the library')\n")
    (tmp_path / "data.txt").write_text("data")
    lv.write_text(
        "import helper, pickle, pathlib\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Row:\n    x: int\n"
        "assert Row.__annotations__ == {'x': int}\n"
        "def simulate():\n"
        "    row = pickle.loads(pickle.dumps(Row(3)))\n"
        "    assert __name__ != '__main__'\n"
        "    return {'y': f'{helper.value()} {row} {pathlib.Path(__file__).with_name(\"data.txt\").read_text()}'}\n"
    )
    with greeted(lv) as child:
        assert child.metrics() == {"y": "helped Row(x=3) data"}


def test_an_edit_within_the_same_second_is_seen(lv: Path) -> None:
    lv.write_text("def simulate(): return {'y': 1}\n")
    py_compile.compile(str(lv))
    before = lv.stat().st_mtime
    lv.write_text("def simulate(): return {'y': 2}\n")
    os.utime(lv, (before, before))
    with greeted(lv) as child:
        assert child.metrics() == {"y": 2}


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("import nothing_of_this_name\n", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def simulate(:\n", "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit('no arguments')\n", "SystemExit: no arguments"),
        ("x = 5\n", "AttributeError: module 'lv' has no attribute 'simulate'"),
    ],
)
def test_a_file_that_cannot_be_imported_ends_with_its_traceback(lv: Path, source: str, last: str) -> None:
    lv.write_text(source)
    with started(lv) as child:
        assert child.line() == ""
        status, errors = child.ended()
    assert status == 1
    assert errors.splitlines()[-1] == last
    assert "<string>" not in errors


def test_an_interrupt_is_the_engines_business(lv: Path) -> None:
    lv.write_text("def simulate(): return {'y': 1}\n")
    with greeted(lv) as child:
        child.process.send_signal(signal.SIGINT)
        assert child.metrics() == {"y": 1}
        assert child.ended() == (0, "")


def test_a_long_reply_arrives_whole(lv: Path) -> None:
    lv.write_text("def simulate(): return {'y': 'x' * 3_000_000}\n")
    with greeted(lv) as child:
        assert len(child.ask()) > 3_000_000


ENGINE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=sys.stdout, text=True)
child.stdin.write(sys.argv[2] + "\\n" + sys.argv[3] + "\\n")
child.stdin.flush()
time.sleep(3600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_point_that_never_ends_ends_with_its_engine(tmp_path: Path) -> None:
    text = "import os, time\ndef simulate(x: float):\n    os.write(2, b'%d' % os.getpid())\n    time.sleep(3600)\n"
    (tmp_path / "model.py").write_text(text)
    task = {"file": str(tmp_path / "model.py"), "function": "simulate", "hello": "hello"}
    types = {"parameters": {"x": "float"}, "metrics": {"y": "float"}, "datasets": {}, "takes_random": False}
    point = {"id": 1, "parameters": {"x": 1}, "seed": 1, "replicate": 0, "random": RANDOM, "outputs": []}
    words = [ENGINE, SERVE, json.dumps({**task, **types}), json.dumps(point)]
    with subprocess.Popen([sys.executable, "-c", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as engine:
        assert engine.stderr
        child = int(os.read(engine.stderr.fileno(), 100))
        engine.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
