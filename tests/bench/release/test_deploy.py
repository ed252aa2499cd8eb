"""From a dataset to a private one that can be shared: the same bytes however the work was split, and no name in it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from facebench.bench.cli.main import main
from facebench.bench.release.job import Job
from facebench.bench.release.secret import of_release
from facebench.datasets.base import Faces
from facebench.datasets.files import codec
from facebench.datasets.folder import Folder
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import Synthetic
from facebench.methods.base import Fit, Publish
from facebench.methods.facemae import FaceMAE
from facebench.methods.masking import Masking

PEOPLE, IMAGES = 30, 5
FACES = PEOPLE * IMAGES
LEARNED = FaceMAE(steps=2, batch=8, relation_weight=0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of people with names."""
    root = tmp_path_factory.mktemp("originals of Ada")
    made = Synthetic(people=PEOPLE, images=IMAGES).open()
    for index, label in enumerate(made.labels.tolist()):
        person = root / f"Ada_Lovelace_{label:02}"
        person.mkdir(exist_ok=True)
        (person / f"holiday_{index % IMAGES}.png").write_bytes(made.encoded(index))
    return root


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted FaceMAE, alone in a file of another name."""
    folder = tmp_path_factory.mktemp("fit")
    LEARNED.fit(Synthetic(people=4, images=4).open(), folder, Fit(seed=0, device=CPU))
    alone = folder.parent / "faces-of-2026.safetensors"
    return (folder / "model.safetensors").rename(alone)


def privatize(originals: Path, out: Path, *more: str) -> int:
    return main(["privatize", str(originals), str(out), "-q", "--device", "cpu", "--workers", "1", *more])


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, so that two commands make equal faces."""
    path = tmp_path_factory.mktemp("secrets") / "own.key"
    path.write_text(bytes(range(32)).hex() + "\n")
    path.chmod(0o600)
    return path


