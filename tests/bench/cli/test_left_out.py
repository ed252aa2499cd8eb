"""Nothing is left out in silence, and litter of other systems is no data."""

from __future__ import annotations

from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.datasets.catalog import cards
from facebench.datasets.files.entries import is_image, is_litter
from facebench.datasets.folder import Folder
from peoples_files import IMAGES, PEOPLE, dataset, folder, images, pairs

LITTER = ["._lfw.bin", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", "$RECYCLE.BIN", "@eaDir", "lost+found"]


def verify(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["data", "verify", "-q", str(root), *more])
    return code, capsys.readouterr().out


def test_litter_of_other_systems_is_passed_over_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset(tmp_path / "d")
    clean = verify(root, capsys)
    for place in (root, root / "p00"):
        for name in LITTER:
            if name.isupper() or name.startswith(("@", "__", "lost")):
                (place / name).mkdir()
            else:
                (place / name).write_bytes(b"\0\5\x16\7 not ours")
        (place / "._0.png").write_bytes(b"\0\5\x16\7")
    assert verify(root, capsys) == clean
    assert clean[0] == 0
    assert Folder(root=root).open().identities == PEOPLE
    assert all(map(is_litter, LITTER))


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".PNG", ".JPG", "", ".data", ".dib"])
def test_an_image_is_read_whatever_its_name_ends_in(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = verify(dataset(tmp_path / "d", ending=ending), capsys)
    assert code == 0
    assert f"{PEOPLE * IMAGES} images of {PEOPLE} people: good" in told


@pytest.mark.parametrize(
    ("first", "name", "kind"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1", "3.avif", "an AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "3.HEIC", "a HEIF"),
        (b"GIF89a" + bytes(40), "3", "a GIF"),
        (b"II*\0" + bytes(40), "3.xyz", "a TIFF"),
        (b"", "3.jxl", "0 bytes"),
    ],
)
def test_an_image_of_a_kind_that_is_not_read_is_counted_and_named(
    first: bytes, name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset(tmp_path / "d")
    (root / "p00" / name).write_bytes(first)
    code, told = verify(root, capsys)
    assert code == 1
    assert f"{PEOPLE * IMAGES + 1} images" in told
    assert "undecodable images: 1" in told
    assert kind in told


def test_texts_and_pipes_are_no_images(tmp_path: Path) -> None:
    import os

    (tmp_path / "notes").write_text("BMI and other things that are no bitmap, though they begin like one")
    os.mkfifo(tmp_path / "pipe")
    assert not is_image(tmp_path / "notes")
    assert not is_image(tmp_path / "pipe")


def test_images_that_are_nobodys_are_told_by_verify_and_by_a_quiet_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset(tmp_path / "d")
    (root / "stray.png").write_bytes(images(1)[0])
    (root / "no suffix").write_bytes(images(1)[0])
    assert "2 images beside the folders of people: left out: nobody's" in verify(root, capsys)[1]
    assert '"left_out"' in verify(root, capsys, "--format", "json")[1]
    asked = ["run", "--dataset", str(root), "--method", "pixelate", "--dry-run", "-q", "--tracking-uri", "none"]
    assert main([*asked, "--store", str(tmp_path / "runs")]) == 0
    assert "2 images beside the folders of people: left out" in capsys.readouterr().err


def test_a_list_of_pairs_beside_a_folder_is_a_set_and_finds_images_by_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"Person_{chr(65 + n)}" for n in range(PEOPLE)]
    root = folder(tmp_path / "d", names=names)
    for n, name in enumerate(names):
        for k, end in enumerate((".JPG", ".webp", "")):
            (root / name / f"{k}.png").rename(root / name / f"{name}_{k + 1:04d}{end if n % 2 else '.png'}")
    lines = [f"{name}\t1\t3" for name in names[:6]] + [f"{name}\t2\t{names[-1]}\t1" for name in names[:6]]
    (root / "pairs.txt").write_text("\n".join(["6", *lines]) + "\n")
    assert "pairs: 12 pairs, 6 genuine and 6 impostor: good" in verify(root, capsys)[1]


def test_a_list_that_a_pack_cannot_use_is_named(tmp_path: Path) -> None:
    from facebench.datasets.catalog import convert

    convert.to_recordio(Folder(root=folder(tmp_path / "f")).open(), tmp_path / "pack")
    (tmp_path / "pack" / "pairs.txt").write_text("1\n")
    assert "pairs.txt" in cards.resolve(str(tmp_path / "pack"), tmp_path).unused


def test_faces_of_another_size_are_scaled_where_they_are_asked_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from facebench.datasets.files.codec import decode
    from facebench.datasets.files.image_header import inspect
    from peoples_files import resized

    root = folder(tmp_path / "d")
    for path in root.glob("p*/*.png"):
        path.write_bytes(resized(decode(path.read_bytes(), where="it"), 128))
    pairs(root / "lfw.bin", size=128)
    assert verify(root, capsys)[0] == 1
    assert verify(root, capsys, "--resize")[0] == 0
    asked = ["run", "--dataset", str(root), "--method", "pixelate", "--dry-run", "--tracking-uri", "none"]
    assert main([*asked, "--store", str(tmp_path / "runs")]) == 2
    assert "--resize" in capsys.readouterr().err
    assert main([*asked, "--store", str(tmp_path / "runs"), "--resize"]) == 0
    assert main([*asked, "--store", str(tmp_path / "runs"), "--set", "resize=true"]) == 0
    assert main(["data", "convert", "-q", str(root), str(tmp_path / "out"), "--to", "folder", "--resize"]) == 0
    for path in (tmp_path / "out").rglob("*.png"):
        assert inspect(path.read_bytes(), "it", resize=False) == ".png"
    first = Folder(root=tmp_path / "out").open()[0].image
    assert torch.equal(first, Folder(root=root, resize=True).open()[0].image)
