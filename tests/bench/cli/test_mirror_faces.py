"""What of real faces and names reaches MLflow: pictures where that very command asks for them, and no name."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from facebench.bench.cli.main import main
from facebench.bench.experiment import faces_picture
from facebench.datasets.synthetic import SyntheticFaces
from facebench.reports.pictures.shows import shows

TINY = """
recognizer: {architecture: small, dim: 32, steps: 4, batch: 16}
teacher: {architecture: small, dim: 32, steps: 3, batch: 16}
judge: {architecture: small, dim: 32, steps: 3, batch: 16}
attacks: [ignorant]
methods:
  facemae: {size: tiny, patch: 16, steps: 3, batch: 8}
"""
ACCOUNT, FAMILY = "zaphod7", "Beeblebrox"


def photographs(folder: Path) -> Path:
    """A folder of people with names, one of whose images is damaged, and a verification set."""
    faces = SyntheticFaces(people=24, images=4, seed=5)
    for index in range(len(faces)):
        person = folder / f"{FAMILY}_{int(faces.labels[index]):02}"
        person.mkdir(parents=True, exist_ok=True)
        (person / f"{FAMILY}-holiday-{index}.png").write_bytes(faces.encoded(index))
    broken = next(folder.glob(f"*/{FAMILY}-holiday-7.png"))
    broken.write_bytes(broken.read_bytes()[:200])
    others = SyntheticFaces(people=10, images=4, seed=6)
    pairs = [(a, a + 1, True) for a in range(0, 40, 4)] + [(a, (a + 9) % 40, False) for a in range(0, 40, 4)]
    images = [others.encoded(index) for a, b, _ in pairs for index in (a, b)]
    file = io.BytesIO()
    pickle.dump((images, [same for *_, same in pairs]), file)
    (folder / "lfw.bin").write_bytes(file.getvalue())
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's home, where a run was drawn with real faces, for nobody else to see."""
    folder = tmp_path_factory.mktemp("home") / ACCOUNT
    photographs(folder / "set")
    (folder / "tiny.yaml").write_text(TINY)
    assert run(folder, "--with-faces", "--tracking-uri", "none") in (0, 1)
    return folder


def run(home: Path, *more: str) -> int:
    where = ["--dataset", str(home / "set"), "--recipe", str(home / "tiny.yaml"), "--store", str(home / "runs")]
    return main(["run", *where, "--skip-bad", "-q", *more])


def mirrored(home: Path, uri: str, *more: str) -> int:
    return main(["mirror", "--store", str(home / "runs"), "-q", "--tracking-uri", uri, *more])


def pictures(folder: Path) -> set[str]:
    return {path.name for path in (folder / "mlartifacts").rglob("*.png")}


def figures(home: Path) -> Path:
    (found,) = (path for path in (home / "runs" / "figures").iterdir() if path.is_dir())
    return found


def test_real_faces_go_with_the_command_that_says_so_and_with_no_other(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shows(figures(home) / "faces.png") == shows(figures(home) / "fit.png") == "real faces"
    shutil.copy(figures(home) / "faces.png", figures(home) / "party.png")
    (figures(home) / "unknown.png").write_bytes(b"\x89PNG\r\n\x1a\n of somebody")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert mirrored(home, uri) == 0
    charts = pictures(tmp_path)
    assert {"roc.png", "losses.png"} <= charts
    assert not charts & {"faces.png", "fit.png", "party.png", "unknown.png"}
    assert run(home, "--tracking-uri", uri, "--experiment-name", "again") in (0, 1)
    assert pictures(tmp_path) == charts
    capsys.readouterr()

    assert mirrored(home, uri, "--with-faces") == 0
    assert "1 of 1 records mirrored" in capsys.readouterr().out
    assert pictures(tmp_path) == charts | {"faces.png", "fit.png", "party.png", "unknown.png"}
    for again in ((), ("--with-faces",)):
        assert mirrored(home, uri, *again) == 0
        assert "0 of 1 records mirrored" in capsys.readouterr().out

    (figures(home) / "roc.png").write_bytes((figures(home) / "faces.png").read_bytes())  # as earlier versions left it
    assert mirrored(home, uri, "--experiment-name", "third") == 0
    assert shows(figures(home) / "roc.png") == "numbers", "curves are drawn again"
    for name in ("party.png", "unknown.png"):
        (figures(home) / name).unlink()


def test_no_name_of_a_person_an_account_or_a_folder_is_sent(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow writes it into a database of one's own
    assert mirrored(home, f"sqlite:///{tmp_path}/mlflow.db", "--with-models") == 0
    sent = [tmp_path / "mlflow.db", *(path for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file())]
    assert {"leaderboard.html", "model.pt2"} <= {path.name for path in sent}
    for path in sent:
        content = path.read_bytes()
        for name in (ACCOUNT, FAMILY, "holiday", str(Path.home()) + "/", str(Path(__file__).resolve().parents[3])):
            assert name.encode() not in content, (path.name, name)


@pytest.mark.parametrize("quiet", [["-q"], ["--format", "json"]], ids=" ".join)
def test_a_record_that_did_not_reach_mlflow_is_told_whatever_is_quiet(
    home: Path, capsys: pytest.CaptureFixture[str], quiet: list[str]
) -> None:
    capsys.readouterr()
    assert run(home, "--tracking-uri", "http://127.0.0.1:9", *quiet) in (0, 1)
    said = capsys.readouterr()
    assert "warning: MLflow at http://127.0.0.1:9" in said.err
    assert "send it later with `bench mirror`" in said.err
    assert "warning" not in said.out
    if "json" in quiet:
        assert len(json.loads(said.out)) == 1


def test_faces_count_as_drawn_only_where_nothing_real_can_come_in() -> None:
    def run(*, synthetic: bool, **method: Any) -> Any:
        context = SimpleNamespace(
            data=SimpleNamespace(synthetic=synthetic), method=SimpleNamespace(brought=None, **method)
        )
        return SimpleNamespace(context=context)

    assert faces_picture._drawn(run(synthetic=True, ratio=0.5, init=None))
    assert not faces_picture._drawn(run(synthetic=False, ratio=0.5))
    assert not faces_picture._drawn(run(synthetic=True, path=Path("faces of another tool")))
