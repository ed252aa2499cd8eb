"""Who replays a release: finds everybody where randomness is public, and nobody where it is secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked import CPU, evidence, roles, scores
from facebench.bench.attacks.base import NotApplicableError
from facebench.bench.attacks.leakage.traces import NO_GUESS, Files, guesses, header, is_plain
from facebench.bench.attacks.replay import Replay
from facebench.bench.biometrics.embeddings import Embeddings
from facebench.bench.experiment.sanity import LUCK, replay_bounds
from facebench.datasets.files import codec
from facebench.datasets.views.subset import Subset
from facebench.methods.base import Fit
from facebench.methods.blur import Blur
from facebench.methods.dppix import DPPix
from facebench.methods.facemae import FaceMAE
from facebench.methods.ksame import KSame
from facebench.methods.masking import Masking
from facebench.methods.noise import Noise
from facebench.methods.original import Original
from facebench.methods.parts.release_order import release_order
from facebench.methods.pixelate import Pixelate
from undone import PublicDPPix, PublicFaceMAE, PublicMasking, PublicNoise

KNOWN = {"replay": Replay.traits()}
SECRET = [Masking(), Masking(fill="noise"), Noise(), Noise(kind="gaussian"), DPPix()]
PUBLIC = [PublicMasking(), PublicNoise(), PublicDPPix()]
FIXED = [Original(), Pixelate(), Blur(), KSame(k=4), Masking(region="eyes")]


def name(method: Any) -> str:
    return f"{type(method).__name__}-{getattr(method, 'kind', getattr(method, 'fill', ''))}"


@pytest.mark.parametrize("method", SECRET, ids=name)
def test_nobody_is_found_in_faces_of_a_secret_key(method: Any, tmp_path: Path) -> None:
    found = scores(Replay(), evidence(method), tmp_path / "it")["leak@1"]
    assert found.detail["recomputed"] == 0
    assert found.chance == pytest.approx(1 / 160)
    assert replay_bounds([found.model_copy(update={"on": "replay"})], KNOWN, deterministic=False)[0].passed


@pytest.mark.parametrize("method", PUBLIC, ids=name)
def test_everybody_is_found_in_faces_of_a_public_seed(method: Any, tmp_path: Path) -> None:
    found = scores(Replay(), evidence(method), tmp_path / "it")["leak@1"]
    assert found.value == 1
    assert found.note == "told most by: recomputed"
    assert not replay_bounds([found.model_copy(update={"on": "replay"})], KNOWN, deterministic=False)[0].passed


@pytest.mark.parametrize(("kind", "found"), [(PublicFaceMAE, 1.0), (FaceMAE, 0.0)])
def test_rebuilt_faces_name_the_photo_only_where_their_masks_are_public(
    tmp_path: Path, kind: Any, found: float
) -> None:
    method = FaceMAE(steps=2, batch=8, relation_weight=0)
    method.fit(roles()["H"], tmp_path, Fit(seed=0, device=CPU))

    class Fitted(kind):  # type: ignore[misc]
        def load(self, fitted: Path, *, device: Any) -> Any:
            return super().load(tmp_path, device=device)

    tried = Fitted(**method.model_dump(exclude_unset=True))
    assert scores(Replay(faces=32), evidence(tried), tmp_path / "it")["leak@1"].detail["recomputed"] == found


@pytest.mark.parametrize("method", FIXED, ids=name)
def test_a_method_without_random_numbers_hides_nobody_from_who_holds_the_photos(method: Any, tmp_path: Path) -> None:
    found = scores(Replay(faces=3), evidence(method), tmp_path / "it")["leak@1"]
    assert found.n == 160  # all of them: some faces of a set come out otherwise than the set
    # k equal faces name one original of k; what chance decides is all that a bound can ask for
    assert found.value == pytest.approx(1 / getattr(method, "k", 1), rel=0.1)
    assert replay_bounds([found.model_copy(update={"on": "replay"})], KNOWN, deterministic=True)[0].passed


def test_a_set_that_nobody_can_make_again_is_looked_at_all_the_same(tmp_path: Path) -> None:
    def never(rows: Any) -> Any:
        raise NotApplicableError("does not apply: made once and for all")

    found = scores(Replay(), replace(evidence(Masking()), again=never), tmp_path / "it")["leak@1"]
    assert found.detail["recomputed"] is None
    assert found.detail["order of faces"] is not None


def test_how_many_photos_a_person_has_is_told_beside(tmp_path: Path) -> None:
    given = evidence(Masking())
    alike = scores(Replay(), given, tmp_path / "alike")["leak@1 by count"]
    assert alike.chance == pytest.approx(1 / 40)
    assert alike.value < 0.2
    people = roles()["P"]
    rows = np.flatnonzero(np.arange(160) % 4 <= people.labels % 2)  # 1 or 2 photos each
    rows = np.union1d(rows, np.arange(4))  # and one person with 4
    one = scores(Replay(), _some(given, rows), tmp_path / "one")["leak@1 by count"]
    assert one.value >= 4 / len(rows)


def test_luck_names_fewer_photos_than_the_bound_allows() -> None:
    random, most = np.random.default_rng(0), 0
    for counts in (np.full(40, 4), np.full(100, 50), random.geometric(1 / 20, 200)) * 100:
        people = np.repeat(np.arange(len(counts)), counts)
        digest = random.integers(0, 256, (len(people), 32), dtype=np.uint8)
        labels, order = release_order(people, digest, np.zeros(len(people), np.uint64))
        published = files([1] * len(people), identity=labels)
        made = guesses(published, Files.unseen(people), seed=0, plain=True)
        most = max(most, *(int((made[name] == order).sum()) for name in ("order of faces", "order of people")))
    assert 3 < most <= LUCK


def _some(given: Any, rows: np.ndarray) -> Any:
    from facebench.bench.attacks.base import Embeddings
    from facebench.datasets.views.subset import Subset

    def some(seen: Embeddings) -> Embeddings:
        return Embeddings(seen.vectors[rows], seen.identity[rows])

    def again(asked: Any) -> Any:
        raise NotApplicableError("does not apply: not here")

    return replace(
        given,
        private=some(given.private), original=some(given.original), source=np.arange(len(rows)), again=again,
        private_faces=Subset(given.private_faces, rows), original_faces=Subset(given.original_faces, rows),
    )  # fmt: skip


def files(sizes: list[int], **more: Any) -> Files:
    count = len(sizes)
    given = {"identity": np.arange(count) // 2, "header": ["same"] * count, "content": [str(i) for i in range(count)]}
    return Files(size=np.array(sizes), **{**given, **more})


def told(private: Files, original: Files, source: np.ndarray, **more: Any) -> dict[str, float]:
    made = guesses(private, original, seed=0, **{"plain": True, **more})
    return {channel: float((guess == source).mean()) for channel, guess in made.items()}


def test_each_channel_is_seen_where_it_is_open_and_silent_where_not() -> None:
    count, random = 400, np.random.default_rng(0)
    turn = random.permutation(count)  # published in this order
    original = files(random.permutation(10**6)[:count].tolist())
    shut = files([1000] * count, identity=original.identity[turn])
    silent = told(shut, original, turn)
    assert max(silent.values()) <= 6 / count
    padded = files((original.size[turn] + 3).tolist(), identity=original.identity[turn])
    assert told(padded, original, turn, plain=False)["size of file"] == 1
    assert told(padded, original, turn, plain=True)["size of file"] == 0
    unmoved = files([1000] * count)
    assert told(unmoved, original, np.arange(count))["order of faces"] == 1
    assert told(unmoved, original, np.arange(count))["order of people"] == 1
    camera = [f"camera {i}" for i in range(count)]
    tagged = files([1000] * count, header=[camera[i] for i in turn], identity=original.identity[turn])
    assert told(tagged, files([1] * count, header=camera), turn)["header of file"] == 1
    twins = files([1] * count, content=["a", "a", "b", "b", "b", *map(str, range(5, count))])
    copied = files([1] * count, content=["x", "x", "y", "y", "y", *map(str, range(1005, 1000 + count))])
    found = guesses(copied, twins, seed=0, plain=True)["equal files"]
    assert found[:5].tolist() == [0, 0, 2, 2, 2]
    assert (found[5:] == NO_GUESS).all()


def test_a_file_that_holds_more_than_its_pixels_is_not_plain() -> None:
    image = roles()["P"][0].image
    for kind in ("png", "jpeg"):
        file = codec.encode(image, kind=kind)
        assert is_plain(file, codec.decode(file, where="here"))
        assert not is_plain(file + b"\0" * 9, image)
    file = codec.encode(image)
    noted = file[:33] + b"\0\0\0\3tEXtcam" + b"\0\0\0\0" + file[33:]
    assert not is_plain(noted, image)
    assert b"tEXtcam" in header(noted)
    assert header(file) == header(codec.encode(roles()["P"][1].image))
    other = codec.encode(image, kind="jpeg")
    commented = other[:2] + b"\xff\xfe\x00\x05cam" + other[2:]
    assert not is_plain(commented, codec.decode(commented, where="here"))


def test_a_face_that_was_never_made_is_not_found_and_is_left_out_beside(tmp_path: Path) -> None:
    whole = evidence(Blur())
    kept = np.arange(4, len(whole.source))
    part = replace(
        whole, private=Embeddings(whole.private.vectors[kept], whole.private.identity[kept]), source=whole.source[kept],
        private_faces=Subset(whole.private_faces, kept), missed=whole.source[:4],
    )  # fmt: skip
    found = scores(Replay(), part, tmp_path / "it")
    leak = found["leak@1"]
    assert (leak.n, leak.value) == (160, pytest.approx(156 / 160))
    assert leak.detail["leak_excl_failures"] == 1
    assert found["leak@1 by count"].n == 160
    assert "leak_excl_failures" not in scores(Replay(), whole, tmp_path / "whole")["leak@1"].detail
