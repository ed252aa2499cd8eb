"""Images in every form they come in: what is read, what is refused, and that bombs are never decoded."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
import torch
from facebench.datasets.base import DataError
from facebench.datasets.files.codec import decode, encode
from facebench.datasets.files.image_header import suffix
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def smooth(side: int = 112, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).uniform(size=(side, side, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.asarray((blurred - blurred.min()) / np.ptp(blurred) * 255, np.uint8)


def saved(image: Image.Image | Pixels, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, kind, **how)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refused(data: bytes, *, resize: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        decode(data, where="train.rec: record 7", resize=resize)
    message = str(caught.value)
    assert message.startswith("train.rec: record 7: ")
    return message


@pytest.mark.parametrize(("kind", "how"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_files_give_their_pixels_in_rgb(kind: str, how: dict[str, Any]) -> None:
    image = smooth()
    got = decode(saved(image, kind, **how), where="x")
    assert got.dtype == torch.uint8 and got.is_contiguous()
    assert np.array_equal(got.numpy(), image.transpose(2, 0, 1))


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}, {"exif": b"Exif\0\0" + bytes(40)}])
def test_jpeg_is_read_as_pillow_reads_it(how: dict[str, Any]) -> None:
    data = saved(smooth(), "JPEG", quality=90, **how)
    expected = np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1).astype(int)
    assert np.abs(decode(data, where="x").numpy().astype(int) - expected).max() <= 3


def test_grey_becomes_three_equal_channels() -> None:
    for kind in ("JPEG", "PNG"):
        got = decode(saved(Image.fromarray(smooth()).convert("L"), kind), where="x")
        assert torch.equal(got[0], got[1]) and torch.equal(got[0], got[2]) and got.float().std() > 1


def test_palette_and_opaque_transparency_are_read() -> None:
    image = smooth()
    assert np.array_equal(
        decode(saved(Image.fromarray(image).convert("RGBA"), "PNG"), where="x").numpy(), image.transpose(2, 0, 1)
    )
    assert decode(saved(Image.fromarray(image).convert("P"), "PNG"), where="x").shape == (3, 112, 112)


def test_an_orientation_tag_does_not_turn_an_aligned_face() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, tagged = (saved(smooth(), "JPEG", exif=tag) for tag in (Image.Exif(), exif))
    assert plain != tagged
    assert torch.equal(decode(plain, where="x"), decode(tagged, where="x"))


def test_png_round_trip_loses_nothing_and_jpeg_little() -> None:
    image = torch.from_numpy(smooth(seed=3).transpose(2, 0, 1).copy())
    assert torch.equal(decode(encode(image), where="x"), image)
    close = decode(encode(image, kind="jpeg", quality=95), where="x")
    assert (close.float() - image.float()).abs().mean() < 3
    assert len(encode(image, kind="jpeg", quality=50)) < len(encode(image, kind="jpeg", quality=95))


@pytest.mark.parametrize(
    "image", [torch.zeros(3, 112, 112), torch.zeros(112, 112, 3, dtype=torch.uint8), torch.zeros(1, 3, 112, 112)]
)
def test_encode_refuses_what_is_no_face(image: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"expected a uint8 face of \[3, 112, 112\], got"):
        encode(image)


@pytest.mark.parametrize("data", [b"", b"hello, I am text", b"\0" * 500, b"RIFF\0\0\0\0WAVEfmt ", b"%PDF-1.7"])
def test_what_is_no_image_is_named_so(data: bytes) -> None:
    assert "not an image that can be read: expected JPEG, PNG, WebP or BMP" in refused(data)
    assert suffix(data) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.98])
def test_a_truncated_image_never_gives_a_half_grey_face(kind: str, part: float) -> None:
    data = saved(smooth(), kind)
    assert "truncated or damaged" in refused(data[: int(len(data) * part)])


def test_a_truncated_bmp_is_refused() -> None:
    data = saved(smooth(), "BMP")
    assert "truncated or damaged bmp" in refused(data[: len(data) // 2])


def test_every_flipped_bit_of_a_png_is_noticed() -> None:
    data = saved(smooth(), "PNG")
    for at in range(8, len(data), 997):
        assert refused(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])


@pytest.mark.parametrize("side", [1, 31, 96, 113, 224])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_another_size_is_refused_with_both_sizes_and_the_way_out(side: int, kind: str) -> None:
    message = refused(saved(smooth(side), kind))
    assert f"expected a face of 112x112 pixels, got {side}x{side}" in message
    assert "align and crop" in message and "resize=true" in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_resize_scales_squares_and_only_squares(kind: str) -> None:
    for side in (32, 96, 112, 250):
        got = decode(saved(smooth(side), kind), where="x", resize=True)
        assert got.shape == (3, 112, 112)
        assert abs(float(got.float().mean()) - smooth(side).mean()) < 4
    for width, height in ((112, 96), (31, 31), (1025, 1025)):
        oblong = np.zeros((height, width, 3), np.uint8)
        assert f"got {width}x{height}" in refused(saved(oblong, kind), resize=True)


def bombs() -> dict[str, bytes]:
    side = 20_000
    tiny = {kind: bytearray(saved(smooth(), kind)) for kind in ("JPEG", "BMP")}
    frame = tiny["JPEG"].index(b"\xff\xc0")
    tiny["JPEG"][frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    tiny["BMP"][18:26] = struct.pack("<ii", side, -side)
    webp = b"WEBPVP8X" + struct.pack("<IB3x", 10, 0) + (16382).to_bytes(3, "little") * 2
    return {
        "png": png(side, side, colour=0, rows=bytes(side * (side + 1) // 100)),
        "jpeg": bytes(tiny["JPEG"]),
        "bmp": bytes(tiny["BMP"]),
        "webp": b"RIFF" + struct.pack("<I", len(webp)) + webp,
    }


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("kind", list(bombs()))
def test_a_bomb_is_refused_before_anything_is_decoded(kind: str, resize: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the decoder was asked")

    monkeypatch.setattr(cv2, "imdecode", fail)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", fail)
    message = refused(bombs()[kind], resize=resize)
    assert "got 16383x16383" in message if kind == "webp" else "got 20000x20000" in message


def test_a_second_frame_header_cannot_smuggle_another_size_in() -> None:
    data = saved(smooth(), "JPEG")
    at = data.index(b"\xff\xc0")
    frame = bytearray(data[at : at + 19])
    frame[5:9] = struct.pack(">HH", 20_000, 20_000)
    assert "damaged" in refused(data[:at] + data[at : at + 19] + bytes(frame) + data[at + 19 :])


def test_files_beyond_all_reason_are_refused_by_length() -> None:
    assert "at most 4,194,304 bytes, got 4,194,305" in refused(saved(smooth(), "PNG").ljust(4 * 2**20 + 1, b"\0"))


def test_cmyk_16_bit_and_animated_images_are_refused() -> None:
    frames = [Image.fromarray(smooth(seed=seed)) for seed in range(3)]
    more: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    assert "got CMYK" in refused(saved(frames[0].convert("CMYK"), "JPEG"))
    assert "expected 8 bits a channel, got 16" in refused(png(112, 112, bits=16, rows=bytes(112 * 673)))
    assert "animated PNG" in refused(saved(frames[0], "PNG", **more))
    assert "animated WebP" in refused(saved(frames[0], "WEBP", **more))
    assert "got a GIF" in refused(saved(frames[0], "GIF", **more))


def test_too_few_rows_in_a_sound_file_are_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    assert "cannot be decoded" in refused(png(112, 112, rows=bytes(5 * 337)))
