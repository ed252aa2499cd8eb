"""Tables of groups whose paths another system or another machine wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from facebench.bench.subgroups.assignment import Tables, groupings
from facebench.bench.subgroups.table import GroupError
from facebench.datasets.files.foreign_paths import before, slashed
from facebench.datasets.folder import FolderFaces
from peoples_files import folder


def codes(root: Path, spell: Callable[[str], str]) -> list[int]:
    faces = FolderFaces(root)
    rows = [f"{spell(file)},{'ab'[place % 2]}" for place, file in enumerate(faces.files)]
    (root.parent / "t.csv").write_text("\n".join(["image,tone", *rows]) + "\n")
    found = groupings(Tables(table=root.parent / "t.csv"), faces, {}).faces
    assert found
    return found.columns[0].code.tolist()


@pytest.mark.parametrize(
    "spell",
    [
        lambda file: file.replace("/", "\\"),
        lambda file: f"./{file}",
        lambda file: f"/home/somebody/set/{file}",
        lambda file: f"D:\\set\\{file}".replace("/", "\\"),
        lambda file: f"faces/{file}",
    ],
)
def test_every_image_is_found_under_its_other_name(spell: Callable[[str], str], tmp_path: Path) -> None:
    root = folder(tmp_path / "faces")
    assert codes(root, spell) == codes(root, str)


def test_paths_of_two_folders_are_not_taken_for_one(tmp_path: Path) -> None:
    root = folder(tmp_path / "faces")
    with pytest.raises(GroupError, match="line 3: expected an image of the dataset"):
        codes(root, lambda file: f"/{'a' if file.endswith('0.png') else 'b'}/{file}")


def test_what_stands_before_a_path_is_that_of_a_machine_or_the_folder_itself() -> None:
    known = {"p/1.png"}.__contains__
    assert before("/x/y/p/1.png", known, "d") == "/x/y/"
    assert before("d/p/1.png", known, "d") == "d/"
    assert before("e/p/1.png", known, "d") == ""
    assert before("/x/p/2.png", known, "d") == ""
    assert slashed(".\\p\\1.png") == "p/1.png"
