"""Bad input at the command line: a sentence that says what, where, expected, got and what to do; nothing half-made."""

from __future__ import annotations

import pickle
import resource
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.datasets.bin import write as write_bin
from facebench.datasets.recordio import RecordIOWriter
from facebench.datasets.synthetic import Synthetic
from facebench.reports.result import record as results

TINY = """
recognizer: {architecture: small, dim: 32, steps: 3, batch: 8}
teacher: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
methods:
  facemae: {size: tiny, patch: 16, steps: 2, batch: 4}
"""
PEOPLE, IMAGES = 12, 2


@pytest.fixture(scope="module")
def faces() -> list[tuple[bytes, int]]:
    made = Synthetic(people=PEOPLE, images=IMAGES).open()
    return [(made.encoded(i), int(made.labels[i])) for i in range(len(made))]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY)
    return path


def _pack(folder: Path, faces: list[tuple[bytes, int]], identities: int = PEOPLE) -> Path:
    folder.mkdir(parents=True)
    with RecordIOWriter(folder, identities) as pack:
        for image, label in faces:
            pack.add(image, label)
    pairs = [faces[i % len(faces)][0] for i in range(40)]
    write_bin(folder / "lfw.bin", pairs, [i % 2 == 0 for i in range(20)])
    return folder


@pytest.fixture
def pack(tmp_path: Path, faces: list[tuple[bytes, int]]) -> Path:
    return _pack(tmp_path / "pack", faces)


class Bench:
    """Runs `bench run` on a store that holds a finished run, and tells whether that store is as before."""

    def __init__(self, store: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.recipe, self.capsys = store, recipe, capsys
        self.before = self.content()

    def content(self) -> dict[str, bytes]:
        kept = [p for p in self.store.rglob("*") if p.is_file() and p.suffix != ".lock"]
        return {str(p.relative_to(self.store)): p.read_bytes() for p in kept if "fingerprints" not in p.parts}

    def refuses(self, *args: object, code: int = 2) -> str:
        """Run, expect to be refused, and give the message."""
        self.capsys.readouterr()
        common = ["--recipe", self.recipe, "--store", self.store, "--tracking-uri", "none"]
        assert main([str(arg) for arg in ["run", *args, *common]]) == code
        told = self.capsys.readouterr().err
        assert "Traceback" not in told
        assert "error of facebench" not in told
        after = self.content()
        assert {key: after.get(key) for key in self.before} == self.before, "what was kept has changed"
        assert not [key for key in after if ".part" in key], "something half-made was left"
        assert {k for k in after if k.startswith("records")} == {k for k in self.before if k.startswith("records")}
        return told


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, faces, recipe: Path) -> Path:
    """A store with one finished run."""
    folder = tmp_path_factory.mktemp("kept")
    data = _pack(folder / "pack", faces)
    run = ["run", "--dataset", data, "--method", "original", "--recipe", recipe, "--store", folder / "runs"]
    assert main([str(arg) for arg in [*run, "--tracking-uri", "none", "-q"]]) in (0, 1)
    return folder / "runs"


