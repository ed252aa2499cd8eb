"""What tells records apart beside their numbers: arithmetic, size of the private set, how far training came."""

from __future__ import annotations

import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.formats import render
from facebench.reports.result.parts import Learning, Released, Role, StageTrace
from facebench.reports.result.record import read, write
from made_up import record


def _stages(*precisions: str | None):
    return tuple(
        StageTrace(name=f"train-{n}", key="0123", seconds=1.0, cached=False, precision=precision)
        for n, precision in enumerate(precisions)
    )


@pytest.mark.parametrize(
    ("given", "arithmetic"),
    [
        ({"precision": "bfloat16"}, "bfloat16"),
        ({"stages": _stages("bfloat16", None)}, "bfloat16"),
        ({"stages": _stages("bfloat16", "float32")}, "mixed"),
        ({"stages": _stages("float32")}, "float32"),
        ({}, ""),
    ],
)
def test_records_tell_their_arithmetic_older_ones_by_their_stages(given, arithmetic: str, tmp_path) -> None:
    kept = read(write(record(**given), tmp_path))
    assert kept.arithmetic == arithmetic
    assert kept.precision == given.get("precision")


def test_rows_of_unlike_arithmetic_are_in_tables_of_their_own() -> None:
    groups = board([record("masking"), record("blur", precision="float32"), record("facemae", precision="bfloat16"),
                    record("original", stages=_stages("bfloat16"))])  # fmt: skip
    assert [[row.method for row in group.rows] for group in groups] == [["blur", "masking"], ["facemae", "original"]]
    assert [group.arithmetic for group in groups] == ["float32", "bfloat16"]
    assert "trained in bfloat16." in render.markdown(groups[1:])
    marked = {row.method: "arithmetic not recorded" in row.marks for row in groups[0].rows}
    assert marked == {"blur": False, "masking": True}


def test_a_set_of_another_size_than_the_originals_is_marked_and_told() -> None:
    def sized(method: str, images: int, people: int, seed: int = 0):
        return record(method, seed=seed, released=Released(identities=people, images=images))

    records = [sized("original", 256, 40), sized("masking", 256, 40), sized("gan", 15, 3), record("noise")]
    records += [sized("original", 250, 40, seed=1), sized("masking", 250, 40, seed=1)]  # other people, other numbers
    made = board(records)
    assert {row.method: "unmatched" in row.marks for row in made[0].rows} == {
        "original": False, "masking": False, "gan": True, "noise": False
    }  # fmt: skip
    assert "`gan` is unmatched: 15 faces of 3 people; original has 256 faces of 40 people (seed 0)" in render.markdown(
        made
    )


def test_a_recognizer_that_was_still_learning_is_marked(tmp_path) -> None:
    def with_left(left: float):
        return Learning(steps=500, start=20.0, end=10.0, left=left, still=left > 0.2)

    rows = [record("masking", learning=with_left(0.4)), record("blur", learning=with_left(0.1)), record("noise")]
    kept = [read(write(each, tmp_path)) for each in rows]
    assert kept[0].learning == with_left(0.4)
    marks = {row.method: "still learning" in row.marks for row in board(kept)[0].rows}
    assert marks == {"masking": True, "blur": False, "noise": False}


def test_who_the_methods_learned_from_stands_below_the_table() -> None:
    def seen(people: int, images: int, seed: int):
        return record(seed=seed, roles={"G": Role(identities=people, images=images, digest="gg")})

    assert "G: 3,240 people, 1.0 photos each." in render.markdown(board([seen(3240, 3240, 0)]))
    both = render.markdown(board([seen(900, 4500, 0), seen(920, 4140, 1)]), compact=True)
    assert "G: 900 to 920 people, 4.5 to 5.0 photos each." in both
    assert "G: " not in render.markdown(board([record()]))
