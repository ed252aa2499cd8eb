"""What a picture shows is kept in it; whatever does not say so counts as real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facebench.reports.pictures import figures
from facebench.reports.pictures.shows import Shows, mark, marked, may_leave, shows
from made_up import record


def png(path: Path) -> Path:
    import cv2

    cv2.imwrite(str(path), np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    return path


@pytest.mark.parametrize("of", ["numbers", "drawn faces", "real faces"])
def test_a_picture_says_what_it_shows_and_stays_the_same_picture(tmp_path: Path, of: Shows) -> None:
    import cv2

    path = png(tmp_path / "a.png")
    before = cv2.imread(str(path))
    assert shows(path) == "real faces", "it says nothing"
    for each in ("numbers", of):
        mark(path, each)
    assert shows(path) == of
    assert path.read_bytes().count(b"facebench.shows") == 1
    assert np.array_equal(cv2.imread(str(path)), before)
    copy = tmp_path / "elsewhere.png"
    copy.write_bytes(path.read_bytes())
    assert shows(copy) == of


def test_damaged_foreign_and_missing_pictures_count_as_real_faces(tmp_path: Path) -> None:
    sound = marked(png(tmp_path / "a.png").read_bytes(), "numbers")
    damaged = {
        "cut": sound[:50],
        "another value": sound.replace(b"\0numbers", b"\0nothing"),
        "a flipped bit": sound.replace(b"\0numbers", b"\0numberr"),
        "a text elsewhere": b"facebench.shows\0numbers" + sound,
        "empty": b"",
    }
    for name, content in damaged.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert shows(path) == "real faces", name
    assert shows(tmp_path / "none") == "real faces"
    with pytest.raises(ValueError, match="expected a PNG"):
        marked(b"GIF89a", "numbers")


def test_only_who_asks_gets_pictures_that_may_show_real_faces(tmp_path: Path) -> None:
    paths = [png(tmp_path / f"{n}.png") for n in range(4)]
    for path, of in zip(paths, ("numbers", "drawn faces", "real faces"), strict=False):
        mark(path, of)  # the last one says nothing
    assert may_leave(paths, faces=False) == paths[:2]
    assert may_leave(paths, faces=True) == paths


def test_curves_show_numbers(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 0, "loss": 1}\n{"step": 1, "loss": 0.5}\n')
    made = figures.draw(record(), tmp_path / "figures", {"train": log})
    assert made
    assert {shows(path) for path in made} == {"numbers"}
