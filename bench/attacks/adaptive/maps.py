"""Maps from where a recognizer puts private faces to where it puts their originals, learned from pairs.

Rows are embeddings, [M, D] float32 of unit length; what a map gives is of unit length again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Map = Callable[[Floats], Floats]
Kind = Literal["procrustes", "ridge", "mlp"]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of ridge regression, as shares of the private embeddings' mean variance times their number."""
STEPS, BATCH, RATE, TEMPERATURE = 400, 256, 1e-3, 0.07
"""Of the perceptron's training: Adam with cosine decay; the temperature of its contrastive loss."""


class Learner(NamedTuple):
    """One way to learn a map."""

    name: str
    learn: Callable[[Floats, Floats], Map]
    """Private and original embeddings, row by row of one face, to a map."""


def learners(kinds: Sequence[Kind], seed: int) -> list[Learner]:
    """All that are to be tried; the first leaves embeddings as they are, which is the ignorant attacker."""
    found = [Learner("none", lambda private, original: unit)]
    if "procrustes" in kinds:
        found.append(Learner("procrustes", procrustes))
    if "ridge" in kinds:
        for penalty in PENALTIES:
            found.append(Learner(f"ridge {penalty:g}", lambda x, y, p=penalty: ridge(x, y, p)))  # type: ignore[misc]
    if "mlp" in kinds:
        found.append(Learner("mlp", lambda private, original: mlp(private, original, seed)))
    return found


def procrustes(private: Floats, original: Floats) -> Map:
    """The rotation that brings centred private embeddings nearest to centred originals (Schönemann 1966)."""
    from scipy.linalg import orthogonal_procrustes

    before, after = private.mean(axis=0), original.mean(axis=0)
    turned, _ = orthogonal_procrustes((private - before).astype(np.float64), (original - after).astype(np.float64))
    turn = turned.astype(np.float32)
    return lambda rows: unit((rows - before) @ turn + after)


def ridge(private: Floats, original: Floats, penalty: float) -> Map:
    """The affine map of least squared error, its slopes held back by `penalty` times the mean variance."""
    from scipy.linalg import solve

    before, after = private.mean(axis=0), original.mean(axis=0)
    x, y = (private - before).astype(np.float64), (original - after).astype(np.float64)
    gram = x.T @ x
    held = penalty * max(float(np.trace(gram)) / len(gram), 1e-12)
    slopes = solve(gram + held * np.eye(len(gram)), x.T @ y, assume_a="pos").astype(np.float32)
    return lambda rows: unit((rows - before) @ slopes + after)


def mlp(private: Floats, original: Floats, seed: int) -> Map:
    """A perceptron of one hidden layer beside a linear path, trained to tell each face's original from the others'.

    The loss is contrastive (InfoNCE, van den Oord et al., arXiv 1807.03748) over the batch's originals. It trains
    on the processor with one seed, so that equal embeddings give an equal map.
    """
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy, normalize

    width = private.shape[1]
    x, y = torch.from_numpy(private.copy()), torch.from_numpy(original.copy())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        straight = nn.Linear(width, width)
        last = nn.Linear(2 * width, width)
        bent = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.3), last)
        nn.init.eye_(straight.weight)
        nn.init.zeros_(straight.bias)
        nn.init.zeros_(last.weight)
        learners = [*straight.parameters(), *bent.parameters()]
        optimizer = torch.optim.AdamW(learners, lr=RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        drawn = torch.Generator().manual_seed(seed)
        bent.train()
        for _ in range(STEPS):
            rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=drawn)
            made = normalize(straight(x[rows]) + bent(x[rows]), dim=1)
            loss = cross_entropy(made @ y[rows].T / TEMPERATURE, torch.arange(len(rows)))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        bent.eval()

    def map_rows(rows: Floats) -> Floats:
        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(rows))
            made: Floats = (straight(given) + bent(given)).numpy()
        return unit(made)

    return map_rows


def unit(rows: Floats) -> Floats:
    """Rows of length 1; one of NaN stays so, and one of zeros becomes NaN: there is nothing to compare."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: Floats = np.where(lengths > 0, rows / lengths, np.nan).astype(np.float32)
    return scaled
