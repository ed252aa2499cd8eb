"""Processes that make shards are of this checkout, also where another package of its name comes first."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import facebench
import pytest
from facebench.bench.release import workers
from facebench.bench.release.worker import HOME, READY


@dataclass(frozen=True)
class Witness:
    """A task whose one shard is the place of the package that the process imported."""

    folder: Path

    def open(self) -> None:
        """Nothing."""

    def make(self, private: None, number: int, told) -> None:
        (self.folder / f"{number}.home").write_text(str(Path(facebench.__file__).resolve().parent))
        told(1)


def _sibling(folder: Path) -> Path:
    package = folder / "elsewhere" / "facebench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this is the sibling')\n")
    return package.parent


def test_a_sibling_that_came_first_meanwhile_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_sibling(tmp_path)))
    before = list(sys.path)
    notes: list[str] = []
    workers.make(
        Witness(tmp_path), None, range(2), workers=2, faces=2, progress=lambda done, total: None, note=notes.append
    )
    assert {path.read_text() for path in tmp_path.glob("*.home")} == {HOME}
    assert notes == []
    assert sys.path == before


def test_a_sibling_in_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    bench = Path(sys.executable).with_name("bench")
    if not bench.is_file():
        pytest.skip("the command is not installed")
    many = ["--workers", "2", "--shard-size", "32", "--set", "synthetic.people=20", "synthetic.images=3"]
    done = subprocess.run(
        [bench, "privatize", "synthetic", tmp_path / "out", "--method", "pixelate", "-q", *many],
        cwd=_sibling(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "60 private faces" in done.stdout


def test_a_process_of_another_checkout_is_refused(tmp_path: Path) -> None:
    crew = workers._Crew(Witness(tmp_path), range(2), 1, lambda text: None)
    try:
        with pytest.raises(workers.WorkerLost, match="got those of /another/facebench: two are installed"):
            crew._take_in(crew._workers[0], READY, "/another/facebench")
    finally:
        crew.stop()


def test_a_foreign_onnx_file_is_tried_by_this_checkout_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facebench.facemae.onnx import trial

    monkeypatch.setenv("PYTHONPATH", str(_sibling(tmp_path)))
    file = tmp_path / "judge.onnx"
    file.write_bytes(b"no model, which is told elsewhere")
    trial.try_apart(file, threads=1)
