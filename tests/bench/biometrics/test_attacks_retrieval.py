"""Ranks against galleries made by hand and against sorting everything."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.base import AttackError, Embeddings
from facebench.bench.biometrics import ranks as retrieval
from facebench.bench.biometrics.ranks import LEAST_MEMORY, TIE, TOP_K, Ranks, ranks
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits


def unit(rng: np.random.Generator, n: int, width: int = 16) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, width))
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def at(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors of the plane."""
    angle = np.deg2rad(np.array(degrees, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def faces(vectors: Any, identity: Any) -> Embeddings:
    return Embeddings(np.asarray(vectors, np.float32), np.asarray(identity, np.int64))


def by_sorting(probes: Embeddings, gallery: Embeddings, source: Any, leave_out_source: bool) -> list[NDArray[Any]]:
    """Image rank, identity rank and linked share of every probe, one comparison at a time."""
    n = len(gallery.identity)
    found = []
    for probe, person, origin in zip(*probes, source, strict=True):
        cosine = gallery.vectors.astype(np.float64) @ probe.astype(np.float64)
        searched = np.arange(n) != origin if leave_out_source else np.full(n, True)
        own = searched & (gallery.identity == person)
        best = max((c for c in cosine[own] if not np.isnan(c)), default=np.nan)
        rival = max((c for c in cosine[gallery.identity != person] if not np.isnan(c)), default=-np.inf)
        image = n + 1
        if not leave_out_source and not np.isnan(cosine[origin]):
            image = 1 + sum(c > cosine[origin] + TIE for c in cosine)
        identity = n + 1 if np.isnan(best) else 1 + sum(c > best + TIE for c in cosine[searched])
        found.append((image, identity, sum(c > rival + TIE for c in cosine[own]) / max(own.sum(), 1)))
    return [np.array(column) for column in zip(*found, strict=True)]


def in_full(probes: Embeddings, gallery: Embeddings, source: Any, leave_out_source: bool) -> dict[str, Any]:
    """Every field of `Ranks` from the whole matrix of similarities, one probe at a time."""
    image, identity, linked = by_sorting(probes, gallery, source, leave_out_source)
    q, n = len(source), len(gallery.identity)
    own, other, mates, best = np.full(q, np.nan), np.full(q, np.nan), np.zeros(q), np.full(q, -1)
    neighbours, similarity = np.full((q, TOP_K), -1), np.full((q, TOP_K), np.nan)
    for i, (probe, person, origin) in enumerate(zip(*probes, source, strict=True)):
        cosine = gallery.vectors @ probe
        searched = (np.arange(n) != origin) | (not leave_out_source)
        mates[i] = (searched & (gallery.identity == person)).sum()
        known = np.flatnonzero(searched & ~np.isnan(cosine))
        own[i] = max(cosine[known][gallery.identity[known] == person], default=np.nan)
        other[i] = max(cosine[known][gallery.identity[known] != person], default=np.nan)
        order = sorted(known, key=lambda j: (-cosine[j], j))[:TOP_K]
        neighbours[i, : len(order)], similarity[i, : len(order)] = order, cosine[order]
        best[i] = gallery.identity[order[0]] if order else -1
    found = {"image": image, "identity": identity, "linked": linked, "own": own, "other": other}
    return found | {"mates": mates, "neighbours": neighbours, "similarity": similarity, "best": best}


def threads_of_blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@contextmanager
def watched(names: set[str]) -> Iterator[None]:
    """Note the threads that search."""
    run = retrieval._Search.run

    def noted(*arguments: Any) -> None:
        names.add(threading.current_thread().name)
        run(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval._Search, "run", noted)
        yield


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 9), st.integers(1, 90), st.integers(1, 160))
def test_every_field_equals_the_full_matrix_to_the_last_bit(
    seed: int, leave_out_source: bool, block: int, tile: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    q, people = int(rng.integers(1, 30)), int(rng.integers(1, 9))
    corners = rng.choice([-0.5, 0.5], (max(n, q), 4))  # unit vectors whose products float32 holds exactly: many ties
    if seed % 3 == 0:
        corners = np.sort(corners, axis=0)  # the best come last
    gallery = faces(corners[:n], rng.integers(0, people, n) * 5 - 2)
    source = rng.integers(0, n, q)
    probes = faces(rng.permutation(corners)[:q], gallery.identity[source])
    lost = rng.random(n) < rng.choice([0.1, 0.9])
    gallery.vectors[lost] = np.nan
    gallery.vectors[lost & (rng.random(n) < 0.5), 0] = np.inf
    probes.vectors[rng.random(q) < 0.1] = np.nan
    found = ranks(probes, gallery, source, leave_out_source=leave_out_source, block=block, tile=tile)
    with np.errstate(invalid="ignore"):
        full = in_full(probes, gallery, source, leave_out_source)
    for name, expected in full.items():
        np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 9), st.integers(1, 9))
