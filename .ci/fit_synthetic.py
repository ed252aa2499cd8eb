"""Make the weights of FaceMAE that come with the package again: `FaceMAE(fitted="synthetic")`.

    .venv/bin/python .ci/fit_synthetic.py            # writes methods/fitted/facemae-synthetic.safetensors and its card
    .venv/bin/python .ci/fit_synthetic.py --check    # makes them elsewhere and compares, byte by byte

Everything is drawn or follows from seeds: one thread, float32, a CPU. Equal processors and an equal PyTorch give equal
bytes; the card says which those were.
"""

import argparse
import hashlib
import itertools
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from facebench.bench.plugins import spell
from facebench.bench.recognition.recognizer import LOG as TEACHER_LOG
from facebench.bench.recognition.recognizer import WEIGHTS as TEACHER
from facebench.bench.recognition.recognizer import Recognizer, train
from facebench.datasets.synthetic import Synthetic
from facebench.facemae.runtime.checkpoint import read_safetensors, write_safetensors
from facebench.methods.base import Fit, People
from facebench.methods.facemae import LOG, WEIGHTS, FaceMAE
from facebench.methods.parts import fitted_file
from facebench.methods.parts.brought import SHIPPED

SEED = 2205
"""Of the people, whom no run draws unless it asks for them, and of the training."""
TEACHER_SEED = 1
PEOPLE = Synthetic(people=210, images=6, seed=SEED)
TEACHER_RECIPE = Recognizer(
    architecture="small", dim=128, steps=240, batch=48, lr=0.1, margin=0.3, scale=16, warmup=0.1
)
METHOD = FaceMAE(steps=1600, relation_start=0.875)
POINTS = 100
"""Of the loss curve in the card."""
NAME = "facemae-synthetic"


def make(out: Path, people: Synthetic = PEOPLE, recipe: Recognizer = TEACHER_RECIPE, method: FaceMAE = METHOD) -> None:
    """Fit, and write weights and card into the folder `out`."""
    cpu = torch.device("cpu")
    faces = people.open()
    whom = People(faces=people.fingerprint(), drawn=people.seed)
    with tempfile.TemporaryDirectory() as away:
        work = Path(away)
        train(faces, work, recipe, seed=TEACHER_SEED, device=cpu)
        learned = _lines(work / TEACHER_LOG)
        method.fit(faces, work, Fit(seed=SEED, device=cpu, teacher=work / TEACHER))
        curve = _lines(work / LOG)
        halves = {name: tensor.half() for name, tensor in read_safetensors(work / WEIGHTS).items()}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.safetensors"
    for digest in ("0" * 64, None):  # what follows the header is the same whatever the header says
        said = fitted_file.describe(method, people=whom, weights=digest or fitted_file.weights_digest(path))
        write_safetensors(halves, path, metadata={fitted_file.KEY: said})
    card = {
        "about": "FaceMAE, fitted on drawn people, who are nobody; made by .ci/fit_synthetic.py",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "weights": sum(tensor.numel() for tensor in halves.values()),
        "people": {"class": "Synthetic", **people.model_dump(), "fingerprint": people.fingerprint()},
        "seeds": {"method": SEED, "teacher": TEACHER_SEED},
        "method": spell(method),
        "teacher": {**spell(recipe), "loss": [learned[0]["loss"], learned[-1]["loss"]]},
        "curve": {
            name: [_mean(curve, name, *span) for span in _spans(len(curve))] for name in ("pixel", "relation")
        },
        "curve_ends": [end for _, end in _spans(len(curve))],
        "made_with": {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine(),
                      "capability": torch.backends.cpu.get_cpu_capability(), "numpy": version("numpy")},
    }  # fmt: skip
    (out / f"{NAME}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _spans(steps: int) -> list[tuple[int, int]]:
    edges = sorted({round(steps * point / POINTS) for point in range(POINTS + 1)})
    return list(itertools.pairwise(edges))


def _mean(curve: list[dict[str, float]], name: str, start: int, end: int) -> float:
    """Of the steps after `start` up to `end`."""
    return round(sum(line[name] for line in curve[start:end]) / (end - start), 5)


def main() -> int:
    """Make the weights, or compare them."""
    parser = argparse.ArgumentParser(description="fit the FaceMAE that comes with the package")
    parser.add_argument("--check", action="store_true", help="compare with what is there, and change nothing")
    check = parser.parse_args().check
    os.environ["FACEBENCH_PRECISION"] = "float32"
    torch.set_num_threads(1)
    if not check:
        make(SHIPPED)
        return 0
    with tempfile.TemporaryDirectory() as away:
        make(Path(away))
        equal = (Path(away) / f"{NAME}.safetensors").read_bytes() == (SHIPPED / f"{NAME}.safetensors").read_bytes()
    sys.stdout.write(f"{NAME}: {'equal to the byte' if equal else 'other bytes'}\n")
    return int(not equal)


if __name__ == "__main__":
    sys.exit(main())
