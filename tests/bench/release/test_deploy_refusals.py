"""What `bench privatize` refuses, in a sentence, leaving nothing behind; and what its card says."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from facebench.bench.cli.main import main
from facebench.bench.plugins import spell
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from facebench.datasets.synthetic import Synthetic
from facebench.methods.base import Fit
from facebench.methods.facemae import FaceMAE
from facebench.methods.masking import Masking
from facebench.methods.parts import fitted_file
from facebench.reports.result import record as results
from made_up import record
from safetensors.numpy import save_file

PEOPLE, IMAGES = 6, 3
LEARNED = FaceMAE(steps=2, batch=8, relation_weight=0, size="tiny")


@pytest.fixture(scope="module")
def faces() -> list[tuple[bytes, int]]:
    made = Synthetic(people=PEOPLE, images=IMAGES).open()
    return [(made.encoded(i), int(made.labels[i])) for i in range(len(made))]


def write_pack(folder: Path, faces: list[tuple[bytes, int]]) -> Path:
    folder.mkdir()
    with RecordIOWriter(folder, PEOPLE) as pack:
        for image, label in faces:
            pack.add(image, label)
    return folder


@pytest.fixture
def pack(tmp_path: Path, faces: list[tuple[bytes, int]]) -> Path:
    return write_pack(tmp_path / "pack", faces)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a FaceMAE was fitted into."""
    folder = tmp_path_factory.mktemp("fit")
    LEARNED.fit(Synthetic(people=4, images=4).open(), folder, Fit(seed=0, device=torch.device("cpu")))
    return folder


class Bench:
    """Runs `bench privatize` in this process; gives what it says."""

    def __init__(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.out, self._capsys = out, capsys

    def ends(self, code: int, originals: Path, *more: str) -> str:
        command = ["privatize", str(originals), str(self.out), "--device", "cpu", "--workers", "1", *more]
        assert main(command) == code
        said = self._capsys.readouterr()
        return said.out if code == 0 else said.err

    def refuses(self, originals: Path, *more: str) -> str:
        said = self.ends(2, originals, *more)
        assert not self.out.exists()
        assert [path.name for path in self.out.parent.iterdir() if path.name.startswith(".")] == []
        return said


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path / "out", capsys)


@pytest.mark.parametrize(("more", "says"), [
    ((), "--method: expected a method's name"),
    (("--method", "maskin"), "Did you mean masking"),
    (("--method", "masking", "--set", "method.ratio=2"), "method.ratio: Input should be less than 1, got 2"),
    (("--method", "masking", "--set", "recipe=quick"), "--set recipe=quick: expected method.PARAMETER=VALUE"),
    (("--method", "facemae"), "facemae learns, and what it learned is needed. `bench run --method facemae"),
    (("--method", "noise", "--seed", "0"), "--seed: a release has no seed, since whoever knows it can undo"),
    (("--method", "noise", "--key", "nowhere"), "key nowhere: cannot be read"),
    (("--method", "noise", "--shards", "3/2"), "--shards 3/2: expected i/n with 1 <= i <= n"),
    (("--method", "noise", "--shard-size", "0"), "--shard-size: expected 1 or more, got 0"),
    (("--method", "noise", "--workers", "0"), "--workers: expected 1 or more, got 0"),
    (("--method", "noise", "--fitted", "nowhere"), "--fitted nowhere: expected a folder that `bench run` fitted"),
    (("--method", "noise", "--record", "nowhere.json"), "record nowhere.json: cannot be read"),
])  # fmt: skip
def test_what_was_asked_wrongly_is_told_by_its_place(
    bench: Bench, pack: Path, more: tuple[str, ...], says: str
) -> None:
    assert says in bench.refuses(pack, *more)


def test_a_fitted_method_is_used_as_it_was_fitted_or_not_at_all(bench: Bench, pack: Path, learned: Path) -> None:
    file = str(learned / "model.safetensors")
    assert "was fitted by facemae; leave --method out" in bench.refuses(pack, "--method", "mae", "--fitted", file)
    wrong = bench.refuses(pack, "--fitted", file, "--set", "method.ratio=0.5")
    assert "was fitted with 0.75, and 0.5 was asked for" in wrong
    assert "there is no such entry" in bench.refuses(pack, "--fitted", file, "--set", "method.speed=1")
    bench.ends(0, pack, "--fitted", str(learned), "--method", "facemae", "--set", "method.ratio=0.75")


