"""What `facemae` and `mae` have in common: a masked autoencoder that is trained on some people and rebuilds others."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...datasets.base import SIZE, Faces
from ..base import Fit, Method, MethodError, Network, Privatizer, Publish
from . import fitted_file, teacher

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...facemae.model import Architecture, MaskedAutoencoder
    from ...facemae.train import Portion, Training

WEIGHTS = fitted_file.MODEL
LOG = "log.jsonl"
STARTED = "init.json"
"""What was taken of a checkpoint, where training began from one."""
PREVIEWS = 50
"""Most pictures of rebuilt faces that one training leaves."""

Share = Annotated[float, Field(ge=0, lt=1)]


class Rebuilder(Method, ABC):
    """A vision transformer that sees few patches of a face and rebuilds it; the fields are what all such share."""

    random: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    shared: ClassVar[bool] = True

    size: Literal["tiny", "small", "base", "large"] = "tiny"
    """Width and depth of encoder and decoder: `base` and `large` are MAE's, `tiny` and `small` suit a few cores."""
    patch: Annotated[int, Field(ge=4, le=56)] = 16
    """Side of a patch in pixels; it divides 112. 16 makes 49 patches, 8 makes 196."""
    ratio: Share = 0.75
    """Share of the patches that are hidden, in training and in the release."""
    ratio_range: tuple[Share, Share] | None = None
    """Training draws the ratio of each step from between these two; none trains at `ratio`."""
    release_ratio: Share | None = None
    """Share of the patches hidden in the release; none means `ratio`."""
    mask: Literal["random", "block", "face"] = "random"
    """`random` patches; one `block`; or `face`: eyes, nose and mouth first, the rest at random."""
    face_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """With `mask: face`, the share of the patches on eyes, nose and mouth that is always hidden."""
    compose: Literal["rebuilt", "pasted"] = "rebuilt"
    """`rebuilt`: every patch comes from the decoder. `pasted`: the visible patches of the original are published."""
    pixel_normalised: bool = False
    """Compare patches less their mean, over their deviation (MAE, section 4.1)."""
    init: Path | None = None
    """A checkpoint to begin from: MAE's, timm's ViT's or ViTMAE's; none begins at random."""
    init_pixels: Literal["imagenet", "symmetric"] = "imagenet"
    """Scaling of the images that the checkpoint was trained on: ImageNet's (MAE), or [-1, 1]."""
    steps: Annotated[int, Field(ge=1, le=10**9)] = 1600
    """Of the optimizer, one batch each."""
    batch: Annotated[int, Field(ge=2, le=10**6)] = 32
    """Faces a step, over all processes."""
    accumulate: Annotated[int, Field(ge=1, le=10**6)] = 1
    """Parts in which a batch is computed, to save memory."""
    lr: Annotated[float, Field(gt=0, le=1)] = 3e-3
    """The highest rate; for `tiny`. Larger sizes want less, `base` about 1e-4."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """AdamW's, on matrices alone."""
    clip: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Largest norm of the gradient."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the old in a running mean of the weights, which then is what is used; 0 uses the last weights."""
    checkpointing: bool = False
    """Compute blocks twice instead of keeping what is inside them: less memory, more time."""
    compile: bool = False
    """torch.compile: minutes at first, for long training on a GPU."""

    @model_validator(mode="after")
    def _fits(self) -> Rebuilder:
        if SIZE % self.patch:
            fits = [side for side in range(4, 57) if SIZE % side == 0]
            raise ValueError(
                f"patch: expected a divisor of {SIZE}, one of {', '.join(map(str, fits))}; got {self.patch}"
            )
        if self.ratio_range and self.ratio_range[0] > self.ratio_range[1]:
            raise ValueError(f"ratio_range: expected the lower bound first, got {list(self.ratio_range)}")
        return self

    @abstractmethod
    def _losses(self) -> dict[str, Any]:
        """The fields of `facemae.objective.Objective` that say what is compared, and with which weights."""

    @property
    def _given(self) -> Path | None:
        """The recognizer's weights that the user gave, if they are used."""
        return None

    def _teacher(self, how: Fit) -> Path | None:
        """The recognizer in whose space faces are compared; none where they are not."""
        return None

    def try_out(self, originals: Faces, how: Publish) -> None:
        if not (self.compile or self.init or self._given):
            return
        from ...facemae.runtime.checkpoint import WeightsError
        from ...facemae.runtime.compiling import try_out
        from ...facemae.runtime.errors import TrainingError

        try:
            if self.init:
                self._begin(0, None)
            if self._given:
                teacher.try_out(self._given, originals, how.device)
            if self.compile:
                try_out(how.device)
        except (TrainingError, WeightsError) as error:
            raise MethodError(f"{type(self).__name__.lower()}: {error}") from error

    def fit(self, faces: Faces, out: Path, how: Fit) -> None:
        from ...facemae import weights
        from ...facemae.runtime.checkpoint import WeightsError
        from ...facemae.runtime.errors import TrainingError

        name = type(self).__name__.lower()
        if len(faces) < 2:
            raise MethodError(
                f"{name}: {len(faces)} faces to learn from; expected at least 2, better thousands: give more people"
            )
        path = self._teacher(how)
        try:
            guide = teacher.load(path, how.device) if path else None
            model = self._begin(how.seed, out)
            with (out / LOG).open("w", encoding="utf-8") as log:
                self._train(model, faces, out, how, guide, lambda line: print(json.dumps(line._asdict()), file=log))
        except (TrainingError, WeightsError, ValueError) as error:
            raise MethodError(f"{name}: {error}") from error
        weights.save(model, out / WEIGHTS, metadata={fitted_file.KEY: fitted_file.describe(self, people=how.people)})

    def network(self, fitted: Path) -> Network | None:
        import torch

        from ...facemae.export import Rebuild

        if self.mask == "face":  # how many patches it hides is counted as it goes, which no trace can follow
            return None
        model = self._open(fitted, torch.device("cpu"))
        rebuild = Rebuild(model, self._training(), ratio=self._release_ratio, mask=self.mask).eval()
        return Network(rebuild, rebuild.example())

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        name, model = type(self).__name__.lower(), self._open(fitted, device)
        # always the same number of faces at once: how a processor adds up a product depends on its shape, and a
        # face in another batch would come out a grey level lighter here and there
        chunk = 256 if device.type == "cuda" else 32

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            import torch

            if images.dtype != torch.uint8 or images.shape[1:] != (3, SIZE, SIZE):
                raise MethodError(
                    f"{name}: faces: expected uint8 [B, 3, {SIZE}, {SIZE}], got {images.dtype} {list(images.shape)}"
                )
            if len(keys) != len(images):
                raise MethodError(f"{name}: keys: expected one a face, {len(images)}, got {len(keys)}")
            if not len(images):
                return images.clone()
            parts = [
                self._rebuild(model, part, own, chunk)
                for part, own in zip(images.split(chunk), keys.split(chunk), strict=True)
            ]
            return torch.cat(parts)

        return privatize

    def _open(self, fitted: Path, device: torch.device) -> MaskedAutoencoder:
        from ...facemae import weights
        from ...facemae.runtime.checkpoint import WeightsError

        path = self.brought or fitted / WEIGHTS
        try:
            said = fitted_file.read(path)
            fitted_file.refuse_other(said, self, ("size", "patch", "pixel_normalised"), path)
            fitted_file.refuse_damaged(said, path)
            return weights.load(path, self._architecture(), device=device)
        except (WeightsError, MethodError) as error:
            raise MethodError(f"{type(self).__name__.lower()}: {error}") from error

    @property
    def draws(self) -> bool:
        patches = (SIZE // self.patch) ** 2
        # as `visible_patches`, which would bring torch along: a run that is done shall not wait for that
        return max(1, round(patches * (1 - self._release_ratio))) < patches

    @property
    def _release_ratio(self) -> float:
        return self.ratio if self.release_ratio is None else self.release_ratio

    def _begin(self, seed: int, out: Path | None) -> MaskedAutoencoder:
        """The model before training; what was taken of a checkpoint is told in a folder, if there is one."""
        from ...facemae.model import MaskedAutoencoder

        model = MaskedAutoencoder(self._architecture(), seed=seed)
        if self.init:
            from ...facemae.pretrained import begin_from

            taken = begin_from(model, self.init, pixels=self.init_pixels)
            if out:
                (out / STARTED).write_text(json.dumps(taken._asdict(), indent=1) + "\n", encoding="utf-8")
        return model

    def _train(
        self, model: MaskedAutoencoder, faces: Faces, out: Path, how: Fit, guide: nn.Module | None, record: Any
    ) -> None:
        import torch

        from ...datasets.views.grid import write_grid
        from ...datasets.views.loader import Batches
        from ...facemae.train import train

        stream = Batches(faces, min(self.batch, len(faces)), seed=how.seed)
        shown = torch.stack([faces[index].image for index in range(min(8, len(faces)))])
        every = -(-self.steps // (len(stream) * PREVIEWS))

        def batches(ask: Portion) -> Iterable[Tensor]:
            stream.epoch, stream.first, stream.part = ask.epoch, ask.first, (ask.part, ask.parts)
            return (images for images, _ in stream)

        def preview(epoch: int, now: MaskedAutoencoder) -> None:
            if epoch % every == 0:
                now.eval()
                rebuilt = self._rebuild(now, shown.to(how.device), torch.arange(len(shown), device=how.device), 8)
                write_grid([shown, rebuilt], out / f"epoch-{epoch:05d}.png")

        train(
            model, batches, self._training(), teacher=guide, seed=how.seed, device=how.device, record=record,
            progress=how.progress, epoch_done=preview, scratch=how.scratch,
        )  # fmt: skip

    def _rebuild(self, model: MaskedAutoencoder, images: Tensor, own: Tensor, chunk: int) -> Tensor:
        """Private faces of at most `chunk` faces, by their own keys (or seeds, for pictures of the training).

        What is missing to a chunk is filled up and thrown away.
        """
        import torch

        from ...facemae.masks import draw_mask
        from ...facemae.objective import published
        from ...facemae.runtime.pixels import to_float, to_uint8

        count = len(images)
        filling = [0] * (chunk - count)
        with torch.inference_mode():
            rows = torch.tensor([*range(count), *filling], device=images.device)
            faces = to_float(images[rows])
            mask = draw_mask(own[rows], model.architecture, self._release_ratio, kind=self.mask, share=self.face_share)
            private = published(model(faces, mask), faces, mask, self.patch, self._training())
            rounded = to_uint8(private[:count])
        return rounded.clone()

    def _architecture(self) -> Architecture:
        from ...facemae.model import SIZES, Architecture

        encoder, decoder = SIZES[self.size]
        return Architecture(height=SIZE, width=SIZE, patch=self.patch, encoder=encoder, decoder=decoder)

    def _training(self) -> Training:
        from ...facemae.train import Training

        return Training(
            steps=self.steps, lr=self.lr, ratio=self.ratio_range or (self.ratio, self.ratio), mask=self.mask,
            face_share=self.face_share, compose=self.compose, normalised=self.pixel_normalised, warmup=self.warmup,
            weight_decay=self.weight_decay, clip=self.clip, ema=self.ema, accumulate=self.accumulate,
            checkpointing=self.checkpointing, compile=self.compile, **self._losses(),
        )  # fmt: skip
