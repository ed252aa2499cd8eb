"""Attackers who learn: from people of role A alone, and from nobody of the release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attacked import SIDE, Inverted, both_ways, embed, evidence, roles
from facebench.bench.attacks import alignment, distillation, parrot, restore
from facebench.bench.attacks.adaptive import maps, training
from facebench.bench.attacks.base import Attack, Embed, Embeddings, Evidence, NotApplicableError, Paired
from facebench.bench.attacks.leakage.search import SpaceOf
from facebench.bench.experiment.pipeline import Pipeline, lay_out
from facebench.bench.experiment.stages.evidence import gather
from facebench.bench.experiment.stages.release import private_faces
from facebench.bench.plan.data import open_data
from facebench.bench.plan.plan import Plan
from facebench.bench.plugins import load, own
from facebench.bench.recognition import recognizer
from facebench.bench.store.store import Store
from facebench.datasets.base import Faces, Progress, silent
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views import loader
from facebench.datasets.views.subset import of_people
from facebench.facemae.runtime.errors import TrainingError

LEARNING: dict[str, Attack] = {
    "alignment": alignment.Alignment(maps=("procrustes", "ridge")),
    "parrot": parrot.Parrot(),
    "distillation": distillation.Distillation(steps=2, batch=16),
    "restore": restore.Restore(steps=2, batch=8, width=8),
}


class Locked:
    """What belongs to the release, and may not be looked at."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} of the release was asked for")

    def __len__(self) -> int:
        raise AssertionError("the release was counted")

    def __getitem__(self, row: object) -> Any:
        raise AssertionError("the release was read")

    def __call__(self, *given: object) -> Any:
        raise AssertionError("the release was made once more")


@dataclass
class Learned:
    """What an attack learned from, and what it learned."""

    names: set[str] = field(default_factory=set)
    """Of people whose faces it read to learn from."""
    rows: list[np.ndarray] = field(default_factory=list)
    """Embeddings that maps were learned from."""
    arrays: list[np.ndarray] = field(default_factory=list)
    """All that went in and came out, in order: faces, rows, weights, and how hold-out people look in the end."""


@cache
def people(who: str) -> Faces:
    """Some of a role, or others who could have been released."""
    if who == "others":
        return Synthetic(people=8, images=4, seed=1).open()
    return of_people(roles()[who], (0, {"A": 20, "P": 10, "H": 8}[who]))


@cache
def seen(who: str) -> Paired:
    """They both ways."""
    return both_ways(Inverted(), people(who))


def recognize(faces: Faces, progress: Progress = silent) -> Embed:
    """Train a recognizer of the simplest kind: it looks for how colours differ from those it was shown."""
    images, _ = loader.read(faces)
    blocks = torch.nn.functional.avg_pool2d(images.float(), SIDE).flatten(1).numpy().mean(axis=0)

    def see(others: Faces) -> Embeddings:
        known = embed(others)
        vectors = known.vectors - blocks / np.linalg.norm(blocks)
        return known._replace(vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    return see


@cache
def alone() -> Evidence:
    """What an attacker holds beside the release."""
    return evidence(Inverted(), attacker=lambda: seen("A"), holdout=lambda: seen("H"), learn=recognize)


def held(released: Paired) -> Evidence:
    """What an attacker holds, with this release in the place of P's."""
    return replace(alone(), **{entry.name: getattr(released, entry.name) for entry in fields(Paired)})


LOCKED = Paired(**{entry.name: Locked() for entry in fields(Paired)})


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Learned]:
    """Watches what attacks learn; the release is not searched."""
    told = Learned()
    read, fit, learners = loader.read, training.fit, maps.learners

    def read_watched(faces: Faces, *, progress: Progress = silent) -> tuple[torch.Tensor, np.ndarray]:
        images, labels = read(faces, progress=progress)
        told.names |= {faces.names[person] for person in np.unique(labels)}
        told.arrays += [images.numpy(), labels]
        return images, labels

    def fit_watched(*given: Any, **how: Any) -> torch.nn.Module:
        network = fit(*given, **how)
        told.arrays += [weights.numpy().copy() for weights in network.state_dict().values()]
        return network

    def learn_watched(candidate: maps.Learner) -> maps.Learner:
        def learn(private: np.ndarray, original: np.ndarray) -> maps.Map:
            told.rows += [private, original]
            move = candidate.learn(private, original)
            told.arrays += [private, original, move(seen("H").private.vectors)]
            return move

        return candidate._replace(learn=learn)

    def not_searched(evidence: Evidence, see: SpaceOf, out: Path, *, other_photos: SpaceOf) -> None:
        for view in (see(evidence.holdout()), other_photos(evidence.holdout())):
            told.arrays += [view.probes.vectors, view.gallery.vectors]

    monkeypatch.setattr(loader, "read", read_watched)
    monkeypatch.setattr(training, "fit", fit_watched)
    monkeypatch.setattr(alignment, "learners", lambda *given: list(map(learn_watched, learners(*given))))
    for module in (alignment, parrot, distillation, restore):
        monkeypatch.setattr(module, "search", not_searched)
    yield told


