"""What an attacker still finds where the photo behind a private face is not in the gallery, but others of its person.

The photo that was made private is rarely public; other photos of the same person often are. Attackers who learn are
told of both ways: with the very photo in the gallery, the worst case and their headline, and without it.
"""

from __future__ import annotations

from pathlib import Path

from ....reports.board.marks import OTHER_PHOTO
from ....reports.result.record import Measure, Score
from . import arrays
from .leak_at_k import SearchResult, beside

FILE = "other_photo.npz"
MEASURE = Measure(
    name=OTHER_PHOTO,
    side="privacy",
    better="lower",
    says="share of private faces whose person is the best match, where the photo they were made from is not there",
)


def write(found: SearchResult, out: Path) -> None:
    """Keep what was found without the sources in the folder `out`."""
    arrays.write(found, out / FILE)


def scores(out: Path, on: str) -> list[Score]:
    """Leak@1 (identity) without the sources, of the probes whose person has another image."""
    return beside(out / FILE, MEASURE, on)
