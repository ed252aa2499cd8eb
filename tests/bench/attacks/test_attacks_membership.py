"""Membership: rates and areas by hand, and intervals for members and others, both of whom are a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facebench.bench.attacks.leakage import arrays
from facebench.bench.attacks.membership import Candidates, Membership
from facebench.bench.audit.consistency import findings
from facebench.reports.result.record import Score
from facebench.reports.statistics import two_samples
from made_up import record
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu


def told(
    folder: Path, members: NDArray[np.float64], others: NDArray[np.float64], each: tuple[int, int] = (1, 1)
) -> dict[str, Score]:
    """The scores of the question about training, by name; so many photos of a person come one after the other."""
    person, other = (np.arange(len(seen)) // photos for seen, photos in zip((members, others), each, strict=True))
    found = Candidates(members.astype(np.float32), person, others.astype(np.float32), other, 0)
    arrays.write(found, folder / "training.npz")
    scores, _ = Membership().scores(folder, "membership")
    assert not findings(record().model_copy(update={"scores": tuple(scores)}))
    return {score.measure.name.removesuffix(" training"): score for score in scores}


def test_rates_and_areas_are_those_counted_by_hand(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    members, others = random.normal(0.5, 1, 300).round(1), random.normal(0, 1, 200).round(1)  # with ties
    found = told(tmp_path, members, others)
    expected = mannwhitneyu(members.astype(np.float32), others.astype(np.float32)).statistic / (300 * 200)
    assert found["membership auc"].value == pytest.approx(expected)
    threshold = np.sort(others.astype(np.float32))[-3]  # two of two hundred may lie above
    assert found["tpr@fpr=0.01"].value == pytest.approx((members.astype(np.float32) > threshold).mean())
    assert found["tpr@fpr=0.001"].value is None


def test_a_photo_drawn_several_times_counts_as_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    members, others = random.normal(0.3, 1, 80).round(1), random.normal(0, 1, 100).round(1)
    times = [random.integers(0, 4, len(seen)) for seen in (members, others)]
    asked: list[float] = []

    def once(statistic, first, second, *, seed):
        asked.append(statistic(*times))
        return interval(statistic, first, second, seed=seed)

    interval = two_samples.interval
    monkeypatch.setattr(two_samples, "interval", once)
    told(tmp_path, members, others)
    mine, theirs = (np.repeat(s.astype(np.float32), t) for s, t in zip((members, others), times, strict=True))
    allowed = int(0.01 * len(theirs))
    area = mannwhitneyu(mine, theirs).statistic / (len(mine) * len(theirs))
    expected = [(mine > np.sort(theirs)[-1 - allowed]).mean(), area]
    assert asked == pytest.approx(expected)


def test_the_interval_covers_the_truth_where_people_of_both_groups_differ(tmp_path: Path) -> None:
    random, draws, area, rate = np.random.default_rng(0), 60, 0, 0
    for _ in range(draws):  # a person's photos resemble the release alike; nobody's are told from anybody's
        members, others = (
            (random.normal(0, 1, (people, 1)) + random.normal(0, 0.3, (people, 5))).ravel() for people in (80, 40)
        )
        found = told(tmp_path, members, others, (5, 5))
        auc, tpr = found["membership auc"].intervals[0], found["tpr@fpr=0.01"].intervals[0]
        assert auc.kind == two_samples.KIND
        area += auc.low <= 0.5 <= auc.high
        rate += tpr.low <= 0.01 <= tpr.high
    assert area / draws >= 0.88  # 0.77 with members alone resampled, 0.63 with photos
    assert rate / draws >= 0.88  # 0.67 with either


def test_members_who_are_all_one_person_have_an_interval(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    found = told(tmp_path, random.normal(0, 1, 20), random.normal(0, 1, 200), (20, 4))
    area = found["membership auc"]
    assert area.value is not None
    assert area.intervals[0].low <= area.value <= area.intervals[0].high
    assert area.intervals[0].kind == two_samples.KIND


def test_members_who_are_of_another_kind_than_the_others_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    members, others = random.normal(0, 1, 200), random.normal(0, 1, 200)
    alike = told(tmp_path, members, others, (4, 5))["membership auc"]
    assert (alike.detail["photos_each"], alike.detail["photos_each_other"], alike.note) == (4, 5, "")
    found = told(tmp_path, members, others, (1, 5))
    assert found["membership auc"].note.startswith("members have 1.0 photos each and the others 5.0: they are not of")
    assert "rule of 30 asks for 30; members have 1.0" in found["tpr@fpr=0.01"].note
