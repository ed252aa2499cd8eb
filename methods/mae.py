"""A masked autoencoder trained on pixels alone: FaceMAE without relation matching."""

from __future__ import annotations

from typing import Any, ClassVar

from .parts.autoencoder import Rebuilder


class MAE(Rebuilder):
    """Masked autoencoder with the pixel loss alone: the ablation that shows what relation matching adds.

    All else is `facemae`'s, with the same names and defaults. With `compose: pasted` the loss is on hidden
    patches only, which is the published MAE.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377).
    """

    version: ClassVar[int] = 2

    def _losses(self) -> dict[str, Any]:
        return {"relation_weight": 0.0, "pixel_weight": 1.0}
