"""The attacker who learns on other people how a method moves faces in a recognizer's space."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from facebench.bench.attacks import alignment_maps
from facebench.bench.attacks.alignment import CHOSEN, Alignment
from facebench.bench.attacks.base import AttackError, Embeddings, Evidence, NotApplicableError
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.checks import adaptive_bounds, interval_of_chance
from facebench.bench.cli import main
from facebench.bench.splits import Shares, members, split
from facebench.datasets.base import Faces
from facebench.datasets.bin import write as write_bin
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from facebench.datasets.subset import Subset
from facebench.datasets.synthetic import Synthetic
from facebench.methods.base import Method, MethodError, Publish
from facebench.methods.noise import Noise
from facebench.methods.original import Original
from facebench.reports import record as results
from facebench.reports.intervals import wilson

CPU = torch.device("cpu")
SIDE = 16
QUICK: Any = ("procrustes", "ridge")
"""Maps that are learned at once."""


class Shuffled(Method):
    """Blocks of pixels in a secret order that is the same for every face: invertible, and unlike the original."""

    random = False

    def load(self, fitted: Path, *, device: torch.device):
        order = torch.from_numpy(np.random.default_rng(1).permutation(49))

        def shuffle(faces: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
            blocks = faces.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).reshape(len(faces), 3, 49, SIDE, SIDE)
            mixed = blocks[:, :, order].reshape(len(faces), 3, 7, 7, SIDE, SIDE)
            return mixed.permute(0, 1, 2, 4, 3, 5).reshape(faces.shape)

        return shuffle


class Own(Method):
    """Works for the released people only."""

    def publish(self, fitted: Path, originals: Faces, how: Publish):
        raise MethodError("/home/somebody/set: expected people of the release, got others")


def embed(faces: Faces) -> Embeddings:
    """A recognizer of the simplest kind: the colours of 7 x 7 blocks, less the average face's."""
    seen = torch.stack([faces[row].image for row in range(len(faces))]).float()
    blocks = torch.nn.functional.avg_pool2d(seen, SIDE).flatten(1).numpy()
    vectors = blocks - blocks.mean(axis=1, keepdims=True)
    return Embeddings(
        (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), np.asarray(faces.labels)
    )


@cache
def people() -> tuple[Faces, Faces]:
    """Faces of A and of P."""
    faces = Synthetic(people=110, images=4).open()
    return Subset(faces, np.flatnonzero(faces.labels < 70)), Subset(faces, np.flatnonzero(faces.labels >= 70))


def evidence(method: Method) -> Evidence:
    attackers, originals = people()
    how = Publish(0, CPU, np.arange(len(originals)))
    unused: Any = None
    private = original = embed(originals)
    if not isinstance(method, Own):
        private = embed(method.publish(Path(), originals, how))
    return Evidence(
        private=private,
        original=original,
        source=np.arange(len(originals)),
        seed=0,
        device=CPU,
        private_faces=unused,
        original_faces=originals,
        attacker_faces=attackers,
        generator_faces=unused,
        holdout_faces=unused,
        privatize=lambda faces: method.publish(Path(), faces, Publish(0, CPU, np.arange(len(faces)))),
        embed=embed,
    )


def leak(attack: Any, given: Evidence, out: Path) -> Any:
    out.mkdir(exist_ok=True)
    attack.run(given, out)
    return next(s for s in attack.scores(out, "it")[0] if s.measure.name == "leak@1")


def test_a_secret_order_of_blocks_fools_the_ignorant_and_not_the_aligning_attacker(tmp_path: Path) -> None:
    given = evidence(Shuffled())
    ignorant, aligned = leak(Ignorant(), given, tmp_path / "i"), leak(Alignment(), given, tmp_path / "a")
    assert ignorant.value < 0.3
    assert aligned.value > 0.9
    assert aligned.detail["trained_on_people"] == 70
    assert "of 70 people of role A" in aligned.note


@pytest.mark.parametrize("kind", ["procrustes", "ridge", "mlp"])
def test_each_kind_of_map_undoes_the_order_alone(tmp_path: Path, kind: Any) -> None:
    aligned = leak(Alignment(maps=(kind,)), evidence(Shuffled()), tmp_path)
    assert aligned.value > 0.6
    about = json.loads((tmp_path / CHOSEN).read_text())
    assert about["map"].startswith(kind)
    assert about["validation"][about["map"]] > about["validation"]["none"]


def test_where_there_is_nothing_to_learn_faces_stay_as_they_are(tmp_path: Path) -> None:
    given = evidence(Original())
    aligned = leak(Alignment(maps=QUICK), given, tmp_path / "a")
    assert aligned.value == 1
    assert json.loads((tmp_path / "a" / CHOSEN).read_text())["map"] == "none"


def test_nobody_is_found_behind_noise(tmp_path: Path) -> None:
    aligned = leak(Alignment(maps=QUICK), evidence(Noise()), tmp_path)
    low, high = interval_of_chance(aligned.chance, aligned.n)
    assert low <= aligned.value <= high


def test_equal_seeds_give_equal_maps(tmp_path: Path) -> None:
    given = evidence(Shuffled())
    ran = [leak(Alignment(maps=("mlp",)), given, tmp_path / name) for name in "ab"]
    assert ran[0] == ran[1]