@pytest.mark.parametrize(("change", "says"), [
    ({"version": 1}, "expected facemae of version 3, got version 1"),
    ({"method": "os"}, "no method named 'os'"),
    ({"method": "masking", "parameters": {}, "version": 1}, "masking learns nothing; leave --fitted out"),
    ({"parameters": {"teacher": "/etc/passwd"}}, "facemae.teacher names a file of this machine"),
    ({"parameters": {"speed": 1}}, "facemae.speed: there is no such entry"),
    ({"more": 1}, "cannot be understood: more: Extra inputs are not permitted"),
])  # fmt: skip
def test_a_file_that_says_what_it_should_not_is_refused(
    bench: Bench, pack: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    said = {**json.loads(fitted_file.describe(LEARNED)), **change}
    file = tmp_path / "strange.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, file, metadata={fitted_file.KEY: json.dumps(said)})
    assert says in bench.refuses(pack, "--fitted", str(file))


def test_a_file_of_weights_alone_is_refused(bench: Bench, pack: Path, tmp_path: Path) -> None:
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "bare.safetensors")
    assert "got none; give the folder" in bench.refuses(pack, "--fitted", str(tmp_path / "bare.safetensors"))
    file = tmp_path / "empty.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, file, metadata={fitted_file.KEY: fitted_file.describe(LEARNED)})
    assert "facemae: weights" in bench.refuses(pack, "--fitted", str(file))


def test_damaged_images_are_counted_and_named_by_number_or_passed_over(
    bench: Bench, tmp_path: Path, faces: list[tuple[bytes, int]]
) -> None:
    damaged = [(b"no image" if row in (4, 9) else image, label) for row, (image, label) in enumerate(faces)]
    pack = write_pack(tmp_path / "damaged", damaged)
    said = bench.refuses(pack, "--method", "original")
    assert "2 of 18 images cannot be decoded: 4, 9 (from 0)" in said
    assert "got bytes 6e 6f 20 69" in said
    bench.ends(0, pack, "--method", "original", "--skip-bad")
    links = pd.read_parquet(tmp_path / "out.manifest.parquet")
    assert sorted(links["source_index"]) == [row for row in range(18) if row not in (4, 9)]
    assert "| originals passed over | 2, " in (bench.out / "README.md").read_text()


