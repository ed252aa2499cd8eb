"""The restoring attacker (T3): a network that turns private faces back into originals, which are then searched.

Source: de-anonymization by image-to-image networks, Fantômas (Todt et al., arXiv 2210.10651), where 11 of 15
anonymizers were at least partly undone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ...datasets.base import Faces, silent
from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import Embeddings
from .adaptive.selection import IDENTITY, divide, fused_with_judge, learned_scores, select, write
from .base import Attack, Evidence, Paired
from .leakage.search import RankList, SearchSpace, search

if TYPE_CHECKING:
    from torch import Tensor, nn

PICTURE = "restored.png"
_SHOWN = 8


class Restore(Attack):
    """Search restored private faces: a U-Net learns on people of role A to undo the method (T3).

    Some of A's people teach; the others choose how much the view of restored faces counts beside that of private ones.
    Some restored faces of the validation people are kept as a picture, which stays in the store.
    """

    version: ClassVar[int] = 4
    adaptive: ClassVar[bool] = True
    unit: ClassVar[str] = "steps"
    place: ClassVar[int] = 70

    width: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 32
    """Channels of the network at a quarter of the size."""
    steps: Annotated[int, Field(ge=1, le=10**9)] = 300
    """Of the optimizer, one batch each."""
    batch: Annotated[int, Field(ge=1, le=10**6)] = 32
    """Faces a step."""
    lr: Annotated[float, Field(gt=0, le=10)] = 2e-3
    """The highest rate."""
    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Train the network, then rank the source image and the person of every restored face.

        Raises:
            NotApplicableError: the method cannot be applied to people of role A, they are too few, or training
                diverged.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        from .adaptive.restored import Restored, picture

        known = divide(evidence.attacker(), evidence.seed)
        network = self._network(known.train, evidence)

        def restored(people: Paired) -> Faces:
            return Restored(people.private_faces, network, evidence.device)

        def see(people: Paired) -> SearchSpace:
            return SearchSpace(
                Embeddings(evidence.embed(restored(people)).vectors, people.private.identity), people.original
            )

        choice = select([IDENTITY, *fused_with_judge("restored", see)], known.validation)
        search(
            replace(evidence, progress=silent),
            choice.candidate.space_of,
            out,
            other_photos=choice.other_photos.space_of,
        )
        write(out, choice, known.train, steps=self.steps)
        picture(known.validation, restored(known.validation), out / PICTURE, shown=_SHOWN)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells, and what was chosen.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return learned_scores(out, self.k, name)

    def _network(self, train: Paired, evidence: Evidence) -> nn.Module:
        import torch
        from torch.nn.functional import l1_loss

        from ...datasets.views.loader import read
        from ...facemae.runtime.pixels import to_float
        from .adaptive.training import fit, mirror
        from .adaptive.unet import UNet

        private, (original, _) = read(train.private_faces)[0], read(train.original_faces)
        source = torch.from_numpy(train.source)

        def prepared(images: Tensor, mirrored: Tensor) -> Tensor:
            x = to_float(mirror(images, mirrored).to(evidence.device))
            return x.contiguous(memory_format=torch.channels_last)

        def loss(network: nn.Module, rows: Tensor, mirrored: Tensor) -> Tensor:
            wanted = prepared(original[source[rows]], mirrored)
            return l1_loss(network(prepared(private[rows], mirrored)), wanted)

        return fit(
            lambda: UNet(self.width), loss, len(private), steps=self.steps, batch=self.batch,
            lr=self.lr, seed=evidence.seed, device=evidence.device, progress=evidence.progress,
        )  # fmt: skip
