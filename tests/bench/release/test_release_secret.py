"""What undid releases whose seed was public undoes none of a secret key, and the key is in no file that leaves."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from facebench.bench.cli.main import main
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import Synthetic
from facebench.facemae.patches import random_mask
from facebench.facemae.runtime.randomness import key_of_seed
from facebench.methods.base import Publish
from facebench.methods.dppix import DPPix
from facebench.methods.masking import Masking
from scipy.stats import poisson
from undone import (
    PublicDPPix,
    PublicMasking,
    masks_of,
    places_by_mask,
    places_by_noise,
    public_laplace,
    public_seeds,
    stacked,
)

CPU = torch.device("cpu")
TINY = """
recognizer: {architecture: small, dim: 32, steps: 4, batch: 16}
judge: {architecture: small, dim: 32, steps: 4, batch: 16}
attacks: [ignorant, replay]
"""
PEOPLE, IMAGES = 60, 5
FACES = PEOPLE * IMAGES


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("originals")
    made = Synthetic(people=PEOPLE, images=IMAGES).open()
    for index, label in enumerate(made.labels.tolist()):
        (root / f"{label:03}").mkdir(exist_ok=True)
        (root / f"{label:03}" / f"{index % IMAGES}.png").write_bytes(made.encoded(index))
    return root


def privatize(originals: Path, out: Path, *more: str) -> int:
    return main(["privatize", str(originals), str(out), "-q", "--device", "cpu", "--workers", "1", *more])


def released(out: Path) -> tuple[torch.Tensor, np.ndarray]:
    """Private faces as published, and the place of each original, which no attacker has."""
    links = pd.read_parquet(out.with_name(f"{out.name}.manifest.parquet"))
    return stacked(RecordIO(root=out).open()), links["source_index"].to_numpy()


def test_masks_of_a_public_seed_name_the_photo_and_secret_ones_do_not(originals: Path, tmp_path: Path) -> None:
    places = np.arange(FACES)
    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    old = stacked(PublicMasking().publish(Path(), faces, Publish(bytes(32), CPU, places)))
    masks = masks_of(public_seeds(places, 5))
    assert (places_by_mask(old, masks) == places).mean() > 0.99
    assert privatize(originals, tmp_path / "set", "--method", "masking") == 0
    images, source = released(tmp_path / "set")
    for seed in (0, 5):
        hits = int((places_by_mask(images, masks_of(public_seeds(places, seed))) == source).sum())
        assert hits <= poisson.ppf(0.9999, 1)
    guess = Publish(key_of_seed(0, "release"), CPU, places)  # a benchmark's key makes no release
    own = guess.own_keys(stacked(faces), places)
    hidden = random_mask(own, 49, 0.75).hidden
    assert int((places_by_mask(images, hidden) == source).sum()) <= poisson.ppf(0.9999, 1)


def test_noise_of_a_public_seed_is_taken_away_and_secret_noise_is_not(originals: Path, tmp_path: Path) -> None:
    method, places = DPPix(), np.arange(FACES)
    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    old = stacked(PublicDPPix().publish(Path(), faces, Publish(bytes(32), CPU, places)))
    noise = public_laplace(public_seeds(places, 5), 147)
    assert (places_by_noise(old, method, noise) == places).mean() > 0.99
    means = stacked(faces).reshape(-1, 3, 7, 16, 7, 16).double().mean((3, 5)).flatten(1)
    kept = old[:, :, ::16, ::16].flatten(1).double()
    inside = (kept > 0) & (kept < 255)
    assert (kept - method.scale * noise - means)[inside].abs().mean() < 0.3  # of 95 levels of noise nothing is left
    assert privatize(originals, tmp_path / "set", "--method", "dppix") == 0
    images, source = released(tmp_path / "set")
    for seed in (0, 5):
        hits = int((places_by_noise(images, method, public_laplace(public_seeds(places, seed), 147)) == source).sum())
        assert hits <= poisson.ppf(0.9999, 1)


def test_two_releases_of_one_dataset_share_no_randomness(originals: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert privatize(originals, tmp_path / name, "--method", "noise") == 0
    one, other = (set(pd.read_parquet(tmp_path / name / "manifest.parquet")["sha256"]) for name in ("one", "other"))
    assert len(one) == FACES  # equal noise nowhere
    assert not one & other


def test_one_key_for_two_methods_is_as_two_keys(originals: Path, tmp_path: Path) -> None:
    """Else equal noise at two values of epsilon would give the means away."""
    key = tmp_path / "own.key"
    key.write_text(bytes(range(90, 122)).hex())
    key.chmod(0o600)
    found = []
    for name, more in (("one", "method.kind=uniform"), ("again", "method.kind=uniform"), ("other", "method.patch=8")):
        method = ("noise",) if "kind" in more else ("masking", "--set", "method.fill=noise")
        command = ("--method", *method, "--set", more, "--key", str(key))
        assert privatize(originals, tmp_path / name, *command) == 0
        images, source = released(tmp_path / name)
        found.append(images[np.argsort(source)])
    assert torch.equal(found[0], found[1])
    assert (found[0] == found[2]).double().mean() < 2 / 256


def test_the_key_is_beside_the_release_for_its_owner_alone_and_in_nothing_that_leaves(
    originals: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o022)
    try:
        assert privatize(originals, tmp_path / "set", "--method", "masking", "--to", "folder") == 0
    finally:
        os.umask(before)
    key = tmp_path / "set.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = bytes.fromhex(key.read_text())
    assert len(secret) == 32
    said = capfd.readouterr()
    told = [said.out.encode() + said.err.encode()]
    told += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != key]
    assert len(told) > FACES
    assert not any(spelled in content for content in told for spelled in spellings(secret))
    assert "set.key is the secret of its randomness" in said.out


def spellings(secret: bytes) -> list[bytes]:
    """How a key may stand in a file: as it is, in hex, in base64, as a list of numbers."""
    texts = [secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode().rstrip("="), str(list(secret))]
    return [secret, *(text.encode() for text in texts)]


def test_no_record_log_or_tracker_of_a_run_that_measures_a_release_holds_its_key(
    originals: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The release is made, and then measured as its own tool's output, in the same folder and with all logs."""
    caplog.set_level(logging.DEBUG)
    shutil.copytree(originals, tmp_path / "faces")
    images = [path.read_bytes() for path in sorted(originals.rglob("*.png"))]
    pairs = [image for n in range(40) for image in (images[n], images[n + 1 if n % 2 else n - 2])]
    (tmp_path / "faces" / "lfw.bin").write_bytes(pickle.dumps((pairs, [n % 2 == 1 for n in range(40)])))
    assert privatize(tmp_path / "faces", tmp_path / "set", "--method", "masking") == 0
    key = tmp_path / "set.key"
    secret = bytes.fromhex(key.read_text())
    links = pd.read_parquet(tmp_path / "set.manifest.parquet")
    links = links.rename(columns={"private_index": "private", "source_index": "source"})
    links[["private", "source"]].to_csv(tmp_path / "links.csv", index=False)
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = ["run", "--recipe", str(tmp_path / "tiny.yaml"), "--dataset", str(tmp_path / "faces"), "--device", "cpu",
               "--method", "external", "--protocol", "in-sample", "--set", f"method.path={tmp_path / 'set'}",
               f"method.manifest={tmp_path / 'links.csv'}"]  # fmt: skip
    tracked = ["--store", str(tmp_path / "runs"), "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    assert main([*command, *tracked, "--with-faces"]) in (0, 1)  # so small a judge may miss its bound
    said = capfd.readouterr()
    told = {"terminal": (said.out + said.err).encode(), "log": caplog.text.encode()}
    told |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != key}
    assert any("records" in name for name in told)
    assert any(name.endswith("mlflow.db") for name in told)
    assert any(name.endswith(".json") and str(tmp_path / "runs") not in name for name in told)  # MLflow's artifacts
    assert not [name for name, content in told.items() for spelled in spellings(secret) if spelled in content]
    told["planted"] = b"key: " + secret.hex().encode()  # else nothing would be found whatever there is
    assert [name for name, content in told.items() for spelled in spellings(secret) if spelled in content] == [
        "planted"
    ]


