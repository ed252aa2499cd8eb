"""Drawn faces: determinism, people, pairs, geometry, and that colour alone tells nobody apart."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

import cv2
import numpy as np
import pytest
import torch
from facebench.datasets.base import SIZE
from facebench.datasets.drawn.draw import draw, paint, plan_of
from facebench.datasets.drawn.latents import People, Series, Shots, people, shots
from facebench.datasets.drawn.shape import ARCFACE, sketch
from facebench.datasets.synthetic import Synthetic, SyntheticFaces, SyntheticPairs
from numpy.typing import NDArray
from pydantic import ValidationError

Kind: TypeAlias = Literal["lfw", "cfp_fp", "agedb_30"]
KINDS: tuple[Kind, ...] = ("lfw", "cfp_fp", "agedb_30")


@pytest.fixture(scope="module")
def faces() -> SyntheticFaces:
    return Synthetic(people=7, images=5, seed=3).open()


def neutral(who: People, now: Shots, *, yaw: float = 0.0) -> Shots:
    """The same picture of everybody: straight, relaxed, thirty, in one light, well aligned."""
    still = {
        name: np.zeros_like(getattr(now, name)) for name in ("pitch", "smile", "open", "gaze", "brows", "align", "hair")
    }
    plain = {name: np.zeros_like(getattr(now, name)) for name in ("background", "occlusion", "blur", "noise", "u")}
    ones = {name: np.ones_like(getattr(now, name)) for name in ("lids", "gain", "gamma", "shaven")}
    count = len(who.tone)
    return now._replace(
        **still,
        **plain,
        **ones,
        yaw=np.full(count, yaw),
        age=np.full(count, 30.0),
        ambient=np.full(count, 0.7),
        light=np.tile([0.0, -0.4, 0.9], (count, 1)),
        glasses=np.zeros(count, bool),
    )


def crowd(count: int, start: int = 0) -> tuple[People, Shots]:
    ids = range(start, start + count)
    who = people(seed=0, identities=ids)
    return who, shots(who, seed=0, identities=ids, images=[0] * count, series="ordinary")


def test_faces_are_uint8_rgb_with_labels_and_stable_names(faces: SyntheticFaces) -> None:
    face = faces[12]
    assert (face.image.dtype, tuple(face.image.shape)) == (torch.uint8, (3, SIZE, SIZE))
    assert face.image.is_contiguous()
    assert (face.identity, len(faces), faces.identities) == (2, 35, 7)
    assert faces.labels.tolist() == [i // 5 for i in range(35)]
    assert faces.labels.dtype == np.int64
    assert list(faces.names) == [f"s{i:06d}" for i in range(7)]


def test_encoded_is_a_png_of_the_same_pixels(faces: SyntheticFaces) -> None:
    data = faces.encoded(4)
    assert data.startswith(b"\x89PNG")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert np.array_equal(image[:, :, ::-1].transpose(2, 0, 1), faces[4].image.numpy())


@pytest.mark.parametrize("index", [-1, 35])
def test_a_face_that_is_not_there_is_an_index_error(faces: SyntheticFaces, index: int) -> None:
    with pytest.raises(IndexError, match=rf"face {index}: expected 0 <= index < 35"):
        faces[index]


@pytest.mark.parametrize("wrong", [{"people": 0}, {"images": 0}, {"seed": -1}, {"persons": 3}])
def test_a_wrong_description_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Synthetic(**wrong)


@pytest.mark.parametrize("pairs", [0, 18, 21])
def test_pairs_that_fill_no_ten_folds_are_refused(pairs: int) -> None:
    with pytest.raises(ValidationError):
        SyntheticPairs(pairs=pairs)


def test_a_face_depends_on_seed_person_and_image_only(faces: SyntheticFaces) -> None:
    expected = [faces.pixels(i) for i in range(35)]
    other = Synthetic(people=900, images=5, seed=3).open()
    for i in reversed(range(35)):
        assert np.array_equal(other.pixels(i), expected[i])
        alone = draw(seed=3, identities=[i // 5], images=[i % 5])[0]
        assert np.array_equal(alone, expected[i])
    assert not np.array_equal(Synthetic(people=7, images=5, seed=4).open().pixels(0), expected[0])


def test_threads_copies_and_processes_draw_the_same_faces(faces: SyntheticFaces) -> None:
    expected = [faces.pixels(i) for i in range(35)]
    fresh = pickle.loads(pickle.dumps(faces))
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(fresh.pixels, list(range(35)) * 2))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, expected * 2, strict=True))
    program = (
        "import hashlib; from facebench.datasets.synthetic import Synthetic as S;"
        "f = S(people=7, images=5, seed=3).open();"
        "print(hashlib.sha256(b''.join(f.pixels(i).tobytes() for i in (34, 3, 17))).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = hashlib.sha256(b"".join(expected[i].tobytes() for i in (34, 3, 17))).hexdigest()
    assert done.stdout.strip() == here


def test_the_fingerprint_tells_descriptions_apart() -> None:
    descriptions: list[Synthetic | SyntheticPairs] = [
        Synthetic(),
        Synthetic(people=501),
        Synthetic(images=11),
        Synthetic(seed=1),
        *(SyntheticPairs(kind=kind) for kind in KINDS),
        SyntheticPairs(pairs=620),
        SyntheticPairs(seed=1),
    ]
    prints = [each.fingerprint() for each in descriptions]
    assert len(set(prints)) == len(prints)
    assert Synthetic().fingerprint() == Synthetic(people=700, images=6, seed=0).fingerprint()


def test_five_thousand_people_differ() -> None:
    contours = []
    for start in range(0, 5000, 250):
        who, now = crowd(250, start)
        still = sketch(who, neutral(who, now))
        seen = [still.points[:, still.spans[name]] for name in ("eye_r", "brow_r", "side_r", "head")]
        contours.append(np.concatenate(seen, axis=1).reshape(250, -1))
    everybody = np.concatenate(contours)
    assert len({row.tobytes() for row in everybody}) == 5000
    # and not by a hair's breadth: of 500, everybody's nearest other is some pixels away along the contours
    some = everybody[:500].astype(np.float32) / 16
    squares = (some**2).sum(1)
    distance = squares[:, None] + squares - 2 * some @ some.T
    np.fill_diagonal(distance, np.inf)
    assert np.sqrt(np.maximum(distance.min(), 0)) > 2


def test_neutral_pictures_of_different_people_differ() -> None:
    who, now = crowd(300)
    planned = plan_of(who, neutral(who, now))
    drawn = {paint(planned, i).tobytes() for i in range(300)}
    assert len(drawn) == 300


def test_frontal_mean_faces_have_the_template_s_five_points() -> None:
    who, now = crowd(400)
    five = sketch(who, neutral(who, now)).five
    assert np.abs(five.mean(axis=0) - ARCFACE).max() < 1.0
    assert np.abs(five - ARCFACE).max() < 8.0


def test_turning_the_head_is_a_projection() -> None:
    who, now = crowd(200)
    ahead, turned, back = (sketch(who, neutral(who, now, yaw=yaw)).five for yaw in (0.0, 0.8, -0.8))

    def eyes_to_height(five: NDArray[np.float64]) -> NDArray[np.float64]:
        height = five[:, 3:, 1].mean(axis=1) - five[:, :2, 1].mean(axis=1)
        return np.asarray((five[:, 1, 0] - five[:, 0, 0]) / height)

    shorter = eyes_to_height(turned) / eyes_to_height(ahead)
    assert np.all((shorter > 0.5) & (shorter < 0.85))  # cos 0.8 = 0.70, and the nearer side looms
    nose_ahead, nose_turned = (five[:, 2, 0] - five[:, :2, 0].mean(axis=1) for five in (ahead, turned))
    assert np.all(nose_turned - nose_ahead > 8)
    mirrored = np.stack((2 * ARCFACE[:, 0].mean() - back[:, [1, 0, 2, 4, 3], 0], back[:, [1, 0, 2, 4, 3], 1]), axis=2)
    assert np.abs(mirrored - turned).max() < 1.0


def test_the_series_fix_pose_and_age() -> None:
    ids = range(500)
    who = people(seed=0, identities=ids)
    kinds: tuple[Series, ...] = ("frontal", "profile", "young", "old")
    taken = {
        series: shots(who, seed=0, identities=ids, images=[int(series == "old")] * 500, series=series)
        for series in kinds
    }
    assert np.degrees(abs(taken["frontal"].yaw)).max() < 15
    assert 30 < np.degrees(abs(taken["profile"].yaw)).min() < np.degrees(abs(taken["profile"].yaw)).max() < 65
    gap = taken["old"].age - taken["young"].age
    assert 20 < gap.min() < 30 < gap.max() < 45
    assert len(np.unique(np.sign(taken["profile"].yaw))) == 2


def test_metadata_has_a_row_for_every_face(faces: SyntheticFaces) -> None:
    told = faces.metadata()
    assert all(len(column) == len(faces) for column in told.values())
    tones = told["skin_tone"].reshape(7, 5)
    assert np.all(tones == tones[:, :1]), "the tone is the person's, not the picture's"
    assert np.ptp(told["age"].reshape(7, 5), axis=1).min() > 0
    many = Synthetic(people=400, images=3).open().metadata()
    for band in ("skin_tone", "age_band", "pose"):
        values, counts = np.unique(many[band], return_counts=True)
        assert len(values) == 3
        assert counts.min() >= 36


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_half_genuine_in_every_fold_and_share_no_person(kind: Kind) -> None:
    source = SyntheticPairs(kind=kind, pairs=40)
    pairs = source.open()
    assert pairs.first.shape == pairs.second.shape == (40, 3, SIZE, SIZE)
    assert pairs.first.dtype == pairs.second.dtype == torch.uint8
    assert pairs.same.dtype == np.bool_
    assert np.array_equal(pairs.same.reshape(10, 4).sum(1), np.full(10, 2))
    one, other = source.people_of()
    used = [{a, b} for a, b in zip(one, other, strict=True)]
    assert len(set().union(*used)) == sum(len(pair) for pair in used)
    assert min(min(pair) for pair in used) >= 10**9, "training people are numbered below"
    assert [a == b for a, b in zip(one, other, strict=True)] == pairs.same.tolist()
    assert not torch.equal(pairs.first[0], pairs.second[0])


def test_the_three_sets_have_people_of_their_own() -> None:
    sets = [set().union(*SyntheticPairs(kind=kind, pairs=6000).people_of()) for kind in KINDS]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]


def ten_fold(similarity: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Accuracy with the threshold that is best on the other nine folds."""
    right = []
    for fold in np.array_split(np.arange(len(same)), 10):
        rest = np.setdiff1d(np.arange(len(same)), fold)
        cuts = np.sort(similarity[rest])
        accuracy = ((similarity[rest] >= cuts[:, None]) == same[rest]).mean(axis=1)
        right.append(((similarity[fold] >= cuts[accuracy.argmax()]) == same[fold]).mean())
    return float(np.mean(right))


