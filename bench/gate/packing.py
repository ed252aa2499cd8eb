"""Trials as a baseline keeps them: packed bits as two short texts."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from ..compare.trials import CHOSEN, EQUAL, Trials
from ..metrics.accuracy import MEASURE as ACCURACY
from .baseline import BaselineError, BaselineScore

MEAN_OF_FOLDS = 5
"""A mean over ten folds, of which some are larger by one or two pairs, is a count of pairs but for this."""


def pack(found: Trials | None) -> tuple[str, str]:
    """Trials as two short texts, `trials` and `people` of a baseline: bits, and steps from label to label."""
    if found is None:
        return "", ""
    people = "" if found.person is None else _text(np.diff(found.person, prepend=0).astype("<i4").tobytes())
    return _text(np.packbits(found.hit).tobytes()), people


def unpack(kept: BaselineScore) -> Trials | None:
    """The trials of a baseline's score, or None where it has none.

    Raises:
        BaselineError: they are damaged, or do not give the score's value.
    """
    if not kept.trials:
        return None
    what = f"{kept.measure} on {kept.on}"
    bits = np.frombuffer(_bytes(kept.trials, (kept.n + 7) // 8, what), np.uint8)
    hit = np.unpackbits(bits, count=kept.n).astype(np.bool_)
    person = None
    if kept.people:
        person = np.frombuffer(_bytes(kept.people, 4 * kept.n, what), "<i4").cumsum(dtype=np.int64)
    if abs(float(hit.mean()) - kept.value) > MEAN_OF_FOLDS / kept.n + EQUAL:
        raise BaselineError(
            f"baseline: {what}: the trials give {hit.mean():.4f}, the value is {kept.value:.4f}; was it edited by "
            "hand? Make the baseline anew with --update"
        )
    return Trials(hit, person, CHOSEN if kept.measure == ACCURACY.name else 1.0)


def _text(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _bytes(text: str, size: int, what: str) -> bytes:
    try:
        packed = zlib.decompressobj()
        content = packed.decompress(base64.b64decode(text, validate=True), size + 1)  # no more, whatever is packed
        if len(content) != size or not packed.eof:
            raise ValueError(f"expected {size} bytes, got {'more' if len(content) > size else len(content)}")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise BaselineError(
            f"baseline: the trials of {what} are damaged ({error}); restore the file or make it anew with --update"
        ) from error
    return content