def test_no_links_keeps_no_key_either(originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert privatize(originals, tmp_path / "set", "--method", "masking", "--no-links") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"set"}
    assert "the secret key of its randomness was deleted here" in capsys.readouterr().out
    assert privatize(originals, tmp_path / "set", "--method", "masking", "--no-links") == 2
    assert "its secret key (set.key) is not" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "mode", "says"), [
    (bytes(range(32)).hex(), 0o644, "that only you can read, got mode 0644"),
    ("5a" * 31, 0o600, "expected a release's key, 64 hexadecimal digits"),
    ("", 0o600, "expected a release's key, 64 hexadecimal digits"),
    ("5a" * 32, 0o600, "expected 32 random bytes, got a pattern"),
])  # fmt: skip
def test_a_key_that_others_can_read_or_that_is_none_is_refused(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, mode: int, says: str
) -> None:
    key = tmp_path / "own.key"
    key.write_text(content)
    key.chmod(mode)
    assert privatize(originals, tmp_path / "set", "--method", "noise", "--key", str(key)) == 2
    said: Any = capsys.readouterr().err
    assert says in said
    assert "5a5a" not in said
    assert not (tmp_path / "set").exists()


def test_equal_private_faces_stand_in_an_order_of_the_key_and_not_of_the_originals(tmp_path: Path) -> None:
    """In the originals' order k equal faces would name all k people behind them, whom k-Same hides among each other."""
    made = Synthetic(people=40, images=1).open()
    for person in range(40):
        (tmp_path / "set" / f"{person:03}").mkdir(parents=True)
        (tmp_path / "set" / f"{person:03}" / "1.png").write_bytes(made.encoded(person))
    for name in ("one", "other"):
        assert privatize(tmp_path / "set", tmp_path / name, "--method", "ksame", "--set", "method.k=5") == 0
    ascending, tables = 0, []
    for name in ("one", "other"):
        links = pd.read_parquet(tmp_path / f"{name}.manifest.parquet")
        groups = [list(group["source_index"]) for _, group in links.groupby("sha256")]
        assert min(map(len, groups)) >= 5
        ascending += sum(group == sorted(group) for group in groups)
        tables.append(list(links["source_index"]))
    assert ascending <= 2  # one in 120 by chance
    assert tables[0] != tables[1]


