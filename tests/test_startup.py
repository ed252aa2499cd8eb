"""What has to be quick is: help and descriptions come without the libraries that only work needs."""

import json
import subprocess
import sys
from collections.abc import Sequence

HEAVY = (
    *("torch", "torchvision", "timm", "accelerate", "pandas", "pyarrow", "mlflow", "matplotlib", "scipy"),
    *("cv2", "onnxruntime", "insightface", "faiss"),
)


def loaded_after(code: str) -> Sequence[str]:
    """Which heavy libraries a fresh Python has loaded after some code."""
    tail = f"\nimport json, sys\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, timeout=60)
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_after("import scipy") == ["scipy"]


def test_help_loads_nothing_heavy() -> None:
    for arguments in (["--help"], ["run", "--help"]):
        code = f"""
from facebench.bench.cli.main import main
try:
    status = main({arguments})
except SystemExit as end:
    status = end.code
assert not status, status
"""
        assert loaded_after(code) == []


def test_help_of_every_command_takes_the_standard_library_alone() -> None:
    code = """
import json, sys
before = set(sys.modules)
from facebench.bench.cli.main import COMMANDS, main
names = [command.__name__.rpartition(".")[2] for command in COMMANDS]
for words in ([], *([name] for name in names), *(["data", action] for action in ("list", "verify", "convert"))):
    try:
        main([*words, "--help"])
    except SystemExit as end:
        assert not end.code
tops = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(json.dumps([len(names), sorted(tops)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1]) == [11, ["facebench"]]


def test_contracts_and_records_load_nothing_heavy() -> None:
    code = """
import facebench.datasets.base, facebench.methods.base, facebench.reports.result.record
import facebench.bench.attacks.base, facebench.bench.metrics.base
"""
    assert loaded_after(code) == []
