"""External: private sets of other tools, in folders and packs; and everything that may be wrong with one."""

from __future__ import annotations

import csv
import os
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from facebench.bench.plugins import PluginError, build, spell
from facebench.datasets.base import Faces
from facebench.datasets.catalog import convert
from facebench.datasets.files.codec import encode
from facebench.datasets.folder import Folder
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.subset import Subset, origin
from facebench.methods.base import Method, MethodError, PrivateFaces, Publish
from facebench.methods.external import External
from facebench.methods.parts import external_manifest
from facebench.methods.parts.private_pack import release, sources
from pyarrow import parquet

CPU = torch.device("cpu")
PEOPLE, IMAGES = 4, 3
N = PEOPLE * IMAGES


@pytest.fixture(scope="module")
def originals() -> Faces:
    return Synthetic(people=PEOPLE, images=IMAGES).open()


def inverted(faces: Faces, index: int) -> torch.Tensor:
    """What the other tool makes of a face."""
    return 255 - faces[index].image


def write_set(folder: Path, originals: Faces) -> list[str]:
    """The other tool's folder, in an order of its own; path of the private face of each original."""
    names = [f"out/{(7 * place) % N:02}/anon.png" for place in range(N)]
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(inverted(originals, place)))
    return names


def write_manifest(path: Path, rows: Sequence[Sequence[Any]], names: Sequence[str] = ("private", "source")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


@pytest.fixture
def folder(tmp_path: Path, originals: Faces) -> Path:
    """A private set in a folder with its manifest."""
    names = write_set(tmp_path / "set", originals)
    write_manifest(tmp_path / "manifest.csv", [(name, place) for place, name in enumerate(names)])
    return tmp_path


def external(folder: Path, **more: Any) -> External:
    return External(path=folder / "set", manifest=folder / "manifest.csv", **more)


def publish(method: Method, faces: Faces, places: Sequence[int] | None = None) -> PrivateFaces:
    given = np.arange(len(faces)) if places is None else np.asarray(places)
    return method.publish(Path("nothing-is-read-here"), faces, Publish(bytes(32), CPU, given))


def whole(private: PrivateFaces) -> torch.Tensor:
    return private.take(np.arange(len(private)))


def expected(faces: Faces, places: Sequence[int]) -> torch.Tensor:
    return torch.stack([inverted(faces, place) for place in places])


def test_each_original_gets_the_face_that_the_manifest_names(folder: Path, originals: Faces) -> None:
    private = publish(external(folder), originals)
    assert torch.equal(whole(private), expected(originals, range(N)))
    assert private.source.tolist() == list(range(N))
    assert private.labels.tolist() == originals.labels.tolist()
    assert private.encoded(5) == (folder / "set" / f"out/{35 % N:02}/anon.png").read_bytes()


def test_only_the_people_of_the_run_are_released_whoever_else_is_in_the_set(folder: Path, originals: Faces) -> None:
    chosen = [9, 10, 11, 3, 4, 5]
    part = Subset(originals, chosen)
    assert torch.equal(whole(publish(external(folder), part, chosen)), expected(originals, chosen))
    deeper = Subset(part, [4, 0])
    assert origin(deeper)[1].tolist() == [4, 9]
    assert torch.equal(whole(publish(external(folder), deeper, [4, 9])), expected(originals, [4, 9]))


def test_a_caller_who_numbers_a_part_anew_does_not_get_the_faces_of_others(folder: Path, originals: Faces) -> None:
    chosen = [6, 7, 8]  # an attack numbers the faces it wants made private from 0
    assert torch.equal(
        whole(publish(external(folder), Subset(originals, chosen), [0, 1, 2])), expected(originals, chosen)
    )


def test_a_release_is_an_ordinary_pack_whose_manifest_leads_back(
    folder: Path, tmp_path: Path, originals: Faces
) -> None:
    places = np.array([9, 10, 11, 3, 4, 5])
    places = places[np.argsort(originals.labels[places], kind="stable")]
    out = tmp_path / "release"
    out.mkdir()
    release(external(folder), "external", {}, Path(), Subset(originals, places), places, out, key=bytes(32), device=CPU)
    made = RecordIO(root=out).open()
    assert torch.equal(torch.stack([made[i].image for i in range(6)]), expected(originals, places.tolist()))
    assert sources(out, places).tolist() == list(range(6))
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint64(), pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_packs_and_parquet_with_numbers_of_any_type_are_read(
    kind: pa.DataType, tmp_path: Path, originals: Faces
) -> None:
    """The pack holds the private faces backwards, person by person."""
    order = np.argsort(originals.labels[::-1], kind="stable")
    backwards = np.arange(N)[::-1][order]
    write_set(tmp_path / "raw", originals)
    convert.to_recordio(Subset(originals, backwards), tmp_path / "set")
    column = pa.array([int(np.flatnonzero(backwards == place)[0]) for place in range(N)])
    if not pa.types.is_integer(kind):
        column = column.cast(pa.string())
    table = pa.table({"note": ["x"] * N, "private": column.cast(kind), "source": pa.array(range(N))})
    parquet.write_table(table, tmp_path / "manifest.parquet")
    private = publish(External(path=tmp_path / "set", manifest=tmp_path / "manifest.parquet"), originals)
    assert torch.equal(whole(private), torch.stack([originals[place].image for place in range(N)]))


def test_sources_are_paths_where_the_dataset_is_a_folder_in_either_unicode_form(tmp_path: Path) -> None:
    """One name decomposed (NFD) on the disk and composed (NFC) in the manifest, the other the other way round."""
    faces = Synthetic(people=2, images=2).open()
    first, second = "Ren\u00e9e", "Zo\u00eb"
    nfd = unicodedata.normalize("NFD", first)
    for place, name in enumerate([f"{nfd}/0.png", f"{nfd}/1.png", f"{second}/0.png", f"{second}/1.png"]):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(encode(faces[place].image))
    (tmp_path / "set").mkdir()
    rows = []
    decomposed = unicodedata.normalize("NFD", second)
    names = [f"{first}/0.png", f"./{first}/1.png", f"{decomposed}/0.png", f"{decomposed}/1.png"]
    for place, name in reversed(list(enumerate(names))):
        private = name.replace("/", "-")  # in either form: what lies on the disk is asked for as it is spelled
        (tmp_path / "set" / private).write_bytes(encode(inverted(faces, place)))
        rows.append((private, name))
    write_manifest(tmp_path / "manifest.csv", [*rows, ("nowhere.png", "somebody else/0.png")])
    dataset = Folder(root=tmp_path / "data").open()
    assert torch.equal(whole(publish(external(tmp_path), dataset)), expected(faces, range(4)))
    assert torch.equal(whole(publish(external(tmp_path), Subset(dataset, [2, 1]))), expected(faces, [2, 1]))


def test_several_originals_may_share_a_private_face(folder: Path, originals: Faces) -> None:
    one = "out/00/anon.png"
    write_manifest(folder / "manifest.csv", [(one, place) for place in range(N)])
    assert (whole(publish(external(folder), originals)) == inverted(originals, 0)).all()


def test_faces_of_another_size_are_scaled_on_request(folder: Path, originals: Faces) -> None:
    large = cv2.resize(np.full((8, 8, 3), 90, np.uint8), (256, 256))
    for file in (folder / "set").rglob("*.png"):
        cv2.imwrite(str(file), large)
    with pytest.raises(
        MethodError,
        match=r"got 12 of 12 that cannot be used, the first is that of the manifest's row 2: "
        r"expected a face of 112x112 pixels, got 256x256; make them again, or set method\.resize=true",
    ):
        publish(external(folder), originals)
    assert (whole(publish(external(folder, resize=True), originals)) == 90).all()


def test_the_key_changes_with_an_image_and_not_with_the_place(folder: Path, tmp_path: Path) -> None:
    first = spell(external(folder))
    assert first["parameters"]["path"].startswith("sha256:")
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder / "set", moved / "set")
    shutil.copy(folder / "manifest.csv", moved / "manifest.csv")
    assert spell(external(moved)) == first
    file = moved / "set" / "out/00/anon.png"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert spell(external(moved)) != first
    content[-1] ^= 1
    file.write_bytes(content)
    assert spell(external(moved)) == first
    file.rename(file.with_name("other.png"))
    assert spell(external(moved)) != first