def test_nothing_to_make_private_is_an_error(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "neither train.rec nor property nor folders" in bench.refuses(tmp_path / "empty", "--method", "noise")
    pack = write_pack(tmp_path / "bad", [(b"no image", label) for label in range(PEOPLE)])
    assert "of which none can be decoded" in bench.refuses(pack, "--method", "noise", "--skip-bad")


def test_what_is_there_is_never_overwritten(bench: Bench, pack: Path, tmp_path: Path) -> None:
    bench.out.mkdir()
    (bench.out / "thesis.tex").write_text("years of work")
    assert "it is there, and not made by bench privatize" in bench.ends(2, pack, "--method", "noise")
    assert [path.name for path in bench.out.iterdir()] == ["thesis.tex"]
    shutil.rmtree(bench.out)
    (tmp_path / "out.manifest.parquet").write_text("mine")
    assert "out.manifest.parquet: it is there" in bench.refuses(pack, "--method", "noise")
    (tmp_path / "out.manifest.parquet").unlink()
    (tmp_path / ".out.shards").mkdir()
    (tmp_path / ".out.shards" / "mine").touch()
    assert "got a folder of something else" in bench.ends(2, pack, "--method", "noise")
    assert (tmp_path / ".out.shards" / "mine").exists()


def test_an_output_among_the_originals_or_below_a_file_is_refused(
    tmp_path: Path, pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "lies inside the originals" in Bench(pack / "new", capsys).ends(2, pack, "--method", "noise")
    below = Bench(pack / "property" / "a" / "b", capsys)
    other = write_pack(tmp_path / "other", [(Synthetic(people=1).open().encoded(0), 0)])
    assert "cannot be written (Not a directory" in below.ends(2, other, "--method", "noise")


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is allowed to root")
def test_a_folder_without_the_right_to_write_is_told(
    tmp_path: Path, pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    said = Bench(tmp_path / "closed" / "out", capsys).ends(2, pack, "--method", "noise")
    assert "cannot be written (Permission denied" in said


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_finished_shards_and_no_half_made_set(bench: Bench, pack: Path, tmp_path: Path) -> None:
    with at_most(200_000):  # a shard of four is under it, one of all and the pack are over it
        assert "the disk is full (File too large; " in bench.refuses(pack, "--method", "noise")
        said = bench.ends(2, pack, "--method", "noise", "--shard-size", "4")
    assert "the pack cannot be written (File too large)" in said
    assert not bench.out.exists()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / ".out.shards").glob("0*")}
    assert len(kept) == 10
    assert "5 of 5 shards are there already" in _quietly(bench, pack)
    assert len(RecordIO(root=bench.out).open()) == PEOPLE * IMAGES


def _quietly(bench: Bench, pack: Path) -> str:
    command = ["privatize", str(pack), str(bench.out), "--device", "cpu", "--method", "noise", "--shard-size", "4"]
    assert main(command) == 0
    return bench._capsys.readouterr().err


def test_shards_of_another_command_or_changed_ones_are_never_joined(bench: Bench, pack: Path, tmp_path: Path) -> None:
    command = ["--method", "noise", "--shard-size", "4"]
    bench.ends(0, pack, *command, "--shards", "1/2")
    key = tmp_path / "another.key"
    key.write_text(bytes(range(100, 132)).hex())
    key.chmod(0o600)
    said = bench.ends(2, pack, *command, "--key", str(key))
    assert "holds shards of another command, with secret '" in said
    assert "6465" not in said
    other = Bench(tmp_path / "other", bench._capsys)
    other.ends(0, pack, *command, "--shards", "2/2")
    for file in (tmp_path / ".other.shards").glob("0*"):
        file.rename(tmp_path / ".out.shards" / file.name)
    assert "000001.npz: a shard of another command" in bench.ends(2, pack, *command)
    (tmp_path / ".out.shards" / "000001.npz").write_bytes(b"PK")
    assert "000001.npz: cannot be read" in bench.ends(2, pack, *command)
    (tmp_path / ".out.shards" / "000001.npz").unlink()
    images = tmp_path / ".out.shards" / "000002.images"
    images.write_bytes(b"\0" + images.read_bytes()[1:])
    assert "000003.npz" in bench.ends(2, pack, *command)  # the other strange one comes first
    (tmp_path / ".out.shards" / "000003.npz").unlink()
    assert "000002.images: it was changed after it was made" in bench.ends(2, pack, *command)
    assert not bench.out.exists()
    (tmp_path / ".out.shards" / "000002.npz").unlink()
    bench.ends(0, pack, *command)


def test_two_processes_do_not_make_one_set_at_once(bench: Bench, pack: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / ".out.shards").mkdir()
    with FileLock(tmp_path / ".out.shards" / "1-of-1.lock"):
        assert "another process is just making this dataset" in bench.ends(2, pack, "--method", "noise")


def test_the_card_says_what_was_measured_and_by_whom_or_that_nothing_was(
    bench: Bench, pack: Path, tmp_path: Path
) -> None:
    bench.ends(0, pack, "--method", "masking", "--no-links")
    card = (bench.out / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "other"
    assert front["size_categories"] == ["n<1K"]
    assert "18 private faces of 6 people" in card
    assert "Nothing was measured on this release" in card
    assert "| `ratio` | `0.75` |" in card
    assert "| randomness | a secret key of 256 bits, which its owner keeps; it is in none of these files |" in card
    assert "seed" not in card
    assert "never share it" in card
    shutil.rmtree(bench.out)

    spec = spell(Masking())
    mark = results.Unreliable(reason="the judge saw BGR", link="https://example.org/why")
    marked = record("masking", method_spec=spec, failed=True, accuracy=0.81234, unreliable=mark)
    kept = results.write(marked, tmp_path / "records")
    bench.ends(0, pack, "--method", "masking", "--record", str(kept))
    card = (bench.out / "README.md").read_text()
    assert "Nothing was measured" not in card
    assert "| accuracy (verification accuracy) | lfw | 81.23 % |" in card
    assert "Attackers run: ignorant, other_image. Not run: " in card
    assert "alignment" in card.split("Not run: ")[1].partition("\n")[0]
    assert "**Not to be relied on**: judge on clear pairs" in card
    assert "**Not to be relied on**: the judge saw BGR" in card
    assert "Not on these files" in card


def test_a_record_of_another_method_or_fit_is_refused(bench: Bench, pack: Path, tmp_path: Path, learned: Path) -> None:
    kept = results.write(record("masking", method_spec=spell(Masking(ratio=0.5))), tmp_path / "records")
    said = bench.refuses(pack, "--method", "masking", "--record", str(kept))
    assert "got masking with other ratio" in said
    assert "got masking;" in bench.refuses(pack, "--method", "noise", "--record", str(kept))
    stage = tmp_path / "runs" / "stages" / "fit" / "0123456789abcdef"
    shutil.copytree(learned, stage)
    (stage / "stage.json").write_text(json.dumps({"inputs": {"method": spell(LEARNED)}}))
    kept = results.write(record("facemae", method_spec=spell(LEARNED)), tmp_path / "records")
    fitted = ["--fitted", stage.name, "--store", str(tmp_path / "runs")]
    assert "the record of the fit 0123456789abcdef" in bench.refuses(pack, *fitted, "--record", str(kept))
    learns = bench.refuses(pack, "--method", "facemae", "--store", str(tmp_path / "runs"))
    assert f"there are: {stage.name}" in learns
    bench.ends(0, pack, *fitted)
