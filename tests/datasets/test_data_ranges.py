"""A pack's identity records, which other tools find people's images by, say what the labels say."""

from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli.main import main
from facebench.datasets.catalog.check import check
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from handmade_packs import FACES, LABELS, insightface_records, plain_records, record, store


def ranged(folder: Path, ranges: list[tuple[float, float]]) -> Path:
    records = insightface_records()[: 1 + len(LABELS)]
    return store(folder, records + [record(2, 0, 7 + person, pair) for person, pair in enumerate(ranges)])


RIGHT = [(1.0, 3.0), (3.0, 4.0), (4.0, 7.0)]
WRONG: dict[str, tuple[list[tuple[float, float]], list[int]]] = {
    "right": (RIGHT, []),
    "in another order": ([RIGHT[2], RIGHT[0], RIGHT[1]], []),
    "one too far": ([(1, 4), (3, 4), (4, 7)], [0]),
    "one too short": ([(1, 2), (3, 4), (4, 7)], [0]),
    "moved": ([(2, 4), (4, 5), (5, 8)], [0, 1, 2]),
    "backwards": ([(3, 1), (3, 4), (4, 7)], [0]),
    "half": ([(1, 3), (3, 3.5), (4, 7)], [1]),
    "no numbers": ([(float("nan"), 3), (3, float("inf")), (4, 7)], [0, 1]),
    "out of range": ([(0, 3), (3, 4), (4, 1e9)], [0, 2]),
    "below zero": ([(1, 3), (-3, 4), (4, 7)], [1]),
    "of nobody": ([(1, 3), (3, 4), (7, 7)], []),
}


@pytest.mark.parametrize("kind", WRONG)
def test_identity_records_are_compared_with_the_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    ranges, odd = WRONG[kind]
    folder = ranged(tmp_path / "pack", ranges)
    assert list(check(RecordIO(root=folder).open()).odd_ranges) == odd
    assert main(["data", "verify", str(folder), "-q"]) == (1 if odd else 0)
    said = capsys.readouterr().out
    if odd:
        assert f"identity records that do not fit the labels: {len(odd)}, such as those of the identities {odd}" in said


def test_a_pack_that_we_write_fits_its_labels(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path, 3) as made:
        for image, label in zip(FACES, LABELS, strict=True):
            made.add(image, label)
    opened: Any = RecordIO(root=tmp_path).open()
    assert opened.ranges.tolist() == [list(pair) for pair in RIGHT]
    assert check(opened).odd_ranges == ()


def test_a_pack_without_identity_records_has_nothing_to_compare(tmp_path: Path) -> None:
    opened: Any = RecordIO(root=store(tmp_path / "plain", plain_records())).open()
    assert opened.ranges is None
    assert check(opened).odd_ranges == ()
