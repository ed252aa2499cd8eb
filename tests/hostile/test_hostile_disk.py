"""The N-th operation on the disk fails in a whole run: it is told well, and the same command makes the same record.

`FACEBENCH_HOSTILE=N` tries N faults instead of a few; as many as there are where N is larger.
"""

from __future__ import annotations

import errno
import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from facebench.bench.cli.main import main
from facebench.datasets.files import codec
from failing_disk import Disk, counts, failing

COUNT = int(os.environ.get("FACEBENCH_HOSTILE", "16"))
PARTS = 4
TINY = """
synthetic: {people: 16, images: 2, pairs: 20}
recognizer: {architecture: small, dim: 16, steps: 1, batch: 4}
judge: {architecture: small, dim: 16, steps: 1, batch: 4}
attacks: [ignorant]
metrics: [accuracy]
"""
CODES = (errno.ENOSPC, errno.EIO, errno.EACCES)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY)
    return path


PICTURE = codec.encode(torch.zeros(3, 112, 112, dtype=torch.uint8))
"""One that says so: others are not taken for pictures."""


@pytest.fixture(scope="module", autouse=True)
def _quick_pictures() -> Iterator[None]:
    """Pictures of a few bytes: drawing them takes most of so small a run."""
    from matplotlib.figure import Figure

    def save(self: Figure, path: Path, **how: Any) -> None:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(PICTURE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        yield


def run(recipe: Path, root: Path) -> int:
    """The run in a folder of its own, which holds its temporary files, too."""
    (root / "tmp").mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(root / "tmp"))
        return main(["run", "--method", "noise", "--recipe", str(recipe), "--store", str(root / "runs"), "-q",
                     "--tracking-uri", "none"])  # fmt: skip


def files(root: Path) -> set[str]:
    """All that lies in the store, without locks, which stay."""
    store = root / "runs"
    return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.suffix != ".lock"}


def result(root: Path) -> dict[str, Any]:
    """The record without what time made."""
    (path,) = (root / "runs" / "records").glob("*.json")
    record = json.loads(path.read_text())
    for entry in ("created", "machine", "digest"):
        del record[entry]
    record["stages"] = [(stage["name"], stage["key"]) for stage in record["stages"]]
    return record


class Sound(NamedTuple):
    """A run of which nothing failed."""

    record: dict[str, Any]
    files: set[str]
    operations: dict[int, list[str]]
    """What it did to its disk, by the error that may come of it."""


@pytest.fixture(scope="module")
def sound(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    disk = Disk(tmp_path_factory.mktemp("sound"))
    with failing(disk):
        assert run(recipe, Path(disk.root)) == 1  # so small a judge misses its bound
    seen = {code: [each for each in disk.seen if counts(each.split()[0], code)] for code in CODES}
    return Sound(result(Path(disk.root)), files(Path(disk.root)), seen)


def faults(operations: dict[int, list[str]]) -> list[tuple[int, int, bool]]:
    """Which operation fails, with which error, and whether for good; drawn by a seed, all kinds of operations alike."""
    every = [(n, code, lasting) for code in CODES for n in range(len(operations[code])) for lasting in (False, True)]
    if len(every) <= COUNT:
        return every
    chance = random.Random(0)
    kinds: dict[tuple[str, int, bool], list[tuple[int, int, bool]]] = {}
    for fault in every:
        kinds.setdefault((operations[fault[1]][fault[0]].split()[0], *fault[1:]), []).append(fault)
    drawn: list[tuple[int, int, bool]] = []
    while len(drawn) < COUNT:
        for each in kinds.values():
            if each:
                drawn.append(each.pop(chance.randrange(len(each))))
    chance.shuffle(drawn)
    return drawn[:COUNT]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_disk_that_fails_once_or_for_good_is_told_and_harms_no_later_run(
    part: int, recipe: Path, sound: Sound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, code, lasting in faults(sound.operations)[part::PARTS]:
        root = tmp_path / f"{n}-{code}-{lasting}"
        root.mkdir()
        disk = Disk(root, at=n, code=code, lasting=lasting)
        capsys.readouterr()
        with failing(disk):
            ended = run(recipe, root)
        told = f"operation {n}, {errno.errorcode[code]}, {'lasting' if lasting else 'once'}: {disk.failed[:2]}"
        says = capsys.readouterr().err
        assert disk.failed, f"{told}: nothing failed"
        assert "report it" not in says, f"{told}: {says}"
        assert ended in (1, 2), told
        if ended == 2:
            assert "[Errno" not in says, f"{told}: {says}"
            assert str(root) in says, f"{told}: {says}"  # where
            assert "; " in says, f"{told}: {says}"  # what to do
        assert run(recipe, root) == 1, f"{told}: {capsys.readouterr().err}"
        assert result(root) == sound.record, told
        assert files(root) == sound.files, f"{told}: {files(root) ^ sound.files}"


def test_all_kinds_of_operations_are_met(sound: Sound) -> None:
    operations = sound.operations
    kinds = {each.split()[0] for seen in operations.values() for each in seen}
    assert kinds >= {"create", "write", "close", "fsync", "mkdir", "rename", "open", "chmod", "list"}
    assert len(operations[errno.EIO]) > 200