def test_the_key_changes_with_the_manifest(folder: Path) -> None:
    first = spell(external(folder))
    with (folder / "manifest.csv").open("a") as file:
        file.write("\n")
    assert spell(external(folder)) != first


def test_a_folder_that_went_away_is_told_by_its_parameter(folder: Path) -> None:
    method = external(folder)
    shutil.rmtree(folder / "set")
    with pytest.raises(
        PluginError, match=r"External\.path: .*set cannot be read \(No such file or directory\); name a"
    ):
        spell(method)
    with pytest.raises(PluginError, match=r"method\.path: Path does not point to a directory, got"):
        build(Method, {"use": "external", "path": folder / "set", "manifest": folder / "manifest.csv"}, where="method")


def rows_of(folder: Path) -> list[list[Any]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _leave_out_seven(rows: list[list[Any]]) -> list[list[Any]]:
    return rows[:3] + rows[10:]


def _name_two_twice(rows: list[list[Any]]) -> list[list[Any]]:
    return [*rows, rows[4], rows[5], rows[5]]


def _another_dataset(rows: list[list[Any]]) -> list[list[Any]]:
    return [*rows, ["x.png", N], ["y.png", 10**12]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_leave_out_seven, r"half of the 12 released originals, got none for 7, the first of them face 3 of the"),
        (
            _name_two_twice,
            r"one private face for each original, got several for 2 of 12, the first in row 6 and 4 more",
        ),
        (_another_dataset, r"sources below 12, the size of the dataset, got others in row 14 and 1 more; is it"),
    ],
)
def test_a_manifest_that_does_not_fit_says_where(change: Any, says: str, folder: Path, originals: Faces) -> None:
    write_manifest(folder / "manifest.csv", change(rows_of(folder)))
    with pytest.raises(MethodError, match=says):
        publish(external(folder), Subset(originals, np.arange(N)))


