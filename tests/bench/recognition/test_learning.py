"""Whether a recognizer had learned when its training ended: made-up logs, and short real trainings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.bench.recognition.learning import judged, learning
from facebench.bench.recognition.recognizer import LOG, Recognizer, _rate, train
from facebench.datasets.synthetic import Synthetic


def rates(steps: int) -> np.ndarray:
    how = Recognizer(steps=steps, warmup=0.1)
    return np.array([0.1 * _rate(step, how) for step in range(steps)])


def falling(steps: int, to: float, until: float, noise: float = 0.4, seed: int = 0) -> np.ndarray:
    """A loss that falls from 20 in a straight line and stays at `to` from a share of the steps on."""
    at = np.arange(steps) / steps
    line = np.where(at < until, 20 + (to - 20) * at / until, to)
    return line + np.random.default_rng(seed).normal(0, noise, steps)


@pytest.mark.parametrize("steps", [200, 500, 4000])
@pytest.mark.parametrize(
    ("to", "until", "still"),
    [
        (10.0, 1.0, True),  # half of it is left, and it falls
        (10.0, 0.35, False),  # a plateau: longer training of this kind finds no more
        (1.0, 0.6, False),  # next to nothing is left
        (20.0, 1.0, False),  # nothing is learned, and nothing will be
    ],
)
def test_it_goes_by_what_is_left_and_by_the_pace_at_high_rate(steps: int, to: float, until: float, still: bool) -> None:
    found = judged(falling(steps, to, until), rates(steps))
    assert found is not None
    assert found.still is still
    assert found.steps == steps
    assert found.end == pytest.approx(to, abs=1.5)


def test_a_fall_within_the_noise_is_none() -> None:
    """Of 200 logs that do not fall, with noise as large as the loss, hardly any is marked."""
    made = [judged(falling(60, 20, 1, noise=10, seed=seed), rates(60)) for seed in range(200)]
    assert sum(found is not None and found.still for found in made) <= 2
    assert sum(found is not None and found.left > 0.2 for found in made) > 20  # which the pace alone would mark


def test_a_rate_that_goes_to_zero_hides_nothing() -> None:
    """The loss stands still over the last fifth of the steps, where the rate is next to zero."""
    loss = falling(500, 10, 0.8)
    assert np.ptp(loss[-100:].reshape(4, 25).mean(axis=1)) < 0.5
    found = judged(loss, rates(500))
    assert found is not None
    assert found.still


def test_logs_that_do_not_tell(tmp_path: Path) -> None:
    assert learning(tmp_path / "none.jsonl") is None
    (tmp_path / "half.jsonl").write_text('{"step": 0, "loss": 20.0, "lr": 0.1}\n{"step": 1, "lo')
    assert learning(tmp_path / "half.jsonl") is None
    few = "".join(json.dumps({"step": n, "loss": 20.0 - n, "lr": 0.1}) + "\n" for n in range(5))
    (tmp_path / "few.jsonl").write_text(few)
    assert learning(tmp_path / "few.jsonl") is None
    assert judged(np.full(50, np.nan), rates(50)) is None


def test_real_trainings_that_ended_too_early_and_late_enough(tmp_path: Path) -> None:
    """A hundred people of whom sixty steps teach half; a dozen that ninety steps teach all."""
    found = []
    for people, steps in ((100, 60), (12, 90)):
        out = tmp_path / str(steps)
        out.mkdir()
        how = Recognizer(architecture="small", dim=32, steps=steps, batch=16, lr=0.05, margin=0.3, scale=32, warmup=0.1)
        faces = Synthetic(people=people, images=3).open()
        train(faces, out, how, seed=0, device=torch.device("cpu"))
        found.append(learning(out / LOG))
    assert [each.still for each in found if each] == [True, False]
