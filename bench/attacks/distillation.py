"""The distilling attacker (T2c): a network that gives private faces the embeddings of their originals.

Source: the suite's protocol, section 2, after FaceLinkGen (2026): a student f_s is trained on people of the
attacker's own so that f_s(private) comes near f_t(original), with the loss 1 - cos.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ...datasets.base import silent
from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import Embeddings, embed_by
from .adaptive.selection import IDENTITY, divide, fused_with_judge, learned_scores, select, write
from .base import Attack, Evidence, Paired
from .leakage.search import RankList, SearchSpace, search

if TYPE_CHECKING:
    from torch import Tensor, nn


class Distillation(Attack):
    """Search private faces as a student sees them, whom people of role A taught to see through the method (T2c).

    Some of A's people teach; the others choose how much the student's view counts beside the judge's.
    """

    version: ClassVar[int] = 4
    adaptive: ClassVar[bool] = True
    unit: ClassVar[str] = "steps"
    place: ClassVar[int] = 60

    architecture: Literal["small", "mobilefacenet", "iresnet18", "iresnet50"] = "small"
    """Of the student."""
    steps: Annotated[int, Field(ge=1, le=10**9)] = 500
    """Of the optimizer, one batch each."""
    batch: Annotated[int, Field(ge=2, le=10**6)] = 64
    """Faces a step."""
    lr: Annotated[float, Field(gt=0, le=10)] = 2e-3
    """The highest rate."""
    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Train the student, then rank the source image and the person of every private face.

        Raises:
            NotApplicableError: the method cannot be applied to people of role A, they are too few, or training
                diverged.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        known = divide(evidence.attacker(), evidence.seed)
        network = self._student(known.train, evidence)

        def see(people: Paired) -> SearchSpace:
            vectors = embed_by(network, people.private_faces, device=evidence.device)
            return SearchSpace(Embeddings(vectors, people.private.identity), people.original)

        choice = select([IDENTITY, *fused_with_judge("student", see)], known.validation)
        search(
            replace(evidence, progress=silent),
            choice.candidate.space_of,
            out,
            other_photos=choice.other_photos.space_of,
        )
        write(out, choice, known.train, steps=self.steps)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells, and what was chosen.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return learned_scores(out, self.k, name)

    def _student(self, train: Paired, evidence: Evidence) -> nn.Module:
        import torch
        from torch.nn.functional import cosine_similarity

        from ...datasets.views.loader import read
        from ...facemae.recognition import embedder
        from ...facemae.runtime.pixels import to_float
        from .adaptive.training import fit, mirror

        images, _ = read(train.private_faces)
        wanted = torch.from_numpy(train.original.vectors[train.source]).to(evidence.device)

        def loss(network: nn.Module, rows: Tensor, mirrored: Tensor) -> Tensor:
            x = to_float(mirror(images[rows], mirrored).to(evidence.device)).contiguous(
                memory_format=torch.channels_last
            )
            return (1 - cosine_similarity(network(x), wanted[rows], dim=1)).mean()

        width = train.original.vectors.shape[1]
        return fit(
            lambda: embedder.build(self.architecture, dim=width), loss, len(images), steps=self.steps, batch=self.batch,
            lr=self.lr, seed=evidence.seed, device=evidence.device, progress=evidence.progress,
        )  # fmt: skip
