"""Tables of groups: what is read from them, and what is refused, with its line and without quoting anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from facebench.bench.subgroups import table as group_table
from facebench.bench.subgroups.assignment import Grouping, Tables, groupings
from facebench.bench.subgroups.table import GroupError
from facebench.datasets.synthetic import Synthetic, SyntheticPairs

FACES = Synthetic(people=6, images=5).open()


def _read(path: Path, **more: Any) -> Grouping:
    found = groupings(Tables(table=path, **more), FACES, {}).faces
    assert found is not None
    return found


def _csv(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BAD: dict[str, tuple[str | bytes, str]] = {
    "an unknown identity": (
        "identity,a\ns000001,x\nJane Doe,y\n",
        "line 3: expected one of the dataset's 6 identities",
    ),
    "an unknown image": ("image,a\n30,x\n", "line 2: expected an image's number from 0 to 29, got 30"),
    "a negative image": ("image,a\n-1,x\n", "line 2: expected an image's number from 0 to 29, got text"),
    "a path where there is no folder": ("image,a\np/1.png,x\n", "only folders have paths"),
    "a doubled image": ("image,a\n3,x\n4,x\n3,y\n", "line 4: expected one row for every image, got a second one"),
    "a doubled identity": ("identity,a\ns000001,x\ns000001,x\n", "line 3: expected one row for every identity"),
    "no key": ("who,a\n1,x\n", "expected one column named image or identity, got neither"),
    "two keys": ("image,identity,a\n1,s000001,x\n", "got image and identity"),
    "no groups": ("image\n1\n", "expected columns of groups beside image, got none in 1 columns"),
    "no rows": ("image,a\n\n", "expected at least one row below the header, got none"),
    "an empty file": ("", "expected a header"),
    "empty cells alone": ("image,a\n1,\n2, \n", "column 2: expected groups, got empty cells alone"),
    "a short row": ("image,a,b\n1,x\n", "line 2: expected 3 columns as in the header, got 2"),
    "a column twice": ("image,a,a\n1,x,y\n", "line 1: column 3: expected a name of its own, got that of column 2"),
    "a nameless column": ("image,\n1,x\n", "line 1: column 2: expected a name of 1 to 100 characters, got 0"),
    "semicolons": ("image;a\n1;x\n", "line 1: expected columns with commas between them"),
    "another encoding": (b"image,a\n1,\xff\n", "cannot be read"),
    "an open quote": ('image,a\n1,"x\n', "cannot be read"),
    "a measurement": (
        "image,yaw\n" + "".join(f"{n},{n / 7:.3f}\n" for n in range(25)),
        "line 22: column 2: more than 20 different numbers; put them into bins",
    ),
    "a group each": (
        "image,a\n" + "".join(f"{n % 30},g{n}\n" for n in range(30)),
        "",  # thirty groups of texts are allowed
    ),
    "a long name": ("image,a\n1," + "x" * 101 + "\n", "line 2: column 2: expected a group's name of at most 100"),
    "an enormous cell": ("image,a\n1," + "x" * 200_000 + "\n", "cannot be read (field larger than field limit"),
    "too many columns": ("image," + ",".join(f"c{n}" for n in range(100)) + "\n", "expected at most 100 columns"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_csv_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    path = _csv(tmp_path, content)
    if not said:
        assert len(_read(path).columns[0].groups) == 30
        return
    with pytest.raises(GroupError) as caught:
        _read(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Jane" not in str(caught.value)  # who is in a table is nobody's business


def test_too_many_groups_are_refused(tmp_path: Path) -> None:
    faces = Synthetic(people=60, images=1).open()
    table = _csv(tmp_path, "image,a\n" + "".join(f"{n},g{n}\n" for n in range(60)))
    with pytest.raises(GroupError, match="line 52: column 2: more than 50 groups"):
        groupings(Tables(table=table), faces, {})


def test_too_large_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_table, "LARGEST", 20)
    with pytest.raises(GroupError, match="expected at most 0 MiB"):
        _read(_csv(tmp_path, "image,a\n" + "1,x\n" * 9))


def test_too_many_rows_are_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_table, "MOST_ROWS", 2)
    with pytest.raises(GroupError, match="line 4: expected at most 2 rows, got more"):
        _read(_csv(tmp_path, "image,a\n1,x\n2,x\n3,x\n"))
    pd.DataFrame({"image": [1, 2, 3], "a": ["x"] * 3}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(GroupError, match="expected at most 2 rows and 512 MiB unpacked"):
        _read(tmp_path / "t.parquet")


def test_a_folder_and_a_damaged_parquet_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GroupError, match="expected a CSV or Parquet file, got no file"):
        _read(tmp_path)
    pd.DataFrame({"image": [1], "a": ["x"]}).to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for content in (whole[:-20], whole[:4] + bytes(len(whole) - 12) + whole[-8:]):
        (tmp_path / "t.parquet").write_bytes(content)
        with pytest.raises(GroupError, match="cannot be read as Parquet"):
            _read(tmp_path / "t.parquet")


def test_parquet_with_lists_is_refused_and_says_which_column(tmp_path: Path) -> None:
    pd.DataFrame({"image": [1], "a": [["x"]]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(GroupError, match="column 2: expected text or numbers, got list"):
        _read(tmp_path / "t.parquet")


def test_a_bad_row_of_parquet_is_told_by_its_number(tmp_path: Path) -> None:
    pd.DataFrame({"image": [1, 99], "a": ["x", "y"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(GroupError, match="row 2: expected an image's number from 0 to 29, got 99"):
        _read(tmp_path / "t.parquet")


def test_csv_and_parquet_of_the_same_table_say_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "image": np.arange(30)[::-1],
        "tone": pd.Categorical(np.where(np.arange(30) % 3, "dark", "light")),
        "glasses": np.arange(30) % 2 == 0,
        "band": np.where(np.arange(30) % 5, np.arange(30) % 4, np.nan),
        "words": [" a b ", None, ""] * 10,
    })  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    one, other = _read(tmp_path / "t.parquet"), _read(tmp_path / "t.csv")
    for left, right in zip(one.columns, other.columns, strict=True):
        assert (left.name, left.groups) == (right.name, right.groups)
        assert np.array_equal(left.code, right.code)
    assert [column.groups for column in one.columns] == [
        ("dark", "light"), ("False", "True"), ("0.0", "1.0", "2.0", "3.0"), ("a b",)
    ]  # fmt: skip
    assert list(one.columns[3].code) == [-1, -1, 0] * 10  # the table runs from the last image to the first


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    (column,) = _read(_csv(tmp_path, "\ufeffimage, a \r\n1, x\r\n\r\n2,y\r\n")).columns
    assert (column.name, column.groups) == ("a", ("x", "y"))


def test_every_row_says_something_of_the_image_it_names(tmp_path: Path) -> None:
    found = _read(_csv(tmp_path, "a,image,b\nx,7,2\n,2,1\n(not told),4,2\n"))
    a, b = found.columns
    assert {n: (a.code[n], b.code[n]) for n in (7, 2, 4, 0)} == {7: (0, 1), 2: (-1, 0), 4: (-1, 1), 0: (-1, -1)}
    assert b.groups == ("1", "2")
    assert (found.table.told, found.table.untold) == (3, 27)


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = _csv(tmp_path, "image,a\n1,x\n")
    assert _read(path).table.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert _read(path).table.file == "table.csv"


def test_columns_must_be_in_one_of_the_tables(tmp_path: Path) -> None:
    pairs = {"lfw": SyntheticPairs(pairs=20)}
    (tmp_path / "p.csv").write_text("pair,b\n0,x\n")
    path = _csv(tmp_path, "image,a,b\n1,x,y\n")
    given = {"table": path, "pairs": {"lfw": tmp_path / "p.csv"}}
    found = groupings(Tables(columns=("a", "b"), **given), FACES, pairs)
    assert found.faces is not None
    assert (found.faces.table.columns, found.pairs["lfw"].table.columns) == (("a", "b"), ("b",))
    with pytest.raises(GroupError, match="no table has the column 'c'; expected one of the 2"):
        groupings(Tables(columns=("a", "b", "c"), **given), FACES, pairs)


@pytest.mark.parametrize("key", ["-1", "1.0", "x", "10000000", "٣", ""])
def test_a_pair_is_a_number(key: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"pair,b\n{key},x\n")
    with pytest.raises(GroupError, match="line 2: expected a pair's number from 0 to 9999999"):
        groupings(Tables(pairs={"lfw": tmp_path / "p.csv"}), FACES, {"lfw": SyntheticPairs(pairs=20)})


def test_equal_seeds_draw_equal_groups_and_others_do_not() -> None:
    for make in (lambda seed: Synthetic(people=30, images=2, seed=seed).open(), lambda seed: SyntheticPairs(seed=seed)):
        one, same, other = (make(seed).groups() for seed in (1, 1, 2))
        assert {name: values.tolist() for name, values in one.items()} == {
            name: values.tolist() for name, values in same.items()
        }
        assert any(one[name].tolist() != other[name].tolist() for name in one)
        assert set(one) == {"skin_tone", "age_band", "pose"}


def test_drawn_pairs_are_in_the_group_of_both_faces_or_mixed() -> None:
    old = SyntheticPairs(kind="agedb_30", pairs=20)
    told = old.groups()
    assert set(told["age_band"]) == {"mixed"}  # a young and an old face
    genuine = np.equal(*old.people_of())
    assert not (told["skin_tone"][genuine] == "mixed").any()
    turned = SyntheticPairs(kind="cfp_fp", pairs=20).groups()["pose"]
    assert set(turned) == {"mixed"}


def test_synthetic_groups_go_with_drawn_faces_alone(tmp_path: Path) -> None:
    class Other:
        pass

    with pytest.raises(GroupError, match="synthetic goes with the dataset synthetic alone"):
        groupings(Tables(table=Path("synthetic")), Other(), {})
