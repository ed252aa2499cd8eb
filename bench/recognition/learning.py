"""Whether a recognizer had learned when its training ended, told from the log of its training.

The end of the log does not say it: the rate is brought to zero there, and the loss stands still however much is left.
So the pace is taken where the rate was still high, at the end of that part.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...reports.result.parts import Learning

Numbers = NDArray[np.float64]
HIGH = 0.25
"""Share of the peak rate from which on a step counts as one of high rate."""
WINDOW = 0.5
"""Share of the steps of high rate, the last of them, over which the pace is taken."""
LEAST = 10
"""Fewest steps of a window; of a shorter training nothing is told."""
MUCH = 0.2
"""Share of the first loss: more than this left to learn is much.

Measured on photographs with the recognizer of the recipe `small`: masked faces .50 after 500 steps and .23 after
1,100; original faces .07 after 500."""
CLEAR = 3.0
"""So many standard errors make a fall clear."""


def learning(log: Path) -> Learning | None:
    """How much a training left to learn; None where its log does not tell.

    Args:
        log: JSON lines with `step`, `loss` and `lr`, one a step.
    """
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        loss = np.array([line["loss"] for line in lines], dtype=np.float64)
        rate = np.array([line["lr"] for line in lines], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return judged(loss, rate)


def judged(loss: Numbers, rate: Numbers) -> Learning | None:
    """The same from the numbers themselves.

    `left` is what training as long again would take off the loss at the pace of the last steps of high rate, and no
    more than there is, as a share of the loss at the beginning.

    Args:
        loss: [steps].
        rate: [steps], the learning rate of each.
    """
    if not len(loss) or not (np.isfinite(loss).all() and np.isfinite(rate).all()) or rate.max() <= 0:
        return None
    peak = int(rate.argmax())
    high = np.flatnonzero(rate[peak:] >= HIGH * rate.max()) + peak
    window = high[-max(LEAST, round(WINDOW * len(high))) :]
    if len(window) < LEAST:
        return None
    edge = max(1, len(loss) // 20)
    start, end = float(loss[:edge].mean()), float(loss[-edge:].mean())
    if start <= 0:
        return None
    pace, error = _line(window.astype(np.float64), loss[window])
    left = min(max(0.0, -pace * len(loss)), max(0.0, end)) / start
    clear = -pace > CLEAR * error
    return Learning(steps=len(loss), start=start, end=end, left=left, still=clear and left > MUCH)


def _line(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Slope of the line of least squares and its standard error.

    Neighbouring steps are taken for independent: batches are drawn anew for each.
    """
    x = x - x.mean()
    slope = float((x @ y) / (x @ x))
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt((rest @ rest) / (len(y) - 2) / (x @ x)))