@pytest.fixture
def bench(kept: Path, tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    shutil.copytree(kept, tmp_path / "runs")
    return Bench(tmp_path / "runs", recipe, capsys)


def _truncate(pack: Path) -> None:
    data = (pack / "train.rec").read_bytes()
    (pack / "train.rec").write_bytes(data[: len(data) * 2 // 3])


def _flip(pack: Path) -> None:
    data = bytearray((pack / "train.rec").read_bytes())
    (offset,) = [int(line.split()[1]) for line in (pack / "train.idx").read_text().splitlines()[3:4]]
    data[offset] ^= 1
    (pack / "train.rec").write_bytes(bytes(data))


def _beyond(pack: Path) -> None:
    lines = (pack / "train.idx").read_text().splitlines()
    lines[3] = f"3\t{10**12}"
    (pack / "train.idx").write_text("\n".join(lines) + "\n")


def _backwards(pack: Path) -> None:
    lines = (pack / "train.idx").read_text().splitlines()
    lines[3], lines[4] = "3\t" + lines[4].split("\t")[1], "4\t" + lines[3].split("\t")[1]
    lines[5] = "5\t" + lines[4].split("\t")[1]
    (pack / "train.idx").write_text("\n".join(lines) + "\n")


def _label(value: float):
    def harm(pack: Path) -> None:
        data = bytearray((pack / "train.rec").read_bytes())
        offset = int((pack / "train.idx").read_text().splitlines()[3].split()[1])
        struct.pack_into("<f", data, offset + 12, value)  # magic, length, flag, then the label
        (pack / "train.rec").write_bytes(bytes(data))

    return harm


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_truncate, "train.rec"),
        (_flip, "train.rec"),
        (_beyond, "train.idx"),
        (_backwards, "train.idx"),
        (lambda pack: (pack / "property").unlink(), "property"),
        (lambda pack: (pack / "property").write_text("many"), "property"),
        (_label(-1.0), "label"),
        (_label(float("nan")), "label"),
        (_label(1.5), "label"),
        (_label(1000.0), "label"),
    ],
    ids=["truncated", "flipped", "beyond", "backwards", "no property", "bad property", "-1", "nan", "1.5", "1000"],
)
def test_a_damaged_pack(bench: Bench, pack: Path, harm, told: str) -> None:
    harm(pack)
    message = bench.refuses("--dataset", pack, "--method", "original")
    assert told in message
    assert "expected" in message.lower()