def test_an_attacker_cannot_make_faces_private_that_the_manifest_does_not_have(folder: Path, originals: Faces) -> None:
    write_manifest(folder / "manifest.csv", rows_of(folder)[:6])
    with pytest.raises(MethodError, match=r"got none for 3, the first of them face . of .* method makes none"):
        publish(external(folder), Subset(originals, [6, 7, 8]), [0, 1, 2])


SECRET = "Jane_Doe"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"../outside/{SECRET}.png", "got one that leads out of it"),
        ("/etc/hostname", "got one that leads out of it"),
        (f"link/{SECRET}.png", "got one that leads out of it"),
        ("out", "expected an image file, got no file of this name"),
        (f"{SECRET}\0.png", "no possible path"),
        (SECRET * 600, "File name too long"),
        ("pipe", "expected an image file, got no file of this name"),
        ("empty.png", "expected JPEG, PNG, WebP or BMP, got 0 bytes"),
        ("cut.png", "expected a whole image, got a truncated or damaged png one"),
        ("small.png", "expected a face of 112x112 pixels, got 64x64"),
    ],
)
def test_an_image_that_cannot_be_used_is_told_by_its_row_and_never_by_its_name(
    name: str, says: str, folder: Path, originals: Faces
) -> None:
    inside, outside = folder / "set", folder / "outside"
    outside.mkdir()
    (outside / f"{SECRET}.png").write_bytes(encode(originals[0].image))
    (inside / "link").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    (inside / "empty.png").touch()
    (inside / "cut.png").write_bytes(encode(originals[0].image)[:-20])
    cv2.imwrite(str(inside / "small.png"), np.zeros((64, 64, 3), np.uint8))
    rows = rows_of(folder)
    rows[4][0] = rows[7][0] = name
    table = pa.table({"private": [row[0] for row in rows], "source": [int(row[1]) for row in rows]})
    parquet.write_table(table, folder / "manifest.parquet")
    method = External(path=inside, manifest=folder / "manifest.parquet")
    with pytest.raises(
        MethodError, match="2 of 12 that cannot be used, the first is that of the manifest's row 6"
    ) as seen:
        publish(method, originals)
    assert says in str(seen.value)
    assert SECRET not in str(seen.value)