def test_what_draws_nothing_is_told_as_such_whatever_the_method_is(originals: Path, tmp_path: Path) -> None:
    assert privatize(originals, tmp_path / "set", "--method", "masking", "--set", "method.region=eyes") == 0
    card = (tmp_path / "set" / "README.md").read_text()
    assert "| randomness | none: equal photos give equal private faces |" in card
    assert Masking(region="eyes", fill="noise").draws
    assert not Masking(region="eyes").draws
    assert Masking().draws


def test_a_key_of_ones_own_is_the_only_one_that_is_told_of(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert privatize(originals, tmp_path / "set", "--method", "noise", "--shards", "1/2") == 0
    assert (tmp_path / ".set.shards").stat().st_mode & 0o777 == 0o700
    for left in (tmp_path / ".set.shards").iterdir():
        if left.name != "release.key":
            left.unlink()
    own = tmp_path / "own.key"
    own.write_text(bytes(range(32)).hex())
    own.chmod(0o600)
    capsys.readouterr()
    assert privatize(originals, tmp_path / "set", "--method", "noise", "--key", str(own)) == 0
    assert "set.key" not in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"set", "set.manifest.parquet", "own.key"}


def test_one_key_gives_equal_faces_in_every_layout_and_encoding(originals: Path, tmp_path: Path) -> None:
    """Two masks of one photo would show twice as much of it."""
    own = tmp_path / "own.key"
    own.write_text(bytes(range(32)).hex())
    own.chmod(0o600)
    for name, more in (("pack", ()), ("people", ("--to", "folder")), ("jpeg", ("--encoding", "jpeg"))):
        assert privatize(originals, tmp_path / name, "--method", "masking", "--key", str(own), *more) == 0
    seen = {name: released(tmp_path / name) for name in ("pack", "jpeg")}
    pack, jpeg = (images[np.argsort(source)].int() for images, source in seen.values())
    assert ((pack == 0).all(1) & (jpeg > 40).any(1)).float().mean() < 0.01  # what one hides the other hides, too
    one, other = (pd.read_parquet(tmp_path / name / "manifest.parquet")["sha256"] for name in ("pack", "people"))
    assert list(one) == list(other)


def test_equal_photos_are_not_equal_in_a_release(tmp_path: Path) -> None:
    """Else the release would tell who was in the originals twice."""
    face = Synthetic(people=2, images=1).open().encoded(0)
    for person in ("a", "b"):
        (tmp_path / "twins" / person).mkdir(parents=True)
        (tmp_path / "twins" / person / "1.png").write_bytes(face)
    assert privatize(tmp_path / "twins", tmp_path / "set", "--method", "masking") == 0
    one, other = stacked(RecordIO(root=tmp_path / "set").open())
    assert not torch.equal(one, other)


def test_what_a_benchmark_made_says_that_it_is_not_for_publication(tmp_path: Path) -> None:
    from facebench.methods.parts.private_pack import release
    from pyarrow import parquet

    faces = Synthetic(people=2, images=2).open()
    tmp_path.joinpath("out").mkdir()
    key = key_of_seed(0, "release")
    release(Masking(), "masking", {}, Path(), faces, np.arange(4), tmp_path / "out", key=key, device=CPU)
    notes = parquet.read_schema(tmp_path / "out" / "manifest.parquet").metadata
    assert b"not for publication" in notes[b"facebench_repeatable"]


@pytest.mark.parametrize("to", ["folder", "recordio"])
def test_times_names_and_order_of_what_is_published_tell_no_photo(originals: Path, tmp_path: Path, to: str) -> None:
    """By chance one face in all stands where its original does, whatever the order."""
    assert privatize(originals, tmp_path / "set", "--method", "noise", "--to", to) == 0
    listed = pd.read_parquet(tmp_path / "set" / "manifest.parquet")
    links = pd.read_parquet(tmp_path / "set.manifest.parquet")
    source = dict(zip(links["sha256"], links["source_index"], strict=True))
    orders = {"manifest": list(listed["sha256"]), "digest": sorted(listed["sha256"])}
    for column in listed.columns:
        orders[column] = list(listed.sort_values(column, kind="stable")["sha256"])
    if to == "folder":
        images = [path for path in (tmp_path / "set").rglob("*.png")]
        digest = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in images}
        orders["times"] = [digest[path] for path in sorted(images, key=lambda path: path.stat().st_mtime_ns)]
        orders["names"] = [digest[path] for path in sorted(images)]
        orders["inodes"] = [digest[path] for path in sorted(images, key=lambda path: path.stat().st_ino)]
    for name, order in orders.items():
        assert len(order) == FACES
        hits = sum(source[digest] == place for place, digest in enumerate(order))
        assert hits <= poisson.ppf(0.9999, 1), name