@pytest.mark.parametrize("name", LEARNING)
def test_an_attacker_who_learns_does_so_without_a_look_at_the_release(
    name: str, learned: Learned, tmp_path: Path
) -> None:
    LEARNING[name].run(held(LOCKED), tmp_path)
    assert learned.arrays


@pytest.mark.parametrize("name", LEARNING)
def test_another_release_changes_nothing_of_what_an_attacker_learns(
    name: str, learned: Learned, tmp_path: Path
) -> None:
    LEARNING[name].run(held(seen("P")), tmp_path)
    first, learned.arrays = learned.arrays, []
    LEARNING[name].run(held(seen("others")), tmp_path)
    assert len(first) == len(learned.arrays) > 4
    assert all(np.array_equal(one, other) for one, other in zip(first, learned.arrays, strict=True))


@pytest.mark.parametrize("name", LEARNING)
def test_an_attacker_learns_from_people_of_role_a_alone(name: str, learned: Learned, tmp_path: Path) -> None:
    LEARNING[name].run(held(seen("P")), tmp_path)
    known = {row.tobytes() for faces in (seen("A").private, seen("A").original) for row in faces.vectors}
    assert learned.names or learned.rows
    assert learned.names <= set(people("A").names)
    assert {row.tobytes() for rows in learned.rows for row in rows} <= known


def test_every_attack_that_learns_is_watched_here() -> None:
    assert {name for name in own(Attack) if load(Attack, name).adaptive} == set(LEARNING)


def test_the_release_under_lock_cannot_be_used() -> None:
    for use in (
        lambda: LOCKED.private.vectors,
        lambda: len(LOCKED.original_faces),
        lambda: LOCKED.private_faces[0],
        lambda: LOCKED.source[:1],
        lambda: LOCKED.again(np.arange(1)),
        lambda: np.asarray(LOCKED.source),
    ):
        with pytest.raises(AssertionError, match="the release"):
            use()


def test_verification_pairs_have_no_place_in_what_an_attacker_holds() -> None:
    assert {entry.name for entry in fields(Paired)} == {
        *("private", "original", "source", "private_faces", "original_faces", "again")
    }
    assert {entry.name for entry in fields(Evidence)} == {
        *("private", "original", "source", "private_faces", "original_faces", "again", "missed"),
        *("attacker_faces", "generator_faces", "holdout_faces", "attacker", "holdout"),
        *("embed", "judges", "learn", "seed", "device", "deterministic", "progress"),
    }


def make(run: Pipeline, *groups: str) -> None:
    """Make some stages of a run."""
    for stage in run.stages:
        if stage.name.split("/")[0] in groups:
            run.context.store.stage(stage.name, stage.inputs, lambda out, stage=stage: stage.make(out, silent))  # type: ignore[misc]


