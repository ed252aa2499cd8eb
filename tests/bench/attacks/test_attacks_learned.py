"""Attackers who train something: that they find whom the ignorant one does not, and nobody where there is nobody."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked import CPU, Inverted, Shuffled, embed, evidence, leak, roles, scores
from facebench.bench.attacks.adaptive.selection import CHOSEN  # fmt: skip
from facebench.bench.attacks.base import AttackError, Embed, Embeddings, NotApplicableError
from facebench.bench.attacks.distillation import Distillation
from facebench.bench.attacks.ensemble import Ensemble
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.linkage import Linkage
from facebench.bench.attacks.membership import Membership
from facebench.bench.attacks.other_image import OtherImage
from facebench.bench.attacks.parrot import Parrot
from facebench.bench.attacks.restore import PICTURE, Restore
from facebench.bench.biometrics.embeddings import embed_all
from facebench.bench.experiment.sanity import bounds, interval_of_chance
from facebench.bench.recognition.judge import network_embed
from facebench.bench.recognition.recognizer import WEIGHTS, Recognizer, train
from facebench.datasets.base import Faces, silent
from facebench.datasets.views.subset import Nobody
from facebench.methods.base import Method
from facebench.methods.noise import Noise
from facebench.methods.original import Original

HOW = Recognizer(architecture="small", dim=32, steps=6, batch=16, lr=0.05)
ATTACKS: dict[str, Any] = {
    "parrot": Parrot(),
    "distillation": Distillation(steps=200, batch=32, lr=4e-3),
    "restore": Restore(steps=60, batch=16, width=16, lr=5e-3),
}
BRIEF: dict[str, Any] = {
    "parrot": Parrot(),
    "distillation": Distillation(steps=4, batch=16),
    "restore": Restore(steps=3, batch=8, width=8),
}
"""Where there is nothing to learn, more steps find no more."""


WEAK: dict[str, Method] = {"parrot": Shuffled(), "distillation": Shuffled(), "restore": Inverted()}


def learn(faces: Faces, progress: Any = silent) -> Embed:
    """Train a recognizer as a run does, of the smallest size."""
    with tempfile.TemporaryDirectory() as folder:
        train(faces, Path(folder), HOW, seed=0, device=CPU, progress=progress)
        return partial(embed_all, network_embed(Path(folder) / WEIGHTS, device=CPU))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_weak_method_fools_the_ignorant_attacker_and_not_one_who_learns(name: str, tmp_path: Path) -> None:
    given = evidence(WEAK[name], learn=learn)
    ignorant, learned = leak(Ignorant(), given, tmp_path / "i"), leak(ATTACKS[name], given, tmp_path / "a")
    assert ignorant.value < 0.3
    assert learned.value > ignorant.value + 0.3
    assert learned.detail["trained_on_people"] == 49
    assert "of 49 people of role A" in learned.note
    for chosen in ("with_photo", "other_photos"):
        about = json.loads((tmp_path / "a" / CHOSEN).read_text())[chosen]
        assert about["reciprocal_rank"][about["way"]] == max(about["reciprocal_rank"].values())
        assert about["validation"][about["way"]] > about["validation"]["none"]


@pytest.mark.parametrize("name", BRIEF)
def test_nobody_is_found_behind_noise_and_everybody_behind_originals(name: str, tmp_path: Path) -> None:
    behind = leak(BRIEF[name], evidence(Noise(), learn=learn), tmp_path / "n")
    low, high = interval_of_chance(behind.chance, behind.n)
    assert low <= behind.value <= high
    assert leak(BRIEF[name], evidence(Original(), learn=learn), tmp_path / "o").value >= 0.95
    assert json.loads((tmp_path / "o" / CHOSEN).read_text())["with_photo"]["way"] == "none"  # nothing to be gained


@pytest.mark.parametrize("name", BRIEF)
def test_equal_seeds_give_equal_scores(name: str, tmp_path: Path) -> None:
    given = evidence(Inverted(), learn=learn)
    assert scores(BRIEF[name], given, tmp_path / "a") == scores(BRIEF[name], given, tmp_path / "b")


@pytest.mark.parametrize("name", BRIEF)
def test_nobody_of_the_release_is_looked_at_before_the_way_is_chosen(name: str, tmp_path: Path) -> None:
    given = evidence(Inverted(), learn=learn)
    other = replace(given, private=given.private._replace(vectors=np.roll(given.private.vectors, 7, axis=0)))
    for folder, each in (("a", given), ("b", other)):
        leak(BRIEF[name], each, tmp_path / folder)
    assert (tmp_path / "a" / CHOSEN).read_text() == (tmp_path / "b" / CHOSEN).read_text()


def test_an_attack_whose_training_diverges_is_not_measured(tmp_path: Path) -> None:
    # a rate that a user cannot give: bounded ones do not diverge in so few steps
    wild = Restore(steps=50, batch=4, width=8).model_copy(update={"lr": 1e30})
    with pytest.raises(NotApplicableError, match="diverged at step"):
        wild.run(evidence(Inverted()), tmp_path)


def test_restored_faces_are_drawn(tmp_path: Path) -> None:
    leak(BRIEF["restore"], evidence(Inverted()), tmp_path)
    assert (tmp_path / PICTURE).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_attackers_who_learn_are_also_told_of_without_the_photo_that_was_released(tmp_path: Path) -> None:
    given = evidence(Original())
    attack = Restore(steps=1, batch=4, width=8)
    attack.run(given, tmp_path)
    found = {score.measure.name: score for score in attack.scores(tmp_path, "restore")[0]}
    (tmp_path / "o").mkdir()
    OtherImage().run(given, tmp_path / "o")
    without = OtherImage().scores(tmp_path / "o", "o")[0][0]
    told = found["leak@1 other photo"]
    assert json.loads((tmp_path / CHOSEN).read_text())["with_photo"]["way"] == "none"
    assert (told.value, told.n, told.chance) == (without.value, without.n, without.chance)
    assert told.intervals == without.intervals
    assert not told.measure.headline
    assert [score.detail["gallery"] for score in (found["leak@1"], told)] == [160, 159]


def half(keep: slice) -> Callable[[Faces], Embeddings]:
    """A recognizer that sees some of the blocks only."""

    def see(faces: Faces) -> Embeddings:
        whole = embed(faces)
        vectors = whole.vectors[:, keep] - whole.vectors[:, keep].mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings((vectors / lengths).astype(np.float32), whole.identity)

    return see


def test_an_ensemble_finds_whom_any_of_its_recognizers_finds(tmp_path: Path) -> None:
    given = evidence(Shuffled(), judges=(half(slice(0, 60)), half(slice(60, 147))))
    told = scores(Ensemble(), given, tmp_path / "e")
    union = told["leak@1"]
    alone = [union.detail[f"judge {n}"] for n in (1, 2, 3)]
    assert alone[0] == leak(Ignorant(), given, tmp_path / "i").value
    assert max(alone) <= union.value <= sum(alone) + union.detail["together"]
    assert union.detail["most_of_one"] == max(alone)
    assert union.chance == pytest.approx(1 - (1 - 4 / 160) ** 4)
    # what is told beside leak@k is of one search, that of the sum
    assert told["residual"].detail["leak"] == union.detail["together"]
    without = told["leak@1 other photo"]
    blind = scores(OtherImage(), given, tmp_path / "o")["leak@1"]
    assert blind.value <= without.value < union.value
    assert without.chance == pytest.approx(1 - (1 - 3 / 159) ** 4)
    assert (without.n, without.detail["gallery"]) == (160, 159)
    behind = leak(Ensemble(), evidence(Noise(), judges=given.judges), tmp_path / "n")
    assert behind.value < interval_of_chance(behind.chance, behind.n)[1]


def test_an_ensemble_of_one_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError, match="one recognizer only"):
        Ensemble().run(evidence(Shuffled()), tmp_path)


def test_faces_that_one_recognizer_fails_on_are_seen_by_the_others(tmp_path: Path) -> None:
    given = evidence(Original(), judges=(embed,))
    blind = replace(given, private=given.private._replace(vectors=np.full_like(given.private.vectors, np.nan)))
    told = leak(Ensemble(), blind, tmp_path)
    assert (told.value, told.detail["failure_rate"], told.detail["judge 1"]) == (1, 0, 0)


def test_linkage_is_no_leakage_and_names_nobody(tmp_path: Path) -> None:
    told = scores(Linkage(), evidence(Shuffled()), tmp_path)
    assert "leak@1" not in told
    # to shuffle the blocks of all faces alike changes no likeness between them
    assert told["linked@1"].value == leak(OtherImage(), evidence(Original()), tmp_path / "o").value
    assert not any(score.measure.headline for score in told.values())
    assert told["linked@1"].chance == pytest.approx(3 / 159)
    assert told["linked@1"].measure.says.endswith("is the best match among the other private faces")
    assert not any("original" in score.measure.says or "leak" in score.measure.says for score in told.values())
    noise = scores(Linkage(), evidence(Noise()), tmp_path / "n")["linked@1"]
    assert noise.value <= interval_of_chance(noise.chance, noise.n)[1]


def test_members_are_told_from_others_where_their_faces_were_released_as_they_are(tmp_path: Path) -> None:
    told = scores(Membership(), evidence(Original()), tmp_path / "o")
    assert told["membership auc release"].value == told["tpr@fpr=0.01 release"].value == 1
    assert told["tpr@fpr=0.001 release"].value is None
    assert "allows no false positive" in told["tpr@fpr=0.001 release"].note
    assert told["membership auc training"].value == pytest.approx(0.5, abs=0.12)  # people of A are in nothing
    noise = scores(Membership(), evidence(Noise()), tmp_path / "n")["membership auc release"]
    assert noise.intervals[0].low - 0.05 < 0.5 < noise.intervals[0].high + 0.05
    assert all(score.measure.side == "privacy" and not score.measure.headline for score in told.values())


def test_membership_without_sources_asks_about_training_alone_and_without_others_nothing(tmp_path: Path) -> None:
    given = evidence(Original())
    told = scores(Membership(), replace(given, source=None, generator_faces=roles()["P"]), tmp_path / "s")
    assert {name.split()[-1] for name in told} == {"training"}
    assert told["membership auc training"].value == 1
    alone = scores(Membership(), replace(given, holdout_faces=Nobody()), tmp_path / "h")
    assert all(score.value is None and "give roles G and H" in score.note for score in alone.values())


def test_the_control_of_an_attack_that_knows_everybody_is_chance(tmp_path: Path) -> None:
    told = scores(Ignorant(), evidence(Original()), tmp_path)
    residual = told["residual"]
    assert residual.value == pytest.approx(1, abs=1e-3)
    assert residual.detail["control"] <= residual.detail["control_chance"] + 3 * residual.detail["control_sigma"]
    assert told["dir@fpir=0.1"].value == 1


def test_noise_that_resembles_somebody_is_not_called_broken(tmp_path: Path) -> None:
    given = evidence(Noise())
    grey = given.private.vectors[:1].repeat(160, axis=0)  # all alike, and all most like one original
    told = scores(Ignorant(), replace(given, private=given.private._replace(vectors=grey)), tmp_path)
    (check,) = bounds("noise", [told["leak@1"]], {})
    assert told["leak@1"].value == pytest.approx(4 / 160)
    assert check.passed
    found = told["leak@1"].model_copy(update={"value": 0.2, "intervals": ()})
    assert not bounds("noise", [found], {})[0].passed


def test_what_was_kept_and_damaged_is_told(tmp_path: Path) -> None:
    given = evidence(Inverted(), judges=(embed,), learn=learn)
    for name, attack, file in (
        ("r", BRIEF["restore"], CHOSEN),
        ("e", Ensemble(), "judges.json"),
        ("m", Membership(), "training.npz"),
        ("l", Linkage(), "ranks.npz"),
    ):
        leak_of = tmp_path / name
        leak_of.mkdir()
        attack.run(given, leak_of)
        (leak_of / file).write_text("{}")
        with pytest.raises(AttackError, match="run with --force attack"):
            attack.scores(leak_of, "it")
