"""FaceMAE: hide most of a face, rebuild it so that the faces of a set relate to each other as before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Fit, MethodError
from .parts import brought
from .parts.autoencoder import LOG, WEIGHTS, Rebuilder

__all__ = ["LOG", "WEIGHTS", "FaceMAE"]

_IN_A_RELEASE = frozenset({"release_ratio", "mask", "face_share"})
"""What may be another in a release than in training."""


class FaceMAE(Rebuilder):
    """Masked autoencoder with instance relation matching (Wang et al., arXiv 2205.11090).

    A vision transformer sees a quarter of a face's patches and rebuilds it. Trained on other people, it is then
    applied as it is. The paper's code was never released: what its abstract does not say (sizes, formula of the
    relation loss, weights, teacher, length, composition) is **our reading**, and a parameter. The defaults suit
    two processor cores: 1,500 cheap steps of the pixel loss, then 100 dear ones with relations. After fewer, faces look
    like coloured mosaics; after these, like blurred faces behind a texture that means something to recognizers only.
    """

    version: ClassVar[int] = 3

    relation: Literal["gram", "distance", "cross"] = "gram"
    """What is matched (our reading): inner products, distances, or inner products with the originals: leaks more."""
    relation_weight: Annotated[float, Field(ge=0, le=1e6)] = 10.0
    """Of the relation loss beside the pixel loss (our reading)."""
    pixel_weight: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """On the [-1, 1] scale, once relations have set in. The more, the more useful and the easier to find faces are."""
    relation_start: Annotated[float, Field(ge=0, lt=1)] = 0.9375
    """Share of the steps that begin with the pixel loss alone; then relation matching sets in (our reading). A step
    without a teacher costs a tenth, so that much can be learned before the dear ones begin."""
    relation_lr: Annotated[float, Field(gt=0, le=1)] | None = 1e-3
    """The highest learning rate once relations have set in, whose schedule begins then; none means `lr`."""
    memory: Annotated[int, Field(ge=0, le=65_536)] = 0
    """Faces of earlier batches with which a batch is related, too (our reading); for small batches."""
    teacher_blur: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Deviation in pixels of a Gaussian through which the teacher sees rebuilt faces (our reading): relations then
    cannot be met by a fine texture that means something to this teacher alone."""
    teacher: Path | None = None
    """A recognizer's weights, for the relation loss; none lets the run train one on the same people."""
    fitted: Annotated[Path | None, Field(exclude_if=lambda value: value is None)] = None
    """A fitted file that is used as it is, in place of a fit of the run's own: `synthetic`, which comes with the suite
    and was fitted on drawn people of another seed; a file that `fit` wrote; or, in a run, the key of a stage `fit` of
    its store. All that decided the training comes from the file then."""

    @model_validator(mode="before")
    @classmethod
    def _as_fitted(cls, given: Any) -> Any:
        return brought.filled(cls, given, changeable=_IN_A_RELEASE)

    @model_validator(mode="after")
    def _something_to_learn(self) -> FaceMAE:
        if not (self.relation_weight or self.pixel_weight):
            raise ValueError("relation_weight and pixel_weight: expected at least one above 0, got 0 and 0")
        return self

    @property
    def brought(self) -> Path | None:
        return self.fitted

    @property
    def needs_teacher(self) -> bool:
        return self.relation_weight > 0 and self.teacher is None and self.fitted is None

    def _losses(self) -> dict[str, Any]:
        return {
            "relation": self.relation,
            "relation_weight": self.relation_weight,
            "pixel_weight": self.pixel_weight,
            "relation_start": self.relation_start,
            "relation_lr": self.relation_lr,
            "memory": self.memory,
            "blur": self.teacher_blur,
        }

    @property
    def _given(self) -> Path | None:
        return self.teacher if self.relation_weight > 0 else None

    def _teacher(self, how: Fit) -> Path | None:
        path = self.teacher or how.teacher
        if self.relation_weight > 0 and path is None:
            raise MethodError(
                f"facemae: relation_weight {self.relation_weight:g} needs a teacher, got none; set "
                "method.teacher to a recognizer's weights, or method.relation_weight to 0"
            )
        return path if self.relation_weight > 0 else None