def test_a_pack_is_asked_by_index_and_a_folder_by_path(folder: Path, tmp_path: Path, originals: Faces) -> None:
    convert.to_recordio(originals, tmp_path / "pack")
    method = External(path=tmp_path / "pack", manifest=folder / "manifest.csv")
    with pytest.raises(MethodError, match="expected indices as private images, since they are in a pack, got paths"):
        publish(method, originals)
    write_manifest(folder / "manifest.csv", [(place + 2, place) for place in range(N)])
    with pytest.raises(
        MethodError, match=r"private images below 12, the size of the pack, got others in row 12 and 1 more"
    ):
        publish(method, originals)
    with pytest.raises(
        MethodError, match=r"expected paths as private images, since they are in a folder without train\.rec"
    ):
        publish(external(folder), originals)
    write_manifest(folder / "manifest.csv", [(place, f"a/{place}.png") for place in range(N)])
    with pytest.raises(
        MethodError, match="expected indices as sources, since the dataset is no folder of images, got paths"
    ):
        publish(method, originals)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "one column named private, got 0 among 1 columns"),
        (b"a/b.png,1\n", "one column named private, got 0 among 2 columns"),
        (b"private;source\na;1\n", "one column named private, got 0 among 1 columns"),
        (b"private,source,source\na,1,2\n", "one column named source, got 2 among 3 columns"),
        (b"private,source\n", "at least one row, got none"),
        (b"private,source\na,1\nJane_Doe\nb,2,3\n", "2 fields a row as in the first, got others in row 3 and 1 more"),
        (b"private,source\n,1\n,Jane_Doe\n", "column private: .*got nothing in row 2 and 1 more"),
        (b"private,source\na,1\nJane_Doe,\nb,\n", "column source: .*got nothing in row 3 and 1 more"),
        (b"private,source\nJane_Doe\xff,1\n", "a damaged CSV file in UTF-8"),
        (b"PAR1 and nothing more", "a damaged Parquet file"),
    ],
)
def test_a_damaged_manifest_is_told_without_repeating_it(content: bytes, says: str, folder: Path) -> None:
    (folder / "manifest.csv").write_bytes(content)
    with pytest.raises(MethodError, match=rf"external: manifest .*manifest\.csv: .*{says}.*; a manifest is a") as seen:
        external_manifest.read(folder / "manifest.csv")
    assert "Jane_Doe" not in str(seen.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"private": [0.5], "source": [1]}, "a number that is not whole, or far too large"),
        ({"private": [1], "source": [-1]}, "column source: .*got a number below 0 in row 2"),
        ({"private": ["a", "b"], "source": [0, None]}, "column source: .*got nothing in row 3"),
        ({"private": ["a"], "origin": [1]}, "one column named source, got 0 among 2 columns"),
        ({"private": [["a"]], "source": [1]}, "whole numbers or texts in private, got list"),
    ],
)
def test_an_odd_parquet_manifest_is_refused(columns: dict[str, Any], says: str, tmp_path: Path) -> None:
    parquet.write_table(pa.table(columns), tmp_path / "manifest.parquet")
    with pytest.raises(MethodError, match=says):
        external_manifest.read(tmp_path / "manifest.parquet")


def test_a_small_parquet_file_that_unfolds_to_gigabytes_is_refused(tmp_path: Path) -> None:
    n = 300_000
    bomb = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 10_000]))
    parquet.write_table(pa.table({"private": bomb, "source": np.arange(n)}), tmp_path / "manifest.parquet")
    assert (tmp_path / "manifest.parquet").stat().st_size < 4_000_000
    with pytest.raises(MethodError, match="expected at most 2 GiB of text in private, got more"):
        external_manifest.read(tmp_path / "manifest.parquet")


def test_a_manifest_of_too_many_bytes_or_none_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "manifest.csv").open("wb") as file:
        file.truncate(3 << 30)  # takes no space on the disk
    with pytest.raises(MethodError, match=r"at most 2 GiB, got 3\.0 GiB"):
        external_manifest.read(tmp_path / "manifest.csv")
    for name, got in (("nowhere.csv", "nothing"), (".", "something else")):
        with pytest.raises(MethodError, match=f"expected a file, got {got} there"):
            external_manifest.read(tmp_path / name)


def test_a_manifest_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Byte-order mark, quotes, Windows' line ends, a further column, spaces around numbers."""
    (tmp_path / "m.csv").write_bytes(b'\xef\xbb\xbf"source","note","private"\r\n 3,"x, y","a b.png"\r\n4 ,,c.png\r\n')
    found = external_manifest.read(tmp_path / "m.csv")
    assert found.source.tolist() == [3, 4]
    assert found.private.to_pylist() == ["a b.png", "c.png"]