def tree(out: Path) -> dict[str, str]:
    """Digest of every file of a private dataset, and of the manifest beside it."""
    files = [path for path in out.rglob("*") if path.is_file()]
    found = {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    beside = out.with_name(f"{out.name}.manifest.parquet")
    return {**found, "beside": hashlib.sha256(beside.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def command(fitted: Path, key: Path) -> list[str]:
    """How all of these tests make FaceMAE's faces."""
    return ["--fitted", str(fitted), "--key", str(key)]


@pytest.fixture(scope="module")
def whole(originals: Path, command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What FaceMAE makes in one go, by one process, in one shard."""
    out = tmp_path_factory.mktemp("whole") / "set"
    assert privatize(originals, out, *command) == 0
    return out


def test_the_private_set_holds_what_the_method_makes_of_each_face(originals: Path, tmp_path: Path) -> None:
    command = ["--method", "masking", "--set", "method.ratio=0.5"]
    assert privatize(originals, tmp_path / "out", *command, "--shards", "1/2") == 0
    job = Job.model_validate_json((tmp_path / ".out.shards" / "job.json").read_text())
    assert privatize(originals, tmp_path / "out", *command) == 0
    faces, private = Folder(root=originals).open(), RecordIO(root=tmp_path / "out").open()
    links = pd.read_parquet(tmp_path / "out.manifest.parquet")
    assert sorted(links["source_index"]) == list(range(FACES))
    secret = of_release(bytes.fromhex((tmp_path / "out.key").read_text()), job)
    how = Publish(secret, CPU, np.arange(FACES))
    make = Masking(ratio=0.5).load(Path(), device=CPU)
    for row in (0, 60, FACES - 1):
        source = int(links["source_index"][row])
        image = faces[source].image[None]
        expected = make(image, how.own_keys(image, np.array([source])))[0]
        assert torch.equal(private[row].image, expected)
        assert links["sha256"][row] == hashlib.sha256(codec.encode(expected)).hexdigest()
    assert list(links["identity"]) == private.labels.tolist()
    same_people = pd.Series(faces.labels[links["source_index"]]).groupby(private.labels).nunique()
    assert set(same_people) == {1}
    assert private.identities == PEOPLE


def test_numbers_follow_the_private_images_and_nothing_tells_a_name_or_the_old_order(whole: Path) -> None:
    links = pd.read_parquet(whole.with_name("set.manifest.parquet"))
    shared = pd.read_parquet(whole / "manifest.parquet")
    assert list(shared.columns) == ["private_index", "identity", "sha256", "method", "parameters"]
    for _, own in shared.groupby("identity"):
        assert list(own["sha256"]) == sorted(own["sha256"])
    first = shared.groupby("identity")["sha256"].min()
    assert list(first) == sorted(first)
    assert list(links["source_index"]) != sorted(links["source_index"])
    for path in [*whole.rglob("*"), whole.with_name("set.manifest.parquet")]:
        for name in (b"Lovelace", b"holiday", b"originals of"):
            assert name not in str(path.relative_to(whole.parent)).encode() + path.read_bytes()


@pytest.mark.parametrize("more", [
    ("--shard-size", "32"),
    ("--shard-size", "11"),
    pytest.param(("--shard-size", "20", "--workers", "2"), marks=pytest.mark.slow),
])  # fmt: skip
def test_how_the_work_is_split_changes_no_byte(
    originals: Path, command: list[str], whole: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert privatize(originals, tmp_path / "set", *command, *more) == 0
    assert tree(tmp_path / "set") == tree(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"set", "set.manifest.parquet"}


def test_parts_of_several_machines_are_joined_by_a_last_call(
    originals: Path, command: list[str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*command, "--shard-size", "16"]
    assert privatize(originals, tmp_path / "one" / "set", *command, "--shards", "1/3") == 0
    assert privatize(originals, tmp_path / "two" / "set", *command, "--shards", "2/3") == 0
    assert "7 of 10 shards are missing" in capsys.readouterr().out
    assert not (tmp_path / "one" / "set").exists()
    for file in (tmp_path / "two" / ".set.shards").glob("0*"):
        file.rename(tmp_path / "one" / ".set.shards" / file.name)
    kept = {file: file.stat().st_ino for file in (tmp_path / "one" / ".set.shards").glob("*.npz")}
    assert len(kept) == 7  # every third of ten, from the first and from the second on
    assert privatize(originals, tmp_path / "one" / "set", *command, "--shards", "3/3") == 0
    assert "all 10 shards" in capsys.readouterr().out
    assert {file: file.stat().st_ino for file in kept} == kept
    assert privatize(originals, tmp_path / "one" / "set", *command) == 0
    assert tree(tmp_path / "one" / "set") == tree(whole)


def _start(originals: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = ["privatize", str(originals), str(out), "--workers", "2", "--device", "cpu", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "facebench.bench", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a job that a shell put into the background was told to ignore Ctrl-C, and so were its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one call, no lock
    )  # fmt: skip


def _wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 300  # a worker imports torch first, perhaps on a busy machine
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it never came")


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see the workers")
def test_a_command_that_is_killed_goes_on_where_it_was(
    originals: Path, command: list[str], whole: Path, tmp_path: Path
) -> None:
    command = [*command, "--shard-size", "4"]
    out, shards = tmp_path / "set", tmp_path / ".set.shards"
    killed = _start(originals, out, *command)
    _wait_until(lambda: len(list(shards.glob("*.npz"))) > 1)
    workers = _children(killed.pid)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not out.exists()
    _wait_until(lambda: not any(Path(f"/proc/{worker}/exe").exists() for worker in workers))
    kept = {file: file.stat().st_ino for file in shards.glob("*.npz")}
    assert 1 < len(kept) < -(-FACES // 4)
    resumed = privatize(originals, out, *command, "--shards", "1/1")
    assert resumed == 0
    assert tree(out) == tree(whole)
    assert not shards.exists()


@pytest.mark.slow
def test_finished_shards_are_kept_and_not_made_again(originals: Path, fitted: Path, tmp_path: Path) -> None:
    command = ["--fitted", str(fitted), "--shard-size", "30"]
    assert privatize(originals, tmp_path / "set", *command, "--shards", "1/2") == 0
    shards = tmp_path / ".set.shards"
    kept = {file: file.stat().st_mtime_ns for file in shards.glob("0*")}
    assert len(kept) == 6
    assert privatize(originals, tmp_path / "set", *command, "--shards", "2/2") == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


@pytest.mark.slow
def test_ctrl_c_stops_all_processes_and_says_how_to_go_on(originals: Path, fitted: Path, tmp_path: Path) -> None:
    run = _start(originals, tmp_path / "set", "--fitted", str(fitted), "--shard-size", "2")
    _wait_until(lambda: list((tmp_path / ".set.shards").glob("*.npz")))
    asked = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert time.monotonic() - asked < 30
    assert run.returncode == 130
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "set").exists()


def test_the_same_command_again_does_nothing_and_another_one_is_refused(
    originals: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert privatize(originals, out, "--method", "noise") == 0
    before = tree(out)
    assert privatize(originals, out, "--method", "noise", "--shard-size", "9") == 0
    assert "is there already" in capsys.readouterr().out
    for more in (["--key", str(key)], ["--encoding", "jpeg"], ["--to", "folder"], ["--set", "method.kind=gaussian"]):
        assert privatize(originals, out, "--method", "noise", *more) == 2
        assert "made by another command" in capsys.readouterr().err
    assert tree(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"set", "set.key", "set.manifest.parquet"}


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_a_folder_of_people_holds_the_images_of_the_pack(originals: Path, tmp_path: Path, encoding: str) -> None:
    command = ["--method", "pixelate", "--encoding", encoding]
    assert privatize(originals, tmp_path / "pack", *command) == 0
    assert privatize(originals, tmp_path / "people", *command, "--to", "folder", "--no-links") == 0
    pack, people = RecordIO(root=tmp_path / "pack").open(), Folder(root=tmp_path / "people").open()
    assert [pack.encoded(i) for i in range(FACES)] == [people.encoded(i) for i in range(FACES)]
    assert np.array_equal(pack.labels, people.labels)
    listed = pd.read_csv(tmp_path / "people" / "metadata.csv", dtype={"file_name": str})
    assert list(listed["label"]) == people.labels.tolist()
    suffix = {"png": "png", "jpeg": "jpg"}[encoding]
    assert list(listed["file_name"][:2]) == [f"00/0.{suffix}", f"00/1.{suffix}"]
    assert all((tmp_path / "people" / name).is_file() for name in listed["file_name"])
    assert not (tmp_path / "people.manifest.parquet").exists()


@pytest.mark.slow
def test_hugging_face_loads_the_folder_as_it_is(originals: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("datasets")
    if not hasattr(hub, "load_dataset"):
        pytest.skip("the package datasets of Hugging Face is not installed")
    assert privatize(originals, tmp_path / "people", "--method", "pixelate", "--to", "folder") == 0
    script = f"""
import json, datasets
found = datasets.load_dataset("imagefolder", data_dir={str(tmp_path / "people")!r}, split="train")
image = found[7]["image"]
seen = [len(found), sorted(found.features), found["label"][:], image.size, image.mode, list(image.tobytes())]
print(json.dumps(seen))
"""
    env = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, features, labels, size, mode, pixels = json.loads(done.stdout.splitlines()[-1])
    people: Faces = Folder(root=tmp_path / "people").open()
    assert (count, features, size, mode) == (FACES, ["image", "label"], [112, 112], "RGB")
    assert labels == people.labels.tolist()
    assert pixels == people[7].image.permute(1, 2, 0).flatten().tolist()
