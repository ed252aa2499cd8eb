"""`bench assess`: a private set of whatever tool, its originals, one page."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.bench.plan.manifest_of import manifest_of
from facebench.bench.store.store import Store
from facebench.datasets.base import DataError
from facebench.datasets.files.codec import encode
from facebench.datasets.folder import Folder, FolderFaces
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import SyntheticFaces

TINY = "{architecture: small, dim: 32, steps: 2, batch: 8}"
SMALL = (f"recognizer={TINY}", f"judge={TINY}", "roles.H=0.4", "roles.G=0.1", "roles.A=0.2", "roles.P=0.3")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people as photos, and the same photos, darker, as another tool's JPEGs."""
    root = tmp_path_factory.mktemp("sets")
    drawn = SyntheticFaces(40, 3, 0)
    for row in range(len(drawn)):
        for name, image in (("photos", drawn[row].image), ("private", drawn[row].image // 2)):
            folder = root / name / f"p{drawn.labels[row]:02}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{row}{'.png' if name == 'photos' else '.PNG'}").write_bytes(encode(image))
    return root


@pytest.mark.slow
def test_a_folder_of_equal_names_needs_no_manifest_and_limits_decide_the_exit_code(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    command = ["assess", str(sets / "private"), str(sets / "photos"), "--store", str(tmp_path / "runs"), "-q",
               "--attacks", "ignorant", "--recipe", "quick", "--out", str(page), "--set", *SMALL]  # fmt: skip
    assert main(command) == 1  # a judge of two steps is not to be relied on, and the page says so
    assert "not to be relied on" in page.read_text()
    assert f"{page} is the page to hand on" in capsys.readouterr().out
    assert main([*command, "--limit", "leakage=2%"]) == 1
    assert "cannot be told" in page.read_text() or "relied on" in page.read_text()


def test_links_by_equal_names(sets: Path, tmp_path: Path) -> None:
    path = manifest_of(sets / "private", Folder(root=sets / "photos"), Store(tmp_path))
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["private", "source"]
    files = FolderFaces(sets / "photos").files
    assert len(rows) == 121
    assert all(files[int(source)].rpartition(".")[0] == own.rpartition(".")[0] for own, source in rows[1:])


def test_other_names_or_a_pack_ask_for_a_manifest(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes((sets / "private" / "p00" / "0.PNG").read_bytes())
    with pytest.raises(DataError, match="got 0 of 1; say which was made from which with --manifest"):
        manifest_of(tmp_path / "other", Folder(root=sets / "photos"), Store(tmp_path))
    with pytest.raises(DataError, match="expected a manifest, since a pack has no names"):
        manifest_of(sets / "private", RecordIO(root=sets / "photos"), Store(tmp_path))


def test_a_release_of_ours_brings_its_links(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["privatize", "synthetic", str(out), "--method", "pixelate", "--workers", "1", "-q"]
    assert main([*command, "--set", "dataset.people=6", "dataset.images=2"]) == 0
    rows = list(csv.reader(manifest_of(out, SYNTHETIC, Store(tmp_path / "s")).read_text().splitlines()))
    assert sorted(int(source) for _, source in rows[1:]) == list(range(12))
    assert [own for own, _ in rows[1:]] == [str(n) for n in range(12)]


SYNTHETIC = RecordIO(root=Path("nowhere"))


def test_a_page_is_not_written_over_what_is_no_page(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    command = ["assess", str(sets / "private"), str(sets / "photos"), "--store", str(tmp_path)]
    assert main([*command, "--out", str(tmp_path / "mine.txt")]) == 2
    assert (tmp_path / "mine.txt").read_text() == "mine"
