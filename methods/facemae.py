"""FaceMAE: hide most of a face, rebuild it so that faces still relate to each other as before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..datasets.base import SIZE, Faces
from .base import Fit, Method, MethodError, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..facemae.model import Architecture, MaskedAutoencoder

WEIGHTS = "model.safetensors"
LOG = "log.jsonl"


class FaceMAE(Method):
    """Masked autoencoder with instance relation matching (Wang et al., arXiv 2205.11090).

    A vision transformer sees a quarter of a face's patches and rebuilds it. Trained on other people, it is then
    applied as it is. The paper's code was never released: what its abstract does not say (sizes, formula of the
    relation loss, weights, teacher, length, composition) is **our reading**, and a parameter. The defaults suit
    two processor cores; rebuilt faces look like coloured mosaics, which their use for training does not need to mind.
    """

    version: ClassVar[int] = 1
    random: ClassVar[bool] = True
    learns: ClassVar[bool] = True

    size: Literal["tiny", "small", "base", "large"] = "tiny"
    patch: Annotated[int, Field(ge=4, le=56)] = 16
    """Side of a patch in pixels; it divides 112. 16 makes 49 patches, 8 makes 196."""
    ratio: Annotated[float, Field(ge=0, lt=1)] = 0.75
    """Share of the patches hidden while training."""
    release_ratio: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the patches hidden in the release; none means `ratio`."""
    compose: Literal["rebuilt", "pasted"] = "rebuilt"
    """`rebuilt`: every patch comes from the decoder. `pasted`: the visible patches of the original are published."""
    relation: Literal["gram", "distance", "cross"] = "gram"
    relation_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    pixel_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    """On the [-1, 1] scale. In runs of 120 steps a weight of 0.1 gave noise, at no lower relation loss; longer ones may
    differ."""
    teacher: Path | None = None
    """A recognizer's weights, for the relation loss; none lets the run train one on the same people."""
    steps: Annotated[int, Field(ge=1)] = 400
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0, le=1)] = 3e-3
    """The highest rate; for `tiny`. Larger sizes want less, `base` about 1e-4."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05

    @model_validator(mode="after")
    def _consistent(self) -> FaceMAE:
        if SIZE % self.patch:
            fits = [side for side in range(4, 57) if SIZE % side == 0]
            raise ValueError(
                f"patch: expected a divisor of {SIZE}, one of {', '.join(map(str, fits))}; got {self.patch}"
            )
        if not (self.relation_weight or self.pixel_weight):
            raise ValueError("relation_weight and pixel_weight: expected at least one above 0, got 0 and 0")
        return self

    @property
    def needs_teacher(self) -> bool:
        return self.relation_weight > 0 and self.teacher is None

    def fit(self, faces: Faces, out: Path, how: Fit) -> None:
        from ..datasets.loader import Batches
        from ..facemae import embedder, weights
        from ..facemae.checkpoint import WeightsError
        from ..facemae.model import MaskedAutoencoder
        from ..facemae.train import Line, Training, TrainingError, train

        if len(faces) < 2:
            raise MethodError(
                f"facemae: {len(faces)} faces to learn from; expected at least 2, better thousands: give more people"
            )
        teacher = None
        if self.relation_weight > 0:
            path = self.teacher or how.teacher
            if path is None:
                raise MethodError(
                    f"facemae: relation_weight {self.relation_weight:g} needs a teacher, got none; set "
                    "method.teacher to a recognizer's weights, or method.relation_weight to 0"
                )
            try:
                teacher = embedder.load(path, device=how.device)
            except WeightsError as error:
                raise MethodError(f"facemae: teacher: {error}") from error
        model = MaskedAutoencoder(self._architecture(), seed=how.seed)
        training = Training(
            steps=self.steps,
            lr=self.lr,
            ratio=self.ratio,
            compose=self.compose,
            relation=self.relation,
            relation_weight=self.relation_weight,
            pixel_weight=self.pixel_weight,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
        )
        stream = Batches(faces, min(self.batch, len(faces)), seed=how.seed)

        def epoch(number: int) -> Iterable[Tensor]:
            stream.epoch = number
            return (images for images, _ in stream)

        with (out / LOG).open("w", encoding="utf-8") as log:

            def record(line: Line) -> None:
                log.write(json.dumps(line._asdict()) + "\n")

            try:
                train(
                    model,
                    epoch,
                    training,
                    teacher=teacher,
                    seed=how.seed,
                    device=how.device,
                    record=record,
                    progress=how.progress,
                )
            except TrainingError as error:
                raise MethodError(f"facemae: {error}") from error
        weights.save(model, out / WEIGHTS)

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        from ..facemae import weights
        from ..facemae.checkpoint import WeightsError

        try:
            model = weights.load(fitted / WEIGHTS, self._architecture(), device=device)
        except WeightsError as error:
            raise MethodError(f"facemae: {error}") from error
        ratio = self.ratio if self.release_ratio is None else self.release_ratio
        # always the same number of faces at once: how a processor adds up a product depends on its shape, and a
        # face in another batch would come out a grey level lighter here and there
        chunk = 256 if device.type == "cuda" else 32

        def privatize(images: Tensor, seeds: Tensor) -> Tensor:
            import torch

            if images.dtype != torch.uint8 or images.shape[1:] != (3, SIZE, SIZE):
                raise MethodError(
                    f"facemae: faces: expected uint8 [B, 3, {SIZE}, {SIZE}], got {images.dtype} {list(images.shape)}"
                )
            if seeds.dtype != torch.int64 or seeds.shape != images.shape[:1]:
                raise MethodError(
                    f"facemae: seeds: expected int64 [{len(images)}], got {seeds.dtype} {list(seeds.shape)}"
                )
            if not len(images):
                return images.clone()
            parts = [
                self._rebuild(model, part, own, ratio, chunk)
                for part, own in zip(images.split(chunk), seeds.split(chunk), strict=True)
            ]
            return torch.cat(parts)

        return privatize

    def _rebuild(self, model: MaskedAutoencoder, images: Tensor, seeds: Tensor, ratio: float, chunk: int) -> Tensor:
        """Private faces of at most `chunk` faces; the rest of the chunk is filled up and thrown away."""
        import torch

        from ..facemae.masking import compose_faces, random_mask
        from ..facemae.pixels import to_float, to_uint8

        count = len(images)
        filling = [0] * (chunk - count)
        with torch.inference_mode():
            rows = torch.tensor([*range(count), *filling], device=images.device)
            faces = to_float(images[rows])
            mask = random_mask(seeds[rows], model.architecture.patches, ratio)
            private = compose_faces(faces, model(faces, mask), mask.hidden, patch=self.patch, compose=self.compose)
            rounded = to_uint8(private[:count])
        return rounded.clone()

    def _architecture(self) -> Architecture:
        from ..facemae.model import SIZES, Architecture

        encoder, decoder = SIZES[self.size]
        return Architecture(height=SIZE, width=SIZE, patch=self.patch, encoder=encoder, decoder=decoder)
