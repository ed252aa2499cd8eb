"""Whether a verification set is what it should be: opened, counted, and every image decoded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..base import DataError, PairSource, Progress, silent
from ..bin import Bin
from ..pairs import PairsTxt
from .check import Undecodable

FOLDS = 10
"""The usual accuracy is taken over ten runs of consecutive pairs, and expects genuine and impostor pairs in each."""
_REASONS = 1000
"""Reasons kept in full."""


@dataclass(frozen=True)
class PairReport:
    """What `check_pairs` found in a set."""

    name: str
    pairs: int = 0
    genuine: int = 0
    impostors: int = 0
    undecodable: tuple[Undecodable, ...] = ()
    """Images that are no faces; images 2i and 2i + 1 are pair i."""
    one_kind: tuple[int, ...] = ()
    """Of the ten folds, from 1, those with genuine pairs only, or with impostors only."""
    unreadable: str = ""
    """Why the set cannot be read at all; empty where it can."""
    lacks: str = ""
    """What pairs it lacks to measure accuracy on; empty where it lacks none."""

    @property
    def usable(self) -> bool:
        """Whether it can be read, every image decoded, and accuracy measured."""
        return not (self.unreadable or self.undecodable or self.lacks)


def check_pairs(name: str, source: PairSource, *, progress: Progress = silent) -> PairReport:
    """Read a verification set; nothing found is an error here, it is reported.

    Args:
        name: of the set.
        source: its description.
        progress: told of images decoded; total is only known once the set is read.
    """
    try:
        if isinstance(source, Bin | PairsTxt):
            images, same, where = source.encoded()
            bad = _undecodable(images, where, source.resize, progress)
        else:
            same, bad = source.open().same, ()
    except DataError as error:
        return PairReport(name, unreadable=str(error))
    genuine = int(same.sum())
    return PairReport(name, len(same), genuine, len(same) - genuine, bad, one_kind(same), lacks=_lacks(same))


def refuse(found: PairReport) -> None:
    """Go on with a verification set only where it can be used.

    Raises:
        DataError: it cannot; the message says why, as `bench data verify` does.
    """
    if found.usable:
        return
    bad = found.undecodable
    more = f" (and {len(bad) - 1:,} images more; `bench data verify` lists them)" if len(bad) > 1 else ""
    why = found.unreadable or found.lacks or f"{bad[0].reason}{more}"
    raise DataError(f"verification set {found.name}: {why}")


def _lacks(same: NDArray[np.bool_]) -> str:
    if same.any() and not same.all():
        return ""
    return (
        f"expected genuine and impostor pairs, got {len(same):,} pairs that are all "
        f"{'genuine' if same.all() else 'impostor'}; accuracy needs both: use a set that has them"
    )


def one_kind(same: NDArray[np.bool_]) -> tuple[int, ...]:
    """Of ten folds of consecutive pairs, numbered from 1, those that hold one kind of pair only.

    Args:
        same: [N], genuine or impostor.
    """
    folds = np.array_split(same, FOLDS)
    return tuple(number for number, fold in enumerate(folds, 1) if len(fold) and (fold.all() or not fold.any()))


def _undecodable(images: list[bytes], where: list[str], resize: bool, progress: Progress) -> tuple[Undecodable, ...]:
    from ..files.codec import decode
    from ..files.image_header import of_pairs

    def reason(index: int) -> str | None:
        try:
            decode(images[index], where=where[index], resize=resize)
        except DataError as error:
            return of_pairs(str(error))
        return None

    first: dict[int, int] = {}  # an object that occurs several times is decoded once
    origins = [first.setdefault(id(image), index) for index, image in enumerate(images)]
    reasons: dict[int, str] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        todo, done = iter(first.values()), 0
        while block := list(islice(todo, 1024)):
            reasons.update((i, says) for i, says in zip(block, pool.map(reason, block), strict=True) if says)
            done += len(block)
            progress(done, len(first))
    return tuple(_told(index, reasons[origin], n) for n, (index, origin) in enumerate(_bad(origins, reasons)))


def _bad(origins: list[int], reasons: dict[int, str]) -> Iterator[tuple[int, int]]:
    return ((index, origin) for index, origin in enumerate(origins) if origin in reasons)


def _told(index: int, reason: str, number: int) -> Undecodable:
    return Undecodable(index, reason if number < _REASONS else f"as the first {_REASONS}, or otherwise")