def _png(height: int, width: int) -> bytes:
    import cv2

    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def _harmful_images() -> dict[str, bytes]:
    import io

    import cv2
    from PIL import Image

    def pil(image: Image.Image, kind: str, **more) -> bytes:
        out = io.BytesIO()
        image.save(out, kind, **more)
        return out.getvalue()

    deep = cv2.imencode(".png", np.zeros((112, 112, 3), np.uint16))[1].tobytes()
    frames = [Image.new("RGB", (112, 112), colour) for colour in ("red", "blue")]
    return {
        "no image": b"this is not an image",
        "1x1": _png(1, 1),
        "20000x20000": pil(Image.new("1", (20000, 20000)), "PNG"),
        "CMYK": pil(Image.new("CMYK", (112, 112)), "JPEG"),
        "16 bits": deep,
        "animated": pil(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "truncated": pil(Image.effect_noise((112, 112), 50).convert("RGB"), "JPEG")[:-400],
    }


@pytest.mark.parametrize("kind", ["no image", "1x1", "20000x20000", "CMYK", "16 bits", "animated", "truncated"])
def test_an_image_that_is_no_usable_face(
    bench: Bench, faces, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _harmful_images()[kind]
    # everybody's second image is bad, so that every role meets one
    folder = _pack(tmp_path / "bad", [(image if i % 2 else good, label) for i, (good, label) in enumerate(faces)])
    write_bin(folder / "lfw.bin", [faces[0][0]] * 40, [i % 2 == 0 for i in range(20)])
    message = bench.refuses("--dataset", folder, "--method", "original")
    assert "train.rec" in message
    assert "expected" in message
    assert main(["data", "verify", str(folder), "-q"]) == 1
    assert "undecodable" in capsys.readouterr().out


def test_a_grey_image_is_a_face(bench: Bench, faces, tmp_path: Path) -> None:
    import cv2

    grey = cv2.imencode(".jpg", np.full((112, 112), 90, np.uint8))[1].tobytes()
    folder = _pack(tmp_path / "grey", [(grey if i == 0 else good, label) for i, (good, label) in enumerate(faces)])
    assert main(["data", "verify", str(folder), "-q"]) == 0


def test_skip_bad_goes_on_and_counts(faces, tmp_path: Path, recipe: Path) -> None:
    three = [(image, label) for image, label in faces for _ in range(2)]
    folder = _pack(tmp_path / "bad", [(b"no image", label) if i % 16 == 0 else (image, label)
                                      for i, (image, label) in enumerate(three)])  # fmt: skip
    write_bin(folder / "lfw.bin", [faces[0][0]] * 40, [i % 2 == 0 for i in range(20)])
    run = ["run", "--dataset", folder, "--method", "original", "--recipe", recipe, "--store", tmp_path / "runs"]
    assert main([str(arg) for arg in [*run, "--tracking-uri", "none", "--skip-bad", "-q"]]) in (0, 1)
    (path,) = (tmp_path / "runs" / "records").glob("*.json")
    record = results.read(path)
    assert record.skipped == {"images": 3}
    assert sum(role.images for role in record.roles.values()) == len(three) - 3


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_bin_that_calls_a_function_calls_nothing(bench: Bench, pack: Path, tmp_path: Path) -> None:
    (pack / "lfw.bin").write_bytes(pickle.dumps(([_Evil(tmp_path / "done")], [True])))
    message = bench.refuses("--dataset", pack, "--method", "original")
    assert "lfw.bin" in message
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04" + b"(" * 100_000 + b"t" * 100_000 + b".",
        b"\x80\x04]" + b"]a" * 5 + b"(" + b"]" * 200_000 + b".",
        b"\x80\x04\x8e" + struct.pack("<Q", 8 << 30) + b"x.",
        b"",
        b"not a pickle",
    ],
    ids=["deep", "deep lists", "gigabytes", "empty", "no pickle"],
)
def test_a_hostile_bin(bench: Bench, pack: Path, content: bytes) -> None:
    (pack / "lfw.bin").write_bytes(content)
    assert "lfw.bin" in bench.refuses("--dataset", pack, "--method", "original")


def test_one_person_no_person_and_no_folder(bench: Bench, faces, tmp_path: Path) -> None:
    one = _pack(tmp_path / "one", [(image, 0) for image, _ in faces], identities=1)
    assert "nobody is left for role" in bench.refuses("--dataset", one, "--method", "original")
    (tmp_path / "empty").mkdir()
    bench.refuses("--dataset", tmp_path / "empty", "--method", "original")
    message = bench.refuses("--dataset", tmp_path / "nowhere", "--method", "original")
    assert "nowhere" in message


def test_people_with_one_image_go_to_the_generator(bench: Bench, faces, tmp_path: Path) -> None:
    singles = _pack(tmp_path / "singles", faces[::IMAGES])
    assert "2 or more images" in bench.refuses("--dataset", singles, "--method", "original")


def _folder(root: Path, faces) -> Path:
    for n, (image, label) in enumerate(faces):
        (root / f"person {label:02d}").mkdir(parents=True, exist_ok=True)
        (root / f"person {label:02d}" / f"{n}.png").write_bytes(image)
    write_bin(root / "lfw.bin", [image for image, _ in faces[:20]], [i % 2 == 0 for i in range(10)])
    return root


def test_links_that_leave_a_folder_and_names_in_two_unicode_forms(bench: Bench, faces, tmp_path: Path) -> None:
    root = _folder(tmp_path / "linked", faces)
    (root / "person 00" / "out.png").symlink_to("/etc/hostname")
    message = bench.refuses("--dataset", root, "--method", "original")
    assert "link" in message
    root = _folder(tmp_path / "twice", faces)
    for name in ("Ame\u0301lie", "Am\u00e9lie"):
        (root / name).mkdir()
        (root / name / "a.png").write_bytes(faces[0][0])
    message = bench.refuses("--dataset", root, "--method", "original")
    assert "Unicode" in message
    assert "lie" not in message.replace("earlier", "")  # a name is nobody's business


def test_missing_data_of_a_card_says_how_to_get_it(bench: Bench, tmp_path: Path) -> None:
    message = bench.refuses("--dataset", "casia", "--data", tmp_path, "--method", "original")
    for part in ("CASIA-WebFace", str(tmp_path), "train.rec", "terms"):
        assert part.lower() in message.lower()
    assert "Did you mean casia" in bench.refuses("--dataset", "casiaa", "--data", tmp_path).replace("did", "Did")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "alias"),
        ("seed: !!python/object/apply:os.getcwd []\n", "tag"),
        ("seed: [1\n", "line"),
        ("sead: 1\n", "sead"),
        ("recognizer: {steps: -3}\n", "recognizer.steps"),
        ("recognizer: {steps: ten}\n", "recognizer.steps"),
        ("method: {use: masking, ratio: 1.5}\n", "method.ratio"),
        ("seed: 1\nseed: 2\n", "seed"),
    ],
    ids=["alias bomb", "tag", "syntax", "key", "range", "type", "method range", "doubled"],
)
def test_a_wrong_experiment_file(bench: Bench, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    assert told in bench.refuses("--experiment", tmp_path / "run.yaml")


def test_a_judge_that_cannot_be_used(bench: Bench, pack: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "judge.onnx"
    common = ("--dataset", pack, "--method", "original", "--set", f"attack.embedder={onnx}")
    assert "cannot be read" in bench.refuses(*common)
    onnx.write_bytes(b"not a network")
    assert "attack.preprocessing" in bench.refuses(*common)
    assert "judge.onnx" in bench.refuses(*common, "attack.preprocessing=arcface")


def test_a_loss_that_is_not_finite_stops_the_run(bench: Bench, pack: Path) -> None:
    wild = ("recognizer.lr=100", "recognizer.weight_decay=10", "recognizer.warmup=0", "recognizer.steps=30")
    message = bench.refuses("--dataset", pack, "--method", "original", "--set", *wild)
    assert "the loss became" in message
    assert "step" in message


def test_a_foreign_sqlite_file_is_left_alone(bench: Bench, pack: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "foreign.db") as db:
        db.execute("create table addresses (name text)")
    db.close()
    before = (tmp_path / "foreign.db").read_bytes()
    args = ["run", "--dataset", pack, "--method", "original", "--recipe", bench.recipe, "--store", bench.store]
    assert main([str(arg) for arg in [*args, "--tracking-uri", f"sqlite:///{tmp_path / 'foreign.db'}"]]) == 2
    assert "foreign.db" in bench.capsys.readouterr().err
    assert (tmp_path / "foreign.db").read_bytes() == before


@contextmanager
def _full_disk(after: int) -> Iterator[None]:
    """Files cannot grow beyond some bytes: writing fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


STAGES = ["teacher", "fit", "release", "train", "verify", "judge", "clear", "embed", "attack"]


@pytest.mark.slow
def test_a_full_disk_in_every_stage(faces, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = _pack(tmp_path / "pack", faces)
    store = tmp_path / "runs"
    run = [str(a) for a in ["run", "--dataset", pack, "--recipe", recipe, "--store", store, "--tracking-uri", "none"]]
    assert main([*run, "-q"]) in (0, 1)
    (path,) = (store / "records").glob("*.json")
    expected = results.read(path).scores
    for stage in STAGES:
        shutil.rmtree(store / "stages" / stage)
        path.unlink()
        capsys.readouterr()
        with _full_disk(64):
            assert main([*run, "-q"]) == 2, stage
        told = capsys.readouterr().err
        assert "free space" in told.lower(), f"{stage}: {told}"
        assert not [p for p in (store / "stages").rglob("*.part")], stage
        assert not list((store / "records").glob("*"))
        assert main([*run, "-q"]) in (0, 1), stage
        assert results.read(path).scores == expected, stage
    shutil.rmtree(store / "records")
    with _full_disk(64):
        assert main([*run, "-q"]) == 2
    assert "record" in capsys.readouterr().err
    assert not list((store / "records").glob("*"))


def test_a_store_that_cannot_be_written(bench: Bench, pack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    args = ["run", "--dataset", pack, "--method", "original", "--recipe", bench.recipe, "--store", tmp_path / "file"]
    assert main([str(arg) for arg in [*args, "--tracking-uri", "none"]]) == 2
    assert "--store" in bench.capsys.readouterr().err


def test_a_stage_that_was_tampered_with(bench: Bench, pack: Path) -> None:
    (weights,) = (bench.store / "stages" / "train").rglob("recognizer.pt")
    shutil.copytree(pack, bench.store.parent / "same")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    bench.before = bench.content()
    message = bench.refuses("--dataset", bench.store.parent / "same", "--method", "original")
    assert "was changed after it was made" in message
    assert "--force train" in message


def test_unknown_names_offer_near_ones(bench: Bench) -> None:
    assert "Did you mean facemae" in bench.refuses("--method", "facemea")


def test_an_unknown_stage_cannot_be_forced(bench: Bench, pack: Path) -> None:
    message = bench.refuses("--dataset", pack, "--method", "original", "--force", "trian")
    assert "expected one of apply, attack, clear" in message


def test_a_cuda_device_where_there_is_none(bench: Bench, pack: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    message = bench.refuses("--dataset", pack, "--method", "blur", "--device", "cuda")
    assert "--device cpu" in message