@pytest.fixture(scope="module")
def training_colours() -> NDArray[np.float64]:
    """[60, 5, 3], the mean RGB of five pictures each of people to learn from."""
    faces = Synthetic(people=60, images=5).open()
    means = [faces.pixels(i).mean(axis=(0, 1)) for i in range(len(faces))]
    return np.stack(means).reshape(60, 5, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_colour_does_not_tell_people_apart(kind: Kind, training_colours: NDArray[np.float64]) -> None:
    pairs = SyntheticPairs(kind=kind, pairs=600).open()
    first, second = (x.numpy().mean(axis=(2, 3)) for x in (pairs.first, pairs.second))
    means = training_colours
    within = np.cov((means - means.mean(axis=1, keepdims=True)).reshape(-1, 3).T)
    between = np.cov(means.mean(axis=1).T)
    # the best linear view of the colour, learnt from training people (Fisher's discriminant)
    strength, view = np.linalg.eig(np.linalg.solve(within, between))
    fisher = view.real * np.sqrt(np.maximum(strength.real, 0))
    views = {
        "distance": first - second,
        "log": np.log(first + 1) - np.log(second + 1),
        "hue": first / first.sum(1, keepdims=True) - second / second.sum(1, keepdims=True),
        "fisher": (first - second) @ fisher,
    }
    reached = {name: ten_fold(-np.linalg.norm(gap, axis=1), pairs.same) for name, gap in views.items()}
    assert max(reached.values()) < 0.65, reached
