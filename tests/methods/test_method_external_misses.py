"""External: a tool that found no face in some images, and manifests as other systems and machines write them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from facebench.datasets.base import Faces
from facebench.datasets.files.codec import encode
from facebench.datasets.folder import Folder
from facebench.datasets.synthetic import Synthetic
from facebench.methods.base import MethodError, PrivateFaces, Publish
from facebench.methods.external import External
from facebench.methods.parts.external_paths import relative
from facebench.methods.parts.private_pack import release, sources
from pyarrow import parquet

CPU = torch.device("cpu")
PEOPLE, IMAGES = 3, 3
N = PEOPLE * IMAGES
FILES = [f"p{place // IMAGES}/{place % IMAGES}.png" for place in range(N)]


@pytest.fixture
def dataset(tmp_path: Path) -> Faces:
    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    for kind in ("data", "set"):
        for place, name in enumerate(FILES):
            (tmp_path / kind / name).parent.mkdir(parents=True, exist_ok=True)
            image = faces[place].image
            (tmp_path / kind / name).write_bytes(encode(image if kind == "data" else 255 - image))
    return Folder(root=tmp_path / "data").open()


def published(root: Path, dataset: Faces, rows: list[tuple[Any, Any]]) -> PrivateFaces:
    with (root / "m.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("private", "source"), *rows])
    method = External(path=root / "set", manifest=root / "m.csv")
    return method.publish(Path("unused"), dataset, Publish(bytes(32), CPU, np.arange(N)))


@pytest.mark.parametrize("how", ["no row", "empty cell", "no file"])
def test_an_original_without_a_private_face_is_left_out_and_the_others_keep_theirs(
    how: str, tmp_path: Path, dataset: Faces
) -> None:
    rows = [(name, name) for name in FILES]
    if how == "no row":
        rows = rows[:1] + rows[2:]
    elif how == "empty cell":
        rows[1] = ("", FILES[1])
    else:
        (tmp_path / "set" / FILES[1]).unlink()
    private = published(tmp_path, dataset, rows)
    kept = [0, *range(2, N)]
    assert private.source.tolist() == kept
    assert private.labels.tolist() == dataset.labels[kept].tolist()
    wanted = torch.stack([255 - dataset[place].image for place in kept])
    assert torch.equal(private.take(np.arange(len(kept))), wanted)
    assert private.encoded(1) == (tmp_path / "set" / FILES[2]).read_bytes()


def test_a_release_tells_which_originals_it_has(tmp_path: Path, dataset: Faces) -> None:
    (tmp_path / "m.csv").write_text("private,source\n" + "".join(f"{name},{name}\n" for name in FILES[2:]))
    (tmp_path / "out").mkdir()
    method = External(path=tmp_path / "set", manifest=tmp_path / "m.csv")
    release(method, "external", {}, Path(), dataset, np.arange(N), tmp_path / "out", key=bytes(32), device=CPU)
    assert sources(tmp_path / "out", np.arange(N)).tolist() == list(range(2, N))


def test_a_set_of_which_no_file_is_there_is_refused_by_its_rows(tmp_path: Path, dataset: Faces) -> None:
    with pytest.raises(MethodError, match=r"got no file of this name for any, the first in row 2 and 8 more"):
        published(tmp_path, dataset, [(f"Jane_Doe/{place}.png", name) for place, name in enumerate(FILES)])


def test_numbers_with_an_empty_cell_are_read_as_a_data_frame_writes_them(tmp_path: Path) -> None:
    from facebench.datasets.catalog import convert

    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    convert.to_recordio(faces, tmp_path / "set")
    numbers: list[float | None] = [float(place) for place in range(N)]
    numbers[4] = None
    texts = "".join(f"{'' if number is None else number},{place}.0\n" for place, number in enumerate(numbers))
    (tmp_path / "m.csv").write_text(f"private,source\n{texts}")
    parquet.write_table(pa.table({"private": numbers, "source": range(N)}), tmp_path / "m.parquet")
    for name in ("m.csv", "m.parquet"):
        method = External(path=tmp_path / "set", manifest=tmp_path / name)
        private = method.publish(Path("unused"), faces, Publish(bytes(32), CPU, np.arange(N)))
        assert private.source.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
        assert torch.equal(private[4].image, faces[5].image)


SPELLINGS: list[Callable[[str], str]] = [
    lambda name: name.replace("/", "\\"),
    lambda name: f".\\{name}".replace("/", "\\"),
    lambda name: f"/home/somebody/faces/{name}",
    lambda name: f"C:\\Users\\somebody\\faces\\{name}".replace("/", "\\"),
    lambda name: f"\\\\server\\share\\{name}".replace("/", "\\"),
]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_paths_of_other_systems_and_machines_are_understood(
    spell: Callable[[str], str], tmp_path: Path, dataset: Faces
) -> None:
    private = published(tmp_path, dataset, [(spell(name), spell(name)) for name in FILES])
    assert torch.equal(private.take(np.arange(N)), torch.stack([255 - dataset[place].image for place in range(N)]))


def test_paths_that_begin_with_the_folders_own_name_are_understood(tmp_path: Path, dataset: Faces) -> None:
    private = published(tmp_path, dataset, [(f"set/{name}", f"data/{name}") for name in FILES])
    assert private.source.tolist() == list(range(N))


def test_a_full_path_of_our_own_folder_is_read_as_it_is(tmp_path: Path, dataset: Faces) -> None:
    private = published(tmp_path, dataset, [(tmp_path / "set" / name, tmp_path / "data" / name) for name in FILES])
    assert private.source.tolist() == list(range(N))


def test_what_stands_before_some_paths_only_is_no_folder_of_another_machine() -> None:
    paths = pa.array(["/a/p0/0.png", "/b/p1/0.png"])
    assert relative(paths, {"p0/0.png", "p1/0.png"}.__contains__, "d").to_pylist() == paths.to_pylist()
    other = pa.array(["x/p0/0.png", "x/p1/0.png"])  # neither a full path, nor the folder's name
    assert relative(other, {"p0/0.png", "p1/0.png"}.__contains__, "d").to_pylist() == other.to_pylist()
