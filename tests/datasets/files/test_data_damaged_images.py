"""Damage inside an image that its decoder only warns of, or does not see at all, is refused where the format tells."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from facebench.datasets.base import DataError
from facebench.datasets.files.codec import decode
from facebench.datasets.files.image_header import MOST_SCANS
from facebench.datasets.recordio import RecordIO
from numpy.typing import NDArray
from PIL import Image


def photograph(seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(30, 226, (9, 9, 3)).astype(np.float32), (112, 112), interpolation=cv2.INTER_CUBIC)
    image: NDArray[np.uint8] = np.clip(coarse + rng.normal(0, 4, (112, 112, 1)), 0, 255).astype(np.uint8)
    return image


def jpeg(seed: int = 0, *, progressive: int = 0, sampling: int = 0x221111, restart: int = 0) -> bytes:
    options = [
        cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        sampling, cv2.IMWRITE_JPEG_RST_INTERVAL, restart,
    ]  # fmt: skip
    return bytes(cv2.imencode(".jpg", photograph(seed), options)[1])


def saved(kind: str, seed: int = 0, **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photograph(seed)).save(file, kind, **how)  # type: ignore[arg-type]
    return file.getvalue()


def by_opencv(data: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    assert image is not None
    return np.asarray(image, np.uint8)


def refused(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decode(data, where="record 3")
    assert str(caught.value).startswith("record 3: ")
    return str(caught.value)


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("sampling", [0x111111, 0x211111, 0x221111, 0x121111, 0x411111])
@pytest.mark.parametrize("restart", [0, 3])
def test_a_sound_jpeg_gives_the_pixels_of_opencv(progressive: int, sampling: int, restart: int) -> None:
    for seed in range(5):
        data = jpeg(seed, progressive=progressive, sampling=sampling, restart=restart)
        assert np.array_equal(decode(data, where="x").permute(1, 2, 0).numpy(), by_opencv(data))


@pytest.mark.parametrize("how", [{"keep_rgb": True}, {"optimize": True}, {"subsampling": 0}, {"quality": 20}])
def test_other_kinds_of_jpeg_give_the_pixels_of_opencv(how: dict[str, object]) -> None:
    data = saved("JPEG", **how)
    assert np.array_equal(decode(data, where="x").permute(1, 2, 0).numpy(), by_opencv(data))
    grey = io.BytesIO()
    Image.fromarray(photograph()).convert("L").save(grey, "JPEG")
    assert np.array_equal(decode(grey.getvalue(), where="x").permute(1, 2, 0).numpy(), by_opencv(grey.getvalue()))


def test_a_jpeg_that_was_cut_and_given_an_end_is_refused() -> None:
    for seed in range(5):
        data = jpeg(seed)
        scan = data.index(b"\xff\xda") + 14
        for at in np.linspace(scan, len(data) - 8, 20).astype(int).tolist():
            whole = by_opencv(data[:at] + b"\xff\xd9")
            assert whole.shape == (112, 112, 3), "OpenCV says nothing"
            assert "cannot be decoded (Corrupt JPEG data" in refused(data[:at] + b"\xff\xd9")


def test_a_jpeg_with_a_part_of_another_one_is_mostly_refused() -> None:
    rng, found = np.random.default_rng(0), 0
    for seed in range(100):
        data, other = jpeg(seed), jpeg(seed + 100)
        at = int(rng.integers(data.index(b"\xff\xda") + 14, len(data) - 300))
        try:
            decode(data[:at] + other[at : at + 200] + data[at + 200 :], where="x")
        except DataError:
            found += 1
    assert found > 50  # what happens to fit, only digests can tell


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded() -> None:
    data = jpeg(progressive=1)
    at = data.rindex(b"\xff\xda")
    assert f"at most {MOST_SCANS} scans" in refused(data[:at] + data[at:-2] * (MOST_SCANS + 1) + b"\xff\xd9")


@pytest.mark.parametrize("how", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0" + bytes(9)}])
def test_sizes_of_a_webp_that_do_not_fit_are_refused(how: dict[str, object]) -> None:
    data = saved("WEBP", **how)
    decode(data, where="x")
    chunk = data.index(b"VP8", 16 if data[12:16] == b"VP8X" else 12)
    for at in (*range(4, 8), *range(chunk + 4, chunk + 8)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert "damaged" in refused(bytes(changed))
    assert "damaged" in refused(data[:-40] + data[-20:])
    length = int.from_bytes(data[4:8], "little")
    assert "damaged" in refused(data[:4] + (length - 40).to_bytes(4, "little") + data[8:-40])


def test_sizes_of_a_bmp_that_do_not_fit_are_refused() -> None:
    data = saved("BMP")
    assert np.array_equal(decode(data, where="x").permute(1, 2, 0).numpy(), photograph())
    assert "damaged" in refused(data[:-200]) and "damaged" in refused(data + bytes(200))
    for at in (*range(10, 18), *range(26, 30)):  # where pixels begin, size of the header, planes, bits a pixel
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert refused(bytes(changed))


@pytest.mark.realdata
def test_real_images_give_the_pixels_of_opencv(data_root: Path) -> None:
    root = data_root / "faces_lfw_112x112"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    faces = RecordIO(root=root).open()
    for index in range(0, len(faces), 5):
        assert np.array_equal(faces[index].image.permute(1, 2, 0).numpy(), by_opencv(faces.encoded(index)))
