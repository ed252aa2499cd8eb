"""The attacker who learns on other people how a method moves faces in a recognizer's space."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attacked import Shuffled, both_ways, embed, evidence, leak, roles
from facebench.bench.attacks.adaptive import maps
from facebench.bench.attacks.adaptive.selection import CHOSEN
from facebench.bench.attacks.alignment import Alignment
from facebench.bench.attacks.base import AttackError, Embeddings, NotApplicableError
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.cli.main import main
from facebench.bench.experiment.sanity import adaptive_bounds, interval_of_chance
from facebench.bench.plan.attacks import known
from facebench.bench.plan.roles import Shares, members, split
from facebench.datasets.base import Faces
from facebench.datasets.bin import write as write_bin
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.subset import Subset
from facebench.methods.noise import Noise
from facebench.methods.original import Original
from facebench.reports.board.leaderboard import board
from facebench.reports.board.marks import OTHER_PHOTO
from facebench.reports.result import record as results
from facebench.reports.statistics.intervals import wilson

QUICK: Any = ("procrustes", "ridge")
"""Maps that are learned at once."""


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
    about = json.loads((tmp_path / CHOSEN).read_text())["with_photo"]
    assert about["way"].startswith(kind)
    assert about["validation"][about["way"]] > about["validation"]["none"]


def test_where_there_is_nothing_to_learn_faces_stay_as_they_are(tmp_path: Path) -> None:
    given = evidence(Original())
    aligned = leak(Alignment(maps=QUICK), given, tmp_path / "a")
    assert aligned.value == 1
    assert json.loads((tmp_path / "a" / CHOSEN).read_text())["with_photo"]["way"] == "none"


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


def test_faces_the_judge_fails_on_teach_nothing_and_are_not_found(tmp_path: Path) -> None:
    def blind(faces: Faces) -> Embeddings:
        seen = embed(faces)
        seen.vectors[:8] = np.nan
        return seen

    given = evidence(Shuffled())
    private = given.private.vectors.copy()
    private[:3] = np.nan
    half = replace(
        given,
        private=given.private._replace(vectors=private),
        attacker=lambda: both_ways(Shuffled(), roles()["A"], blind),
    )
    aligned = leak(Alignment(maps=QUICK), half, tmp_path)
    assert aligned.detail["trained_on_faces"] == 70 * 4 - 8
    assert aligned.detail["failure_rate"] == pytest.approx(3 / 160)
    assert aligned.value <= 157 / 160


def test_too_few_people_to_learn_from(tmp_path: Path) -> None:
    few = Subset(roles()["A"], np.arange(12))
    with pytest.raises(
        NotApplicableError, match=r"^not measured: the judge can see .* of 3 of 3 people of role A, and 4"
    ):
        Alignment().run(evidence(Shuffled(), attacker=lambda: both_ways(Shuffled(), few)), tmp_path)

    def blind(faces: Faces) -> Embeddings:
        return embed(faces)._replace(vectors=np.full((len(faces), 147), np.nan, np.float32))

    unseen = evidence(Shuffled(), attacker=lambda: both_ways(Shuffled(), roles()["A"], blind))
    with pytest.raises(NotApplicableError, match=r"^not measured: the judge can see .* of 0 of 70 people of role A"):
        Alignment().run(unseen, tmp_path)


def test_a_row_of_zeros_has_no_direction() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1]], np.float32)
    assert np.array_equal(maps.unit(rows)[0], np.array([0.6, 0.8], np.float32))
    assert np.isnan(maps.unit(rows)[1:]).all()


def test_what_was_kept_and_damaged_is_told(tmp_path: Path) -> None:
    leak(Alignment(maps=QUICK), evidence(Original()), tmp_path)
    (tmp_path / CHOSEN).write_text('{"map": "none"}')
    with pytest.raises(AttackError, match="run with --force attack"):
        Alignment().scores(tmp_path, "it")


@pytest.mark.parametrize(("against", "asked"), [("ignorant", "leak@1"), ("other_image", OTHER_PHOTO)])
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
def test_an_attacker_who_knows_more_and_finds_less_is_broken(
    against: str, asked: str, method: str, ignorant: float, aligned: float, *, passed: bool
) -> None:
    def measure(name: str) -> results.Measure:
        return results.Measure(name=name, side="privacy", better="lower", says="found")

    given = [
        results.Score(measure=measure(name), on=on, value=value, n=1000, intervals=(wilson(round(1000 * value), 1000),))
        for on, name, value in ((against, "leak@1", ignorant), ("alignment", asked, aligned))
    ]
    (check,) = adaptive_bounds(method, given, known({}))
    assert check.passed is passed
    assert (check.name, check.guards) == (f"alignment against {against}", "privacy")
    assert adaptive_bounds(method, given[1:], known({})) == []


RECIPE = """
recognizer: {architecture: small, dim: 32, steps: 3, batch: 16}
judge: {architecture: small, dim: 32, steps: 3, batch: 16}
attacks: [ignorant, alignment]
"""


def test_a_set_that_lacks_faces_of_the_attackers_people_has_not_withstood_who_learns(tmp_path: Path) -> None:
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
        assert record.not_run["alignment"].startswith("not measured: the method made its private faces once")
        assert not [s for s in record.scores if s.on == "alignment"]
        (shown,) = board([record])[0].rows
        assert "incomplete" in shown.marks
        assert not shown.front