def test_ranks_equal_sorting_whatever_the_blocks(seed: int, leave_out_source: bool, block: int, tile: int) -> None:
    rng = np.random.default_rng(seed)
    n, q = int(rng.integers(2, 40)), int(rng.integers(1, 30))
    kinds = unit(rng, max(n // 2, 1), 4)  # few kinds of vectors, so that there are duplicates and ties
    gallery = faces(kinds[rng.integers(0, len(kinds), n)], rng.integers(0, 6, n) * 3)
    source = rng.integers(0, n, q)
    probes = faces(kinds[rng.integers(0, len(kinds), q)], gallery.identity[source])
    gallery.vectors[rng.random(n) < 0.1] = np.nan
    probes.vectors[rng.random(q) < 0.1] = np.nan
    found = ranks(probes, gallery, source, leave_out_source=leave_out_source, block=block, tile=tile)
    image, identity, linked = by_sorting(probes, gallery, source, leave_out_source)
    assert (found.image == image).all()
    assert (found.identity == identity).all()
    assert found.linked == pytest.approx(linked)


def test_one_block_and_many_give_the_same() -> None:
    rng = np.random.default_rng(0)
    gallery = faces(unit(rng, 700), rng.permutation(np.arange(700) // 7))
    probes = faces(unit(rng, 700), gallery.identity)
    whole = ranks(probes, gallery, np.arange(700), block=10_000, tile=10_000)
    parts = ranks(probes, gallery, np.arange(700), block=33, tile=41)
    for name, one in vars(whole).items():
        many = getattr(parts, name)
        assert np.allclose(one, many, atol=1e-6, equal_nan=True) if one.dtype.kind == "f" else (one == many).all()


def test_blocks_are_searched_side_by_side_and_give_the_same() -> None:
    rng = np.random.default_rng(3)
    gallery = faces(unit(rng, 900), np.arange(900) // 3)
    source = np.arange(0, 900, 2)
    probes = faces(gallery.vectors[source], gallery.identity[source])
    seen = {"one": set[str](), "three": set[str]()}
    found = {}
    for name, threads in (("one", 1), ("three", 3)):
        with threadpool_limits(threads, "blas"), watched(seen[name]):
            found[name] = ranks(probes, gallery, source, block=40)
            assert threads_of_blas() == {threads}, "products take as many threads as before"
    assert len(seen["one"]) == 1
    assert 1 < len(seen["three"]) <= 3
    for field in fields(Ranks):
        one, three = getattr(found["one"], field.name), getattr(found["three"], field.name)
        assert np.array_equal(one, three, equal_nan=one.dtype.kind == "f"), field.name


def test_an_error_in_a_search_leaves_products_their_threads() -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    both = faces(unit(np.random.default_rng(3), 900), np.arange(900) // 3)
    with threadpool_limits(3, "blas"):
        with pytest.raises(KeyboardInterrupt):
            ranks(both, both, np.arange(900), progress=stop)
        assert threads_of_blas() == {3}


def test_ranks_of_a_gallery_made_by_hand() -> None:
    #                  source  other of 0   people 1 and 2
    gallery = faces(at(40, 5, 10, 20, 90), [0, 0, 1, 2, 2])
    probe = faces(at(0), [0])
    found = ranks(probe, gallery, np.array([0]))
    assert found.image.tolist() == [4]
    assert found.identity.tolist() == [1]
    assert found.own == pytest.approx([np.cos(np.deg2rad(5))])
    assert found.other == pytest.approx([np.cos(np.deg2rad(10))])
    assert found.linked.tolist() == [0.5]  # 5 degrees are nearer than 10, 40 are not
    assert found.mates.tolist() == [2]
    assert found.neighbours[0, :6].tolist() == [1, 2, 3, 0, 4, -1]
    assert np.isnan(found.similarity[0, 5:]).all()
    found = ranks(faces(at(0), [0]), gallery, np.array([1]), leave_out_source=True)
    assert found.identity.tolist() == [3]  # 10 and 20 degrees come before 40
    assert found.image.tolist() == [6]
    assert found.mates.tolist() == [1]
    assert found.neighbours[0, :5].tolist() == [2, 3, 0, 4, -1]


def test_ties_are_counted_against_the_defender() -> None:
    gallery = faces(at(10, 10, 10, -10, 50), [1, 0, 2, 3, 4])
    found = ranks(faces(at(0), [0]), gallery, np.array([1]))
    assert found.image.tolist() == [1]
    assert found.identity.tolist() == [1]
    assert found.linked.tolist() == [0]  # but an equal similarity is no link


def test_duplicates_of_the_true_image_tie_wherever_they_lie() -> None:
    rng = np.random.default_rng(1)
    true = np.abs(unit(rng, 1, 512))  # sums of one sign round worst
    gallery = faces(np.repeat(true, 1500, axis=0), np.arange(1500))
    probes = faces(np.repeat(true, 300, axis=0) + 0, np.arange(300) * 5)
    found = ranks(probes, gallery, np.arange(300) * 5, block=37, tile=101)
    assert (found.image == 1).all()
    assert (found.identity == 1).all()


def test_equal_private_and_original_faces_are_all_found() -> None:
    rng = np.random.default_rng(2)
    both = faces(unit(rng, 500), np.arange(500) // 5)
    found = ranks(both, both, np.arange(500))
    assert (found.image == 1).all()
    assert (found.neighbours[:, 0] == np.arange(500)).all()


def test_failed_probes_and_failed_mates_are_found_at_no_rank_and_failed_images_stay() -> None:
    rng = np.random.default_rng(3)
    gallery = faces(unit(rng, 6), [0, 0, 1, 1, 2, 2])
    probes = faces(gallery.vectors.copy(), gallery.identity)
    probes.vectors[0] = np.nan
    gallery.vectors[2] = np.nan  # source of probe 2
    gallery.vectors[4:] = np.nan  # all of person 2
    found = ranks(probes, gallery, np.arange(6))
    assert found.image.tolist() == [7, 1, 7, 1, 7, 7]
    assert found.identity[[0, 1, 3, 4, 5]].tolist() == [7, 1, 1, 7, 7]
    assert found.identity[2] < 7
    assert found.mates.tolist() == [2] * 6
    gallery.vectors[:] = np.nan
    assert (ranks(probes, gallery, np.arange(6)).identity == 7).all()


def test_the_best_candidates_are_the_best() -> None:
    rng = np.random.default_rng(4)
    gallery = faces(unit(rng, 300), np.arange(300) // 3)
    probes = faces(unit(rng, 50), gallery.identity[:50])
    cosine = probes.vectors @ gallery.vectors.T
    found = ranks(probes, gallery, np.arange(50))
    assert (found.neighbours == np.argsort(-cosine, axis=1)[:, :TOP_K]).all()
    assert found.similarity == pytest.approx(-np.sort(-cosine, axis=1)[:, :TOP_K], abs=1e-6)
    cosine[np.arange(50), np.arange(50)] = -2
    found = ranks(probes, gallery, np.arange(50), leave_out_source=True)
    assert (found.neighbours == np.argsort(-cosine, axis=1)[:, :TOP_K]).all()


def test_candidates_that_come_in_rising_order_are_thinned_and_kept() -> None:
    angle = np.linspace(90, 1, 3000)
    gallery = faces(at(*angle), np.arange(3000))
    found = ranks(faces(at(0, 1), [0, 1]), gallery, np.array([0, 1]), tile=500)
    assert found.neighbours[0].tolist() == list(range(2999, 2989, -1))
    assert found.identity.tolist() == [3000, 2999]
    assert found.best.tolist() == [2999, 2999]


def test_where_there_is_one_person_everybody_is_found_and_nobody_linked_to_another() -> None:
    rng = np.random.default_rng(6)
    gallery = faces(unit(rng, 5), [3] * 5)
    found = ranks(faces(unit(rng, 2), [3, 3]), gallery, np.array([1, 4]))
    assert found.identity.tolist() == [1, 1]
    assert found.linked.tolist() == [1, 1]
    assert np.isnan(found.other).all()
    assert found.best.tolist() == [3, 3]
    alone = ranks(faces(at(0), [3]), faces(at(0), [3]), np.array([0]), leave_out_source=True)
    assert (alone.identity.tolist(), alone.mates.tolist(), alone.best.tolist()) == ([2], [0], [-1])
    assert (alone.neighbours == -1).all()


PEAK = """
import sys
from pathlib import Path
import numpy as np
from facebench.bench.attacks.base import Embeddings
from facebench.bench.biometrics.ranks import ranks

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

rng = np.random.default_rng(0)
n, people, memory = map(int, sys.argv[1:])
vectors = rng.standard_normal((n, 16), np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
both = Embeddings(vectors, np.arange(n) % people)
few = Embeddings(vectors[:300], both.identity[:300])
ranks(few, few, np.arange(300))  # what the libraries take for themselves
before = peak()
ranks(both, both, np.arange(n), memory=memory, block=n, tile=n)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not tell a process's peak")
@pytest.mark.parametrize(("n", "people", "memory"), [(12_000, 3_000, 2**24), (12_000, 3_000, 2**25), (3_000, 1, 2**24)])
def test_memory_stays_within_what_was_allowed_whatever_the_sizes(n: int, people: int, memory: int) -> None:
    command = [sys.executable, "-c", PEAK, str(n), str(people), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given_back = n * (9 * 8 + TOP_K * 12)
    taken = int(done.stdout)
    assert taken < memory + given_back + 32 * n + 2**22
    assert 3 * taken < (4 * n * n if people > 1 else 64 * n * n)  # all similarities, or all pairs, at once


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(AttackError, match=f"at least {LEAST_MEMORY} bytes to search with, got 1000"):
        ranks(GOOD, GOOD, np.arange(4), memory=1000)


def test_progress_reaches_its_end() -> None:
    told = []
    both = faces(unit(np.random.default_rng(5), 10), np.arange(10) // 2)
    ranks(both, both, np.arange(10), block=4, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10), (10, 10)]


GOOD = faces(at(0, 10, 20, 30), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("probes", "gallery", "source", "says"),
    [
        (faces(at(0, 10, 20, 30) * 0, [0, 0, 1, 1]), GOOD, range(4), "private .* face 0 .*length 1.* got length 0"),
        (GOOD, faces(at(0, 10, 20, 30) * 2, [0, 0, 1, 1]), range(4), "original .* got length 2"),
        (faces(np.full((4, 2), np.inf), [0, 0, 1, 1]), GOOD, range(4), "length inf"),
        (faces(unit(np.random.default_rng(0), 4, 3), [0, 0, 1, 1]), GOOD, range(4), "one width, got 3 and 2"),
        (faces(at(0, 10, 20), [0, 0, 1, 1]), GOOD, range(4), r"got \(3, 2\) and \(4,\)"),
        (faces(np.zeros((0, 2)), []), GOOD, range(0), "N and D at least 1"),
        (GOOD, GOOD, range(3), r"each of 4 private faces, got shape \(3,\)"),
        (GOOD, GOOD, [0, 1, -1, -1], "private face 2: expected an original from 0 to 3, got -1"),
        (GOOD, GOOD, [0, 1, 2, 4], "private face 3: expected an original from 0 to 3, got 4"),
        (GOOD, GOOD, [0, 2, 2, 3], "private face 1 .*label 0, got 1"),
    ],
)
def test_evidence_that_does_not_fit_is_refused_with_what_and_why(
    probes: Embeddings, gallery: Embeddings, source: Any, says: str
) -> None:
    with pytest.raises(AttackError, match=says):
        ranks(probes, gallery, np.array(source, np.int64))
