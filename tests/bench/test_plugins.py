"""Plug-ins are found by their file's name, and outside ones by their entry point."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from facebench.bench.attacks.base import Attack
from facebench.bench.metrics.base import Metric
from facebench.bench.plugins import PluginError, UnknownPlugin, build, load, name_of, names, spell
from facebench.datasets.base import FaceSource
from facebench.methods.base import Method


def test_every_kind_has_its_plug_ins_each_with_a_sentence() -> None:
    assert {"original", "noise", "masking", "pixelate", "blur", "facemae"} <= set(names(Method))
    assert {"ignorant", "other_image"} <= set(names(Attack))
    assert {"accuracy", "eer", "tar"} <= set(names(Metric))
    assert {"recordio", "folder", "synthetic"} <= set(names(FaceSource))
    for base in (Method, Attack, Metric, FaceSource):
        assert all(says and not says.startswith("(not") for says in names(base).values()), names(base)


def test_helpers_and_contracts_are_no_plug_ins() -> None:
    assert not {"base", "retrieval", "roc"} & {*names(Method), *names(Attack), *names(Metric)}


def test_an_unknown_name_offers_near_ones() -> None:
    with pytest.raises(UnknownPlugin, match=r"no method named 'maskin'\. Did you mean masking"):
        load(Method, "maskin")
    with pytest.raises(UnknownPlugin, match="method: no method named"):
        build(Method, "../../evil", where="method")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"use": "masking", "ratio": 2}, r"method\.ratio: .*less than.*got 2"),
        ({"use": "masking", "colour": "red"}, r"method\.colour: "),
        ({"ratio": 0.5}, "expected a name or"),
        ({"use": 3}, "expected a name or"),
    ],
)
def test_a_wrong_entry_is_told_by_its_place(spec, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        build(Method, spec, where="method")


def test_a_plug_in_is_spelled_by_class_version_and_parameters_and_files_by_content(tmp_path: Path) -> None:
    spelled = spell(build(Method, {"use": "masking", "ratio": 0.5}, where="method"))
    assert spelled["class"] == "Masking"
    assert spelled["parameters"]["ratio"] == 0.5
    file = tmp_path / "teacher.pt"
    file.write_text("a")
    first = spell(build(Method, {"use": "facemae", "teacher": file}, where="method"))
    file.write_text("b")
    second = spell(build(Method, {"use": "facemae", "teacher": file}, where="method"))
    assert first["parameters"]["teacher"].startswith("sha256:")
    assert first != second
    file.unlink()
    with pytest.raises(PluginError, match=r"FaceMAE\.teacher: .*cannot be read"):
        spell(build(Method, {"use": "facemae", "teacher": file}, where="method"))


def test_a_plug_in_knows_its_name() -> None:
    assert name_of(build(Method, "pixelate", where="method"), Method) == "pixelate"


def _outside(folder: Path, package: str, entries: str, code: str) -> None:
    (folder / f"{package}.py").write_text(textwrap.dedent(code))
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entries))


def _bench(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facebench.bench", *args],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_two_methods_of_one_name_are_refused(tmp_path: Path) -> None:
    for package in ("first", "second"):
        _outside(
            tmp_path, package, f"[facebench.methods]\nsame = {package}:Same\nblur = {package}:Same\n",
            """
            from facebench.methods.base import Method

            class Same(Method):
                '''Twice.'''

                def load(self, fitted, *, device):
                    return lambda faces, seeds: faces
            """,
        )  # fmt: skip
    told = _bench(tmp_path, "run", "--method", "same", "--dry-run", "--tracking-uri", "none")
    assert told.returncode == 2
    assert "expected one plug-in of that name, got 2" in told.stderr
    assert "first:Same" in told.stderr
    assert "Traceback" not in told.stderr
    told = _bench(tmp_path, "run", "--method", "blur", "--dry-run", "--tracking-uri", "none")
    assert told.returncode == 2
    assert "got 3" in told.stderr
    assert not (tmp_path / "runs").exists()
    assert "not usable" in _bench(tmp_path, "list", "methods").stdout
