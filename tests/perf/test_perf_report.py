"""The board over a thousand records: seconds and memory of the whole command, from Python's start to the file.

`pytest tests/perf/test_perf_report.py -n0 --benchmark-enable` prints the seconds of every format.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.reports.result import ledger
from facebench.reports.result.record import sealed

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "records"
RECORDS, SEEDS = 1000, 5
FORMATS = ("md", "csv", "json", "html")


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published records with other scores, curves and parameters: 200 rows of five seeds each."""
    folder = tmp_path_factory.mktemp("records")
    sources = ledger.load(PUBLISHED)
    rng = np.random.default_rng(0)

    def shaken(values: Any) -> tuple[float, ...]:
        return tuple(np.clip(np.asarray(values) + rng.normal(0, 0.003, len(values)), 0, 1).tolist())

    for n in range(RECORDS):
        source, name = sources[(n // SEEDS) % len(sources)], f"record-{n}"
        spec = {**source.method_spec, "parameters": {**source.method_spec["parameters"], "variant": n // SEEDS}}
        known = [s if s.value is None else s.model_copy(update={"value": shaken([s.value])[0]}) for s in source.scores]
        curves = [curve.model_copy(update={"y": shaken(curve.y)}) for curve in source.curves]
        changes = {"name": name, "seed": n % SEEDS, "method_spec": spec}
        changes |= {"scores": tuple(known), "curves": tuple(curves)}
        made = sealed(source.model_copy(update=changes))
        (folder / f"{name}.json").write_text(made.model_dump_json(indent=1))
    return folder


COMMAND = """
import sys
from pathlib import Path
from facebench.bench.cli.main import main
assert main(sys.argv[1:]) == 0
status = Path("/proc/self/status")
print(status.read_text().partition("VmHWM:")[2].split()[0] if status.exists() else 0, file=sys.stderr)
"""


def report(records: Path, form: str, out: Path) -> float:
    """Write a board; MiB of memory that the command took at its peak."""
    command = [sys.executable, "-c", COMMAND, "report", "--records", records, "--format", form, "--out", out]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr) / 1024


@pytest.mark.benchmark(group="bench report over 1,000 records")
@pytest.mark.parametrize("form", FORMATS)
def test_report(benchmark: Any, thousand: Path, tmp_path: Path, form: str) -> None:
    benchmark.pedantic(report, args=(thousand, form, tmp_path / "out"), rounds=3)


def test_a_page_of_a_thousand_records_takes_little_memory(thousand: Path, tmp_path: Path) -> None:
    assert report(thousand, "html", tmp_path / "out.html") < 500
    assert (tmp_path / "out.html").stat().st_size < 5_000_000
