"""Folders of people, lists of pairs, tables and manifests: whatever is wrong with one, no message holds a name."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from facebench.bench.plan.overlap import shared
from facebench.bench.subgroups.assignment import Tables, groupings
from facebench.bench.subgroups.table import GroupError
from facebench.datasets import bin as bins
from facebench.datasets import pairs
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.catalog import cards
from facebench.datasets.files.codec import encode
from facebench.datasets.folder import Folder
from facebench.datasets.pairs import PairsTxt
from facebench.methods.base import MethodError, Publish
from facebench.methods.external import External
from facebench.methods.parts import external_manifest
from mutate import WORDS, campaign, damaged, retold
from pyarrow import csv as arrow_csv
from pyarrow import parquet

PEOPLE = ("Ada_Lovelace", "Blaise_Pascal", "Čapek_Karel")
SECRETS = ("Lovelace", "Pascal", "apek", "Ada", "Blaise", "Karel", "secret_group")


def face(number: int) -> bytes:
    rng = np.random.default_rng(number)
    column = torch.from_numpy(rng.integers(0, 256, (3, 112, 1), dtype=np.uint8))
    image: bytes = encode(column.expand(3, 112, 112).contiguous())
    return image


FACES = [face(number) for number in range(6)]


def people(root: Path) -> Path:
    for person, name in enumerate(PEOPLE):
        (root / name).mkdir(parents=True)
        for number in range(2):
            (root / name / f"{name}_{number + 1:04d}.png").write_bytes(FACES[2 * person + number])
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return people(tmp_path / "data")


def fault(root: Path, rng: random.Random) -> None:
    """One thing is wrong in a folder of people."""
    person = root / rng.choice(PEOPLE)
    image = person / f"{person.name}_{rng.choice((1, 2)):04d}.png"
    other = rng.choice((person / f"{person.name}_0003.jpg", root / f"{person.name}2", person / f"{person.name}.tiff"))
    deeds: tuple[Callable[[], Any], ...] = (
        lambda: shutil.rmtree(person),
        image.unlink,
        lambda: image.write_bytes(damaged(rng.choice(FACES), rng, FACES)),
        lambda: image.write_bytes(b""),
        lambda: other.symlink_to(other.name),
        lambda: other.symlink_to("/etc"),
        lambda: other.symlink_to(f"../{other.name}/x"),
        lambda: other.symlink_to("/nowhere/Ada_Lovelace"),
        other.mkdir,
        lambda: os.mkfifo(other),
        lambda: (person / f"{person.name}_{rng.choice(WORDS[5:9]).replace('/', '_')}.png").write_bytes(FACES[0]),
        lambda: Path(os.fsdecode(os.fsencode(person) + b"/\xff\xfe.png")).write_bytes(FACES[0]),
        (root / f"{person.name}\n").mkdir,
        (root / "C\u030capek_Karel").mkdir,
        lambda: (root / "lfw.bin").write_bytes(b"x"),
        lambda: (root / f"{person.name} x.bin").write_bytes(b"x"),
        lambda: (root / "train.rec").write_bytes(b"x"),
        lambda: person.rename(root / f".{person.name}"),
        lambda: image.rename(person / "x") if image.exists() else None,
        lambda: (root / "faces.sums").write_bytes(damaged(b'{"sums":1}', rng)),
    )
    rng.choice(deeds)()


def test_folders(tmp_path: Path) -> None:
    good = people(tmp_path / "good")
    expected = [Folder(root=good).open().encoded(n) for n in range(6)]
    root = tmp_path / "data"

    def make(rng: random.Random) -> random.Random:
        return rng

    def read(rng: random.Random) -> bool:
        shutil.rmtree(root, ignore_errors=True)
        people(root)
        for _ in range(rng.choice((1, 1, 2))):
            try:
                fault(root, rng)
            except OSError:  # two faults do not go together
                continue
        found = cards.resolve(str(root), tmp_path)
        faces = found.source.open()
        found.source.fingerprint()
        for number in range(len(faces)):
            faces[number]
        for source in found.pairs.values():
            source.open()
        return [faces.encoded(number) for number in range(len(faces))] == expected

    campaign("folder", make, read, DataError, secrets=SECRETS)


def listed(root: Path) -> str:
    lines = ["1\t3"]
    lines += [f"{name}\t1\t2" for name in PEOPLE]
    lines += [f"{PEOPLE[n]}\t1\t{PEOPLE[(n + 1) % 3]}\t2" for n in range(3)]
    return "\n".join(lines) + "\n"


def test_lists_of_pairs(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    good = listed(root)
    path.write_text(good, encoding="utf-8")
    expected = pairs.read(path)

    def make(rng: random.Random) -> bytes:
        return damaged(good.encode(), rng) if rng.random() < 0.3 else retold(good, rng).encode("utf-8", "replace")

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        PairsTxt(root=root, path=path).open()
        return pairs.read(path) == expected

    campaign("list of pairs", make, read, DataError, secrets=SECRETS)


def as_parquet(text: str, path: Path) -> bytes:
    """A text of columns as Parquet; names of columns are those of its first line."""
    lines = [line.split(",") for line in text.strip("\n").split("\n")]
    width = len(lines[0])
    rows = [(*line, *[""] * width)[:width] for line in lines[1:]]
    table = pa.table([pa.array(column) for column in zip(*rows, strict=True)] or [pa.array([])] * width, lines[0])
    parquet.write_table(table, path)
    return path.read_bytes()


GOOD_TABLE = "identity,group,age\n" + "\n".join(f"{name},secret_group{n},{n}" for n, name in enumerate(PEOPLE)) + "\n"
BY_IMAGE = "image,group\n" + "\n".join(f"{name}/{name}_000{n}.png,{n}" for name in PEOPLE for n in (1, 2)) + "\n"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_of_groups(form: str, root: Path, tmp_path: Path) -> None:
    faces = Folder(root=root).open()
    bins.write(tmp_path / "lfw.bin", FACES[:4], [True, False])
    sets = {"lfw": Bin(path=tmp_path / "lfw.bin")}
    path = tmp_path / "groups"
    tables = (GOOD_TABLE, BY_IMAGE, GOOD_TABLE.partition("\n")[2], "pair,group\n0,secret_group\n1,x\n")

    def make(rng: random.Random) -> tuple[bytes, bool]:
        text = rng.choice(tables)
        about_pairs = text.startswith("pair") or rng.random() < 0.1
        text = retold(text, rng) if rng.random() < 0.8 else text
        if form == "parquet":
            try:
                data = as_parquet(text, tmp_path / "made.parquet")
            except (pa.ArrowException, ValueError):
                data = as_parquet(rng.choice(tables), tmp_path / "made.parquet")
            return damaged(data, rng) if rng.random() < 0.5 else data, about_pairs
        data = text.encode("utf-8", "replace")
        return damaged(data, rng) if rng.random() < 0.2 else data, about_pairs

    def read(given: tuple[bytes, bool]) -> bool:
        path.write_bytes(given[0])
        wanted = Tables(pairs={"lfw": path}) if given[1] else Tables(table=path, columns=("group",))
        found = groupings(wanted, faces, dict(sets))
        return found.faces is not None and found.faces.columns[0].groups == ("secret_group0", "secret_group1")

    campaign(f"table, {form}", make, read, GroupError, secrets=SECRETS)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_manifests(form: str, root: Path, tmp_path: Path) -> None:
    originals = Folder(root=root).open()
    private = people(tmp_path / "private")
    names = [f"{name}/{name}_000{n}.png" for name in PEOPLE for n in (1, 2)]
    good = "private,source\n" + "\n".join(f"{name},{name}" for name in names) + "\n"
    path = tmp_path / "manifest"
    how = Publish(bytes(32), torch.device("cpu"), np.arange(6))

    def make(rng: random.Random) -> bytes:
        text = retold(good, rng)
        if form == "parquet":
            try:
                data = as_parquet(text, tmp_path / "made.parquet")
            except (pa.ArrowException, ValueError):
                data = as_parquet(good, tmp_path / "made.parquet")
            return damaged(data, rng) if rng.random() < 0.5 else data
        data = text.encode("utf-8", "replace")
        return damaged(data, rng) if rng.random() < 0.2 else data

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        made = External(path=private, manifest=path).publish(tmp_path, originals, how)
        assert made.source is not None
        links = list(enumerate(made.source.tolist()))
        assert 2 * len(links) >= 6
        return all(made.encoded(n) == originals.encoded(original) for n, original in links)

    campaign(f"manifest, {form}", make, read, (MethodError, DataError), secrets=SECRETS)


def test_lists_of_people(root: Path, tmp_path: Path) -> None:
    source, path = Folder(root=root), tmp_path / "people.txt"
    good = "".join(f"{name}\t{n}\n" for n, name in enumerate(PEOPLE))

    def make(rng: random.Random) -> bytes:
        return damaged(good.encode(), rng) if rng.random() < 0.5 else retold(good, rng).encode("utf-8", "replace")

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        (found,) = shared({"lfw": path}, ["lfw"], source, source.open().names, [0])
        assert not any(secret in str(found) for secret in SECRETS)
        return found.shared == 3

    campaign("list of people", make, read, DataError, secrets=SECRETS, least=0)


@pytest.mark.parametrize("name", ["Ada_Lovelace_0003.png", "Ada_Lovelace"])
def test_a_link_to_itself_is_refused_without_its_name(name: str, root: Path) -> None:
    place = root / "Ada_Lovelace" if name.endswith(".png") else root / "Zoe"
    place.mkdir(exist_ok=True)
    (place / name).symlink_to(name)
    with pytest.raises(DataError) as caught:
        Folder(root=root).open()
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_a_verification_set_of_an_impossible_name_is_told_by_its_place(root: Path) -> None:
    (root / "Ada Lovelace.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"file 0 of those named \*\.bin"):
        cards.resolve(str(root), root)


@pytest.mark.parametrize(
    "table",
    ["pair,group\nAda_Lovelace,x\n", "pair,Ada,Ada\n0,1,2\n", "pair,Ada\n0,\n", "pair\nAda\n",
     "pair,g\n0,Ada\n\"x\"y,Ada\n", "pair,Ada\n0," + "x" * 200 + "\n", "Ada;Lovelace\n", "Ada,Lovelace\n"],
)  # fmt: skip
def test_no_cell_of_a_table_is_told(table: str, root: Path, tmp_path: Path) -> None:
    bins.write(tmp_path / "lfw.bin", FACES[:4], [True, False])
    (tmp_path / "groups.csv").write_text(table)
    given = Tables(pairs={"lfw": tmp_path / "groups.csv"})
    with pytest.raises(GroupError) as caught:
        groupings(given, Folder(root=root).open(), {"lfw": Bin(path=tmp_path / "lfw.bin")})
    assert not any(secret in str(caught.value) for secret in SECRETS)
    with pytest.raises(GroupError, match="no table has the column 'c'") as caught:
        (tmp_path / "groups.csv").write_text("pair,Ada,b\n0,Lovelace,x\n")
        given = Tables(pairs={"lfw": tmp_path / "groups.csv"}, columns=("b", "c"))
        groupings(given, Folder(root=root).open(), {"lfw": Bin(path=tmp_path / "lfw.bin")})
    assert "Ada" not in str(caught.value)


def test_a_manifest_is_read_as_arrow_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("private,source\na.png,b.png\n", encoding="utf-8")
    assert arrow_csv.read_csv(path)["source"].to_pylist() == external_manifest.read(path).source.to_pylist()  # type: ignore[union-attr]