def test_nobody_of_the_release_is_looked_at_before_the_map_is_learned(tmp_path: Path) -> None:
    given = evidence(Shuffled())
    worse = replace(given, private=given.private._replace(vectors=np.roll(given.private.vectors, 7, axis=0)))
    for name, each in (("a", given), ("b", worse)):
        leak(Alignment(maps=("procrustes",)), each, tmp_path / name)
    assert (tmp_path / "a" / CHOSEN).read_text() == (tmp_path / "b" / CHOSEN).read_text()


def test_of_many_faces_whole_people_are_taken(tmp_path: Path) -> None:
    aligned = leak(Alignment(maps=QUICK, faces=42), evidence(Shuffled()), tmp_path)
    assert (aligned.detail["trained_on_people"], aligned.detail["trained_on_faces"]) == (10, 40)


def test_faces_the_judge_fails_on_teach_nothing_and_are_not_found(tmp_path: Path) -> None:
    given = evidence(Shuffled())

    def blind(faces: Faces) -> Embeddings:
        seen = embed(faces)
        seen.vectors[:8] = np.nan
        return seen

    private = given.private.vectors.copy()
    private[:3] = np.nan
    half = replace(given, embed=blind, private=given.private._replace(vectors=private))
    aligned = leak(Alignment(maps=QUICK), half, tmp_path)
    assert aligned.detail["trained_on_faces"] == 70 * 4 - 8
    assert aligned.detail["failure_rate"] == pytest.approx(3 / 160)
    assert aligned.value <= 157 / 160


def test_too_few_people_to_learn_from(tmp_path: Path) -> None:
    given = evidence(Shuffled())
    few = replace(given, attacker_faces=Subset(given.attacker_faces, np.arange(12)))
    with pytest.raises(NotApplicableError, match=r"^not measured: role A has 3 people, and a map is learned from 4 at"):
        Alignment().run(few, tmp_path)
    blind = replace(given, embed=lambda faces: embed(faces)._replace(vectors=np.full((len(faces), 147), np.nan)))
    with pytest.raises(NotApplicableError, match=r"^not measured: the judge can see .* of 0 of 70 people of role A"):
        Alignment().run(blind, tmp_path)


def test_a_method_that_works_for_its_own_people_only_is_told_without_its_paths(tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError, match=r"^does not apply: the method cannot be applied to people of the att"):
        Alignment().run(evidence(Own()), tmp_path)


def test_a_row_of_zeros_has_no_direction() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1]], np.float32)
    assert np.array_equal(alignment_maps.unit(rows)[0], np.array([0.6, 0.8], np.float32))
    assert np.isnan(alignment_maps.unit(rows)[1:]).all()


def test_what_was_kept_and_damaged_is_told(tmp_path: Path) -> None:
    leak(Alignment(maps=QUICK), evidence(Original()), tmp_path)
    (tmp_path / CHOSEN).write_text('{"map": "none"}')
    with pytest.raises(AttackError, match="run with --force attack"):
        Alignment().scores(tmp_path, "it")


@pytest.mark.parametrize(
    ("method", "ignorant", "aligned", "passed"),
    [
        ("masking", 0.50, 0.48, True),
        ("masking", 0.50, 0.40, False),
        ("masking", 0.10, 0.90, True),
        ("original", 1.00, 0.96, True),
        ("original", 1.00, 0.94, False),
    ],
)
def test_an_attacker_who_knows_more_and_finds_less_is_broken(method, ignorant, aligned, passed) -> None:
    measure = results.Measure(name="leak@1", side="privacy", better="lower", says="found")
    given = [
        results.Score(measure=measure, on=on, value=value, n=1000, intervals=(wilson(round(1000 * value), 1000),))
        for on, value in (("ignorant", ignorant), ("alignment", aligned))
    ]
    (check,) = adaptive_bounds(method, given, ["alignment"])
    assert check.passed is passed
    assert check.guards == "privacy"
    assert adaptive_bounds(method, given[1:], ["alignment"]) == []


RECIPE = """
recognizer: {architecture: small, dim: 32, steps: 3, batch: 16}
judge: {architecture: small, dim: 32, steps: 3, batch: 16}
attacks: [ignorant, alignment]
"""


def test_a_record_says_which_attack_turned_out_not_to_apply(tmp_path: Path) -> None:
    faces = Synthetic(people=40, images=3).open()
    pack = tmp_path / "pack"
    pack.mkdir()
    with RecordIOWriter(pack, 40) as writer:
        for row, label in enumerate(faces.labels.tolist()):
            writer.add(faces.encoded(row), label)
    write_bin(pack / "lfw.bin", [faces.encoded(row) for row in range(40)], [row % 2 == 0 for row in range(20)])
    opened = RecordIO(root=pack).open()
    released = members(opened.labels, split(opened.labels, opened.names, Shares(), min_images=2, seed=0)["P"])
    pd.DataFrame({"private": released, "source": released}).to_csv(tmp_path / "manifest.csv", index=False)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    run = ["run", "--dataset", pack, "--recipe", tmp_path / "tiny.yaml", "--store", tmp_path / "runs", "--method"]
    run += ["external", "--set", f"method.path={pack}", f"method.manifest={tmp_path / 'manifest.csv'}"]
    for _ in range(2):  # known from the store the second time
        assert main([str(arg) for arg in [*run, "--tracking-uri", "none", "-q"]]) in (0, 1)
        (path,) = (tmp_path / "runs" / "records").glob("*.json")
        record = results.read(path)
        assert record.attackers == ("ignorant",)
        assert record.not_run["alignment"].startswith("does not apply: the method cannot be applied to people")
        assert not [s for s in record.scores if s.on == "alignment"]