def test_an_attacker_of_a_run_holds_each_role_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = {"architecture": "small", "dim": 16, "steps": 1, "batch": 8}
    plan = Plan(synthetic={"people": 40, "images": 2, "pairs": 20}, method="original", judge=brief, attacks=["parrot"])
    store = Store(tmp_path)
    data = open_data(plan, store, root=tmp_path)
    run = lay_out(plan, data, store, device="cpu")
    make(run, "judge", "release", "apply", "embed")
    given = gather(run.context, run, run.context.attacks["parrot"], silent)
    alone = {"A": given.attacker_faces, "G": given.generator_faces, "P": given.original_faces, "H": given.holdout_faces}
    assert {role: faces.names for role, faces in alone.items()} == {role: data.role(role).names for role in data.places}
    for role, both in {"A": given.attacker(), "P": given.released, "H": given.holdout()}.items():
        faces = data.role(role)
        assert both.original_faces.names == faces.names
        for row in (0, len(faces) - 1):
            wanted = faces[row].image
            assert torch.equal(both.private_faces[row].image, wanted)
            assert torch.equal(both.again(np.array([row]))[0].image, wanted)
        for vectors in (both.private.vectors, both.original.vectors):
            assert np.allclose(vectors, given.embed(faces).vectors, atol=1e-5)

    taught: list[Faces] = []

    def train(faces: Faces, out: Path, how: Any, **more: Any) -> None:
        taught.append(faces)
        assert how == plan.judge  # by which the key of the attack's stage is made
        raise TrainingError("it was only asked")

    monkeypatch.setattr(recognizer, "train", train)
    with pytest.raises(NotApplicableError, match="it was only asked"):
        given.learn(given.attacker_faces, silent)
    assert taught == [given.attacker_faces]


@pytest.mark.parametrize("name", ["ignorant", "ensemble", "membership", "parrot"])
def test_what_an_attack_did_not_declare_is_not_there(tmp_path: Path, name: str) -> None:
    brief = {"architecture": "small", "dim": 16, "steps": 1, "batch": 8}
    people = {"people": 40, "images": 2, "pairs": 20}
    plan = Plan(synthetic=people, method="original", judge=brief, attacks=sorted({name, "parrot", "ensemble"}))
    store = Store(tmp_path)
    run = lay_out(plan, open_data(plan, store, root=tmp_path), store, device="cpu")
    make(run, "judge", "judge-2", "release", "apply", "embed")
    attack = run.context.attacks[name]
    given = gather(run.context, run, attack, silent)
    rows = np.array([0])
    asked: dict[str, list[Callable[[], object]]] = {
        "adaptive": [given.attacker, lambda: given.again(rows), lambda: given.learn(given.attacker_faces, silent)],
        "control": [given.holdout],
    }
    for declared, calls in asked.items():
        for call in calls:
            if getattr(attack, declared):
                call()
            else:
                with pytest.raises(NotApplicableError, match=f"not measured: .*set `{declared}` on its class"):
                    call()
    assert len(given.judges) == attack.several


@pytest.mark.parametrize(("method", "encoding"), [("masking", "png"), ("pixelate", "jpeg")])
def test_what_is_made_private_once_more_is_another_release_in_the_same_encoding(
    tmp_path: Path, method: str, encoding: str
) -> None:
    plan = Plan(synthetic={"people": 40, "images": 2, "pairs": 20}, method=method, encoding=encoding,
                attacks=["parrot"], judge={"architecture": "small", "dim": 16, "steps": 1, "batch": 8})  # fmt: skip
    store = Store(tmp_path)
    run = lay_out(plan, open_data(plan, store, root=tmp_path), store, device="cpu")
    make(run, "judge", "release", "apply", "embed")
    released = private_faces(run.path(run.release))
    places = run.context.data.places["P"]
    anew = gather(run.context, run, run.context.attacks["parrot"], silent).again(np.arange(len(places)))
    assert np.array_equal(anew.labels, released.labels)
    alike = [torch.equal(anew[row].image, released[row].image) for row in range(len(places))]
    # what is random is drawn anew for each face; what is not is equal to what was decoded of the release
    assert set(alike) == {method == "pixelate"}
