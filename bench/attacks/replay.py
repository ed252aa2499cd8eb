"""The attacker who replays a release (TR): all that is published, and all originals, but not the release's key.

Whoever publishes masks, noise or an order that follow from a public number has published the originals' names: the
pattern of hidden patches alone tells which photograph it was. Nobody has to look at a face for that.

Source: the suite's protocol, section 10 (`replay`); Kerckhoffs, "La cryptographie militaire", 1883, for what
an attacker is to be credited with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...methods.parts.release_order import release_order
from ...reports.result.record import Curve, Measure, Score
from ...reports.statistics.intervals import clustered
from ..biometrics.embeddings import AttackError
from .base import Attack, Evidence, NotApplicableError
from .leakage import arrays
from .leakage.traces import NO_GUESS, Files, guesses, is_plain

if TYPE_CHECKING:
    from ...datasets.base import Faces, Progress

FILE = "replay.npz"
EQUAL = 1.0
"""Mean difference, in levels of grey, up to which a face that was made again is the released one: another processor
rounds otherwise, another mask is tens of levels away."""
RECOMPUTED = "recomputed"
COUNTED = "photos per person"
_LEAK = Measure(
    name="leak@1",
    side="privacy",
    better="lower",
    says="share of private faces whose photo is told by what is published beside the picture: randomness that can be "
    "made again, order, sizes and headers of files, equal files",
    headline=True,
)
_COUNTED = Measure(
    name="leak@1 by count",
    side="privacy",
    better="lower",
    says="share of private faces whose person is told by how many photos there are of them",
)


@dataclass(frozen=True)
class Replayed:
    """What the attacker found, channel by channel."""

    channels: NDArray[np.str_]
    """[C], their names."""
    photo: NDArray[np.float32]
    """[C, Q], with which chance the channel names the photo; NaN where the face was not tried."""
    counted: NDArray[np.bool_]
    """[Q], where the number of photos named the person."""
    identity: NDArray[np.int64]
    """[Q], whose face each is."""
    gallery: int
    """Originals."""
    chance: float
    """Of naming a person by the number of photos, without looking."""
    seed: int
    missed: int = 0
    """How many of the faces, the last ones, the method never made: they are not found."""


class Replay(Attack):
    """Make released faces again with the published code, and read order, sizes and headers of the files (TR).

    The attacker applies the method to originals with keys of their own. A face that comes out equal to the released
    one needs no key: its method draws no random numbers, or draws all of them from something public. The faces are
    looked at in the order in which `bench privatize` publishes them.
    """

    version: ClassVar[int] = 3
    control: ClassVar[bool] = False
    applies: ClassVar[bool] = True
    unit: ClassVar[str] = "faces"
    default: ClassVar[bool] = True
    place: ClassVar[int] = 80

    faces: Annotated[int, Field(ge=1, le=10**6)] = 64
    """How many faces are made again; all of them where the method draws no random numbers."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Try every channel.

        Raises:
            AttackError: private faces without a source.
        """
        if evidence.source is None:
            raise AttackError("replay: expected a source of each private face, got faces made from no originals")
        private, identity = evidence.private_faces, evidence.private.identity
        rows = self._sample(len(private), evidence.seed)
        plain = all(is_plain(private.encoded(row), private[row].image) for row in rows.tolist())
        released = Files.look(identity, _files(private, evidence.progress))
        digest = np.array([list(bytes.fromhex(each)) for each in released.content], np.uint8)
        ties = np.random.default_rng((evidence.seed, 14)).integers(0, 2**63, len(identity), dtype=np.uint64)
        labels, order = release_order(identity, digest, ties)
        published, whose = released.take(order, labels), evidence.original.identity
        silent = plain and not published.differ
        originals = _files(evidence.original_faces, evidence.progress)
        original = Files.unseen(whose) if silent else Files.look(whose, originals)
        source = evidence.source[order]
        hits = {}
        for name, guess in guesses(published, original, seed=evidence.seed, plain=plain).items():
            if name == COUNTED:
                named = np.where(guess == NO_GUESS, -1, original.identity[guess])
                counted = named == original.identity[source]
            else:
                hits[name] = (guess == source).astype(np.float32)
        hits[RECOMPUTED] = self._made_again(evidence)[order]
        lost = evidence.missed
        nothing = [np.full(len(lost), np.nan if np.isnan(hit).any() else 0, np.float32) for hit in hits.values()]
        arrays.write(
            Replayed(
                channels=np.array(list(hits)),
                photo=np.concatenate([np.stack(list(hits.values())), np.stack(nothing)], axis=1),
                counted=np.concatenate([counted, np.zeros(len(lost), bool)]),
                identity=original.identity[np.concatenate([source, lost])],
                gallery=len(original.size),
                chance=float(((np.unique(original.identity, return_counts=True)[1] / len(original.size)) ** 2).sum()),
                seed=evidence.seed,
                missed=len(lost),
            ),
            out / FILE,
        )

    def _made_again(self, evidence: Evidence) -> NDArray[np.float32]:
        """[Q], 1/k for a face that k originals give under a key of the attacker's, its own among them; else 0."""
        count, source = len(evidence.private_faces), evidence.source
        assert source is not None  # noqa: S101 - `run` refused it
        found = np.full(count, np.nan, np.float32)
        # a set made as a whole comes out equal only as a whole
        rows = np.arange(count) if evidence.deterministic else self._sample(count, evidence.seed)
        try:
            again = evidence.again(source[rows])
        except NotApplicableError:
            return found
        made: dict[bytes, int] = {}
        equal = {}
        for place, row in enumerate(rows.tolist()):
            ours, theirs = again[place].image, evidence.private_faces[row].image
            look = hashlib.sha256(ours.numpy().tobytes()).digest()
            made[look] = made.get(look, 0) + 1
            if float((ours.int() - theirs.int()).abs().float().mean()) <= EQUAL:
                equal[row] = look
        found[rows] = 0
        for row, look in equal.items():
            found[row] = 1 / made[look]
        return found

    def _sample(self, count: int, seed: int) -> NDArray[np.int64]:
        """Rows that are looked at one by one."""
        drawn = np.random.default_rng((seed, 13)).choice(count, min(count, self.faces), replace=False)
        return np.sort(drawn)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Leak@1 by the channel that tells most photos, each channel's beside it, and what counting photos tells.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        found = arrays.read(Replayed, out / FILE)
        rates: dict[str, float | None] = {}
        for channel, hit in zip(found.channels.tolist(), found.photo, strict=True):
            tried = ~np.isnan(hit)
            rates[channel] = float(hit[tried].mean()) if tried.any() else None
            rates[f"{channel}, hits"] = float(hit[tried].sum()) if tried.any() else None
        best = max(found.channels.tolist(), key=lambda channel: rates[channel] or 0.0)
        hit = found.photo[found.channels.tolist().index(best)]
        tried = ~np.isnan(hit)
        leak = _score(_LEAK, name, hit[tried], found.identity[tried], 1 / found.gallery, found)
        detail: dict[str, Any] = {**rates, "gallery": found.gallery}
        if found.missed:
            made = tried[: len(hit) - found.missed]
            detail["leak_excl_failures"] = float(hit[: len(made)][made].mean()) if made.any() else None
        note = f"told most by: {best}" if rates[best] else ""
        counted = _score(_COUNTED, name, found.counted, found.identity, found.chance, found)
        return [leak.model_copy(update={"detail": detail, "note": note}), counted], []


def _files(faces: Faces, progress: Progress) -> Iterator[bytes]:
    """All image files, one at a time."""
    for row in range(len(faces)):
        yield faces.encoded(row)
        progress(row + 1, len(faces))


def _score(
    measure: Measure, on: str, hit: NDArray[Any], person: NDArray[np.int64], chance: float, found: Replayed
) -> Score:
    intervals = clustered(hit, person)
    return Score(measure=measure, on=on, value=float(hit.mean()), n=len(hit), intervals=intervals, chance=chance)
