"""GAN synthesis: publish faces of people who do not exist, mixed of people who are not in the release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..datasets.base import Faces
from .base import QUALITY, Fit, Method, MethodError, Network, PrivateFaces, Publish
from .parts import fitted_file, teacher

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..facemae.gan.networks import Generator
    from ..facemae.gan.sample import Sampler

WEIGHTS = fitted_file.MODEL
LOG = "log.jsonl"
GRID = "grid.png"
_STATE = "state.pt"

Weight = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]


class GAN(Method):
    """Faces of new people from an identity-conditional GAN, in the line of SynFace (Qiu et al., arXiv 2108.07960).

    A generator learns to show a training person's mean feature, as a recognizer gives it, with pose, light and
    background of its own choosing. New people are mixes of two training people's features (SynFace's identity
    mixup), and are trained on as well. SynFace's generator is DiscoFaceGAN with its 3D face model; here it is one
    network trained from nothing, so that every set gets its own. `quality.json` beside the weights says how good
    it is; weights hold the training people's features, and no name. The defaults suit two processor cores.
    """

    version: ClassVar[int] = 3
    random: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    sourced: ClassVar[bool] = False

    people: Annotated[int, Field(ge=2, le=10**6)] | None = None
    """New people in the release; none means as many as the originals show."""
    images: Annotated[int, Field(ge=1, le=10**5)] | None = None
    """Images of each new person; none means as many as an original person has, person by person."""
    mix: tuple[Share, Share] = (0.3, 0.7)
    """Range of the weight of the first of the two people in a new one; 0.5 is as far from both as can be."""
    resolution: Literal[28, 56, 112] = 56
    """Side in pixels of what is generated; it is enlarged to 112."""
    width: Annotated[int, Field(ge=8, le=1024)] = 48
    """Features of the networks' smallest pictures."""
    nuisance: Annotated[int, Field(ge=1, le=1024)] = 24
    """Numbers that decide pose, light, expression and background."""
    teacher: Path | None = None
    """A recognizer's weights, for identity codes and loss; none lets the run train one on the same people."""
    identity_weight: Weight = 1.0
    """Of the loss that keeps the faces of one person alike."""
    rebuild_weight: Weight = 10.0
    """Of rebuilding real faces from their person's code and what an encoder saw of the rest, as in CVAE-GAN (arXiv
    1703.10155); it makes hundreds of steps enough, and nuisance hard to overlook. 0 leaves a plain GAN."""
    adversarial_start: Share = 0.8
    """Share of the steps that only rebuild faces: they take a quarter of the time of those with discriminator and
    teacher, and without them hundreds of steps end in stripes. 0 trains with all losses from the first step."""
    r1_weight: Weight = 1.0
    """Of the penalty on the discriminator's gradient at real faces (Mescheder et al. 2018)."""
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = ("translation",)
    """What the discriminator sees of DiffAugment; all three for long trainings on few faces."""
    steps: Annotated[int, Field(ge=1, le=10**9)] = 1000
    """Of both optimizers, one batch each."""
    batch: Annotated[int, Field(ge=4, le=10**6)] = 16
    """Faces a step."""
    lr: Annotated[float, Field(gt=0, le=1)] = 6e-3
    """The highest rate of both."""
    least_variety: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """A fit whose faces differ by less than this share of what real faces differ by has collapsed, and is an error."""

    @model_validator(mode="after")
    def _consistent(self) -> GAN:
        if self.mix[0] > self.mix[1]:
            raise ValueError(f"mix: expected a range from low to high, got {self.mix[0]:g} to {self.mix[1]:g}")
        return self

    @property
    def needs_teacher(self) -> bool:
        return self.teacher is None

    def try_out(self, originals: Faces, how: Publish) -> None:
        from ..facemae.runtime.checkpoint import WeightsError

        try:
            if self.teacher:
                teacher.try_out(self.teacher, originals, how.device)
        except WeightsError as error:
            raise MethodError(f"gan: {error}") from error

    def fit(self, faces: Faces, out: Path, how: Fit) -> None:
        from ..datasets.views.loader import Batches, in_order
        from ..facemae.gan import weights as gan_weights
        from ..facemae.gan.codes import CodesError, look
        from ..facemae.gan.networks import Shape
        from ..facemae.gan.quality import Collapse, assess
        from ..facemae.gan.sample import Sampler
        from ..facemae.gan.state import GanTraining
        from ..facemae.gan.step import GanLine
        from ..facemae.gan.train import train
        from ..facemae.runtime.checkpoint import WeightsError
        from ..facemae.runtime.errors import TrainingError
        from ..facemae.runtime.randomness import key_of_seed

        path = self.teacher or how.teacher
        if path is None:
            raise MethodError("gan: expected a teacher, got none; set method.teacher to a recognizer's weights")
        if len(faces) < 4:
            raise MethodError(f"gan: {len(faces)} faces to learn from; expected at least 4, better thousands")
        training = GanTraining(
            steps=self.steps,
            lr=self.lr,
            identity_weight=self.identity_weight,
            rebuild_weight=self.rebuild_weight,
            adversarial_start=self.adversarial_start,
            r1_weight=self.r1_weight,
            mix=self.mix,
            augment=self.augment,
        )
        try:
            guide = teacher.load(path, how.device)
            seen = look(in_order(faces, 256), len(faces), faces.identities, guide, seed=how.seed, device=how.device)
            shape = Shape(
                code=seen.codes.shape[1], resolution=self.resolution, nuisance=self.nuisance, width=self.width
            )
            stream = Batches(faces, min(self.batch, len(faces)), seed=how.seed)

            def epoch(number: int) -> Iterable[tuple[Tensor, Tensor]]:
                stream.epoch = number
                return ((images, seen.rows[labels]) for images, labels in stream)

            with (out / LOG).open("w", encoding="utf-8") as log:

                def record(line: GanLine) -> None:
                    log.write(json.dumps(line._asdict()) + "\n")

                generator = train(
                    shape,
                    epoch,
                    seen.codes,
                    training,
                    average=seen.average,
                    teacher=guide,
                    seed=how.seed,
                    device=how.device,
                    kept=how.scratch / _STATE if how.scratch else None,
                    record=record,
                    progress=how.progress,
                )
            sampler = Sampler(generator, seen.codes, mix=self.mix, key=key_of_seed(how.seed, "assessed"))
            quality, grid = assess(sampler, seen, guide, least=self.least_variety, device=how.device)
        except (WeightsError, TrainingError, CodesError, Collapse) as error:
            raise MethodError(f"gan: {error}") from error
        (out / QUALITY).write_text(json.dumps(quality, indent=2) + "\n", encoding="utf-8")
        (out / GRID).write_bytes(_png(grid))
        about = {fitted_file.KEY: fitted_file.describe(self)}
        gan_weights.save(generator, seen.codes, out / WEIGHTS, metadata=about)

    def network(self, fitted: Path) -> Network | None:
        import torch

        from ..facemae.gan.export import Generate

        generator, _ = self._open(fitted, torch.device("cpu"))
        generate = Generate(generator).eval()
        return Network(generate, generate.example())

    def publish(self, fitted: Path, originals: Faces, how: Publish) -> PrivateFaces:
        from ..facemae.gan.sample import Sampler, pairs

        generator, codes = self._open(fitted, how.device)
        counts = np.unique(originals.labels, return_counts=True)[1]
        people = self.people or len(counts)
        if people > pairs(len(codes)):
            raise MethodError(
                f"gan: people: expected at most {pairs(len(codes))}, the pairs of the {len(codes)} people it was "
                f"fitted on, got {people}; ask for fewer (method.people), or fit on more people"
            )
        images = np.full(people, self.images) if self.images else np.resize(counts, people)
        return GeneratedFaces(Sampler(generator, codes, mix=self.mix, key=how.key), images)

    def _open(self, fitted: Path, device: torch.device) -> tuple[Generator, Tensor]:
        from ..facemae.gan import weights as gan_weights
        from ..facemae.runtime.checkpoint import WeightsError

        try:
            said = fitted_file.read(fitted / WEIGHTS)
            fitted_file.refuse_other(said, self, ("resolution", "nuisance", "width"), fitted / WEIGHTS)
            return gan_weights.load(
                fitted / WEIGHTS,
                resolution=self.resolution,
                nuisance=self.nuisance,
                width=self.width,
                device=device,
            )
        except (WeightsError, MethodError) as error:
            raise MethodError(f"gan: {error}") from error


class GeneratedFaces(PrivateFaces):
    """Faces of people who do not exist, sorted by person, generated as they are read.

    Args:
        sampler: who generates them.
        images: [M], faces of each person.
    """

    def __init__(self, sampler: Sampler, images: NDArray[np.int64]) -> None:
        self.identities = len(images)
        self.labels = np.repeat(np.arange(len(images)), images)
        self.names = [f"g{person:06d}" for person in range(len(images))]
        self.source = None
        self._sampler = sampler
        self._index = np.arange(len(self.labels)) - np.repeat(np.cumsum(images) - images, images)
        self._codes = sampler.people(len(images))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        return self._sampler.faces(self._codes, self.labels[rows], self._index[rows])


def _png(faces: Tensor) -> bytes:
    """uint8 [rows, columns, 3, H, W] as one picture."""
    import cv2

    rows, columns, _, height, width = faces.shape
    picture = faces.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3).numpy()
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done  # noqa: S101 - OpenCV encodes any uint8 image
    return bytes(data)
