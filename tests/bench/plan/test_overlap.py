"""People who are in the dataset and in a verification set: counted by name, and never named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.bench.plan.data import open_data
from facebench.bench.plan.overlap import LARGEST, notes, spelled
from facebench.bench.plan.plan import ConfigError, plan
from facebench.bench.store.store import Store
from facebench.datasets.base import DataError
from facebench.datasets.bin import write as write_bin
from facebench.datasets.recordio import RecordIOWriter
from facebench.datasets.synthetic import Synthetic

PEOPLE = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of people called Given_Name_00 and so on, with two verification sets."""
    root = tmp_path_factory.mktemp("data") / "faces"
    made = Synthetic(people=PEOPLE, images=2).open()
    for n, label in enumerate(made.labels.tolist()):
        (root / f"Given_Name_{label:02d}").mkdir(parents=True, exist_ok=True)
        (root / f"Given_Name_{label:02d}" / f"{n}.png").write_bytes(made.encoded(n))
    for name in ("lfw", "cfp_fp"):
        write_bin(root / f"{name}.bin", [made.encoded(n) for n in range(40)], [n % 2 == 0 for n in range(20)])
    return root


def _open(folder: Path, tmp_path: Path, **people_of: Path):
    return open_data(plan(dataset=str(folder), people_of=people_of), Store(tmp_path / "runs"), root=tmp_path)


def _list(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "people.txt"
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


def test_without_a_list_the_overlap_is_unchecked(folder: Path, tmp_path: Path) -> None:
    data = _open(folder, tmp_path)
    assert data.overlap == "unchecked"
    assert notes(data.shared) == []


def test_people_in_both_are_counted_however_their_names_are_spelled(folder: Path, tmp_path: Path) -> None:
    path = _list(
        tmp_path, "GIVEN_NAME_01\t7", " given  name-02", "Given__Name__03", "Somebody_Else", "", "given name 01"
    )
    data = _open(folder, tmp_path, lfw=path)
    (found,) = data.shared
    private = {data.faces.names[label] for label in np.unique(data.faces.labels[data.places["P"]])}
    assert (found.listed, found.shared) == (4, 3)
    assert found.released == len(private & {"Given_Name_01", "Given_Name_02", "Given_Name_03"})
    assert data.overlap.startswith("lfw: 3 of 4 people are also in the dataset, ")
    assert data.overlap.endswith("; cfp_fp: unchecked")


def test_no_name_leaves_and_a_reader_of_the_board_is_told(folder: Path, tmp_path: Path) -> None:
    path = _list(tmp_path, *(f"Given_Name_{n:02d}" for n in range(PEOPLE)))
    data = _open(folder, tmp_path, lfw=path, cfp_fp=path)
    (note,) = notes(data.shared)
    released = data.recorded()["P"].identities
    assert note == (
        f"trained on people of cfp_fp, lfw: {released} of 20 people of cfp_fp are in role P; "
        f"{released} of 20 people of lfw are in role P"
    )
    assert "given" not in (note + data.overlap).lower()


def test_lists_change_neither_the_data_nor_what_is_compared(folder: Path, tmp_path: Path) -> None:
    path = _list(tmp_path, "Given_Name_01")
    with_list, without = _open(folder, tmp_path, lfw=path), _open(folder, tmp_path)
    assert with_list.hash == without.hash
    assert with_list.ids == without.ids
    assert with_list.overlap != without.overlap


def test_where_nobody_is_found_the_user_is_asked_for_the_spelling(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _list(tmp_path, "Nobody")
    assert _open(folder, tmp_path, lfw=path).overlap.startswith("lfw: 0 of 1 people are also in the dataset")
    where = ["--dataset", str(folder), "--store", str(tmp_path / "runs"), "--tracking-uri", "none"]
    assert main(["run", *where, "--method", "masking", "--dry-run", "--set", f"people_of.lfw={path}"]) == 0
    assert "warning: lfw: 0 of 1 people are also in the dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Word_\u00e9", "word e\u0301"),  # composed, and with a combining accent
        ("STRASSE", "straße"),
        ("\uff37\uff29\uff24\uff25 Letters", "wide-letters"),
        ("_A--B_", "a b"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    assert spelled(one) == spelled(other)
    assert spelled("word") != spelled("words")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read it"),
        (b"", "got no name"),
        (b"\n \n__\n", "got no name"),
        (b"\xff\xfe\x00A", "got other bytes at place 0"),
        (b"a\nb\0c\n", r"line 2: .* a zero byte"),
        (b"a" * 301, r"line 1: .* a longer line"),
        (b"name\n" * (LARGEST // 5 + 1), "of at most 16 MiB, got more"),
    ],
)
def test_what_is_no_list_of_names_is_refused(folder: Path, tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"people_of.lfw: .*{told}"):
        _open(folder, tmp_path, lfw=path)


def test_a_folder_or_a_pipe_is_refused_without_waiting(folder: Path, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match=r"expected a regular file, got a (folder|pipe)"):
            _open(folder, tmp_path, lfw=path)


def test_a_set_that_is_not_there_is_told_with_a_near_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean lfw"):
        _open(folder, tmp_path, lwf=_list(tmp_path, "a"))


def test_a_dataset_without_names_cannot_be_checked(tmp_path: Path) -> None:
    made = Synthetic(people=PEOPLE, images=2).open()
    pack = tmp_path / "pack"
    pack.mkdir()
    with RecordIOWriter(pack, PEOPLE) as writer:
        for n, label in enumerate(made.labels.tolist()):
            writer.add(made.encoded(n), label)
    write_bin(pack / "lfw.bin", [made.encoded(n) for n in range(40)], [n % 2 == 0 for n in range(20)])
    with pytest.raises(DataError, match="expected a dataset that is a folder of people"):
        _open(pack, tmp_path, lfw=_list(tmp_path, "a"))
