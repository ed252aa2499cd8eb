"""What a run will read is looked at before anything is made: by a dry run, and by `bench data verify` in its words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from peoples_files import dataset, flags, images, pairs


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def one_kind(path: Path) -> None:
    pairs(path, (images(8), [True] * 4))


def no_image(path: Path) -> None:
    pairs(path, ([*images(7), b"\xff\xd8\xff no image"], flags(4)))


def other_size(path: Path) -> None:
    pairs(path, size=120, count=4)


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (cut, "expected"),
    (one_kind, "all genuine"),
    (no_image, "image 7 (of pair 3)"),
    (other_size, "expected a face of 112x112 pixels, got 120x120"),
]


def dry(root: Path, store: Path, *more: str) -> int:
    return main(["run", "--dataset", str(root), "--method", "pixelate", "--attacks", "ignorant", "--dry-run", "-q",
                 "--store", str(store), "--tracking-uri", "none", *more])  # fmt: skip


@pytest.mark.parametrize(("fault", "says"), FAULTS)
def test_a_set_that_cannot_be_used_is_told_by_a_dry_run_and_by_verify(
    fault: Callable[[Path], None], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset(tmp_path / "d")
    assert dry(root, tmp_path / "runs") == 0
    fault(root / "lfw.bin")
    capsys.readouterr()
    assert dry(root, tmp_path / "runs") == 2
    told = capsys.readouterr().err
    assert says in told
    assert "lfw" in told
    assert "--skip-bad" not in told, "nothing passes over images of a verification set"
    assert not (tmp_path / "runs" / "stages").exists()
    assert main(["data", "verify", "-q", str(root)]) == 1
    assert says in capsys.readouterr().out
    assert main(["data", "verify", "-q", str(root / "lfw.bin")]) in (1, 2)
    captured = capsys.readouterr()
    assert says in captured.out + captured.err


def test_a_set_that_was_found_good_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facebench.datasets.catalog import check_pairs

    root, calls = dataset(tmp_path / "d"), []
    original = check_pairs.check_pairs
    monkeypatch.setattr(check_pairs, "check_pairs", lambda name, *a, **k: calls.append(name) or original(name, *a, **k))
    assert dry(root, tmp_path / "runs") == dry(root, tmp_path / "runs") == 0
    assert calls == ["lfw"]
    pairs(root / "lfw.bin", count=21)
    assert dry(root, tmp_path / "runs") == 0
    assert calls == ["lfw", "lfw"]


def test_a_damaged_face_is_told_by_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset(tmp_path / "d")
    for path in root.glob("p03/*.png"):
        path.write_bytes(path.read_bytes()[:80])
    assert dry(root, tmp_path / "runs") == 2
    assert "truncated or damaged png" in capsys.readouterr().err


def test_a_pair_beyond_the_set_is_told_by_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset(tmp_path / "d")
    (tmp_path / "pairs.csv").write_text("pair,tone\n0,dark\n20,light\n")
    asked = ["--set", f"groups.pairs={{lfw: {tmp_path / 'pairs.csv'}}}"]
    assert dry(root, tmp_path / "runs", *asked) == 2
    assert "pair 20: lfw has 20 pairs" in capsys.readouterr().err
    (tmp_path / "pairs.csv").write_text("pair,tone\n0,dark\n19,light\n")
    assert dry(root, tmp_path / "runs", *asked) == 0


@pytest.mark.parametrize("wrong", ["manifest", "image"])
def test_a_set_of_another_tool_is_told_by_a_dry_run(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset(tmp_path / "d")
    names = [str(path.relative_to(root)) for path in sorted(root.glob("p*/*.png"))]
    (tmp_path / "m.csv").write_text("private,source\n" + "".join(f"{name},{name}\n" for name in names))
    asked = ["--method", "external", "--set", f"method.path={root}", f"method.manifest={tmp_path / 'm.csv'}"]
    assert dry(root, tmp_path / "runs", *asked) == 0
    if wrong == "manifest":
        (tmp_path / "m.csv").write_text("private,source\nx,1\n")
        says = "external: manifest"
    else:
        other = tmp_path / "other"
        for name in names:
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_bytes(b"none")
        asked[3], says = f"method.path={other}", "cannot be used"
    assert dry(root, tmp_path / "runs", *asked) == 2
    assert says in capsys.readouterr().err


def test_names_too_long_for_a_record_are_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset(tmp_path / ("人" * 70))
    assert dry(root, tmp_path / "runs") == 2
    assert "names of at most 200 bytes together" in capsys.readouterr().err
    root.rename(tmp_path / ("人" * 40))
    assert dry(tmp_path / ("人" * 40), tmp_path / "runs") == 0


def test_a_set_is_checked_alone_by_its_file_in_any_case_of_letters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify", "-q", str(pairs(tmp_path / "own.BIN", count=4))]) == 0
    assert "own: 4 pairs, 2 genuine and 2 impostor: good" in capsys.readouterr().out
    assert pickle.loads((tmp_path / "own.BIN").read_bytes())
