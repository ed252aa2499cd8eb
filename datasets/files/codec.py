"""Encoded image bytes to tensors and back; nothing is decoded before its header was found harmless."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..base import SIZE, DataError
from .image_header import AGAIN, inspect, wrong_size

if TYPE_CHECKING:
    from torch import Tensor


def decode(data: bytes, *, where: str, resize: bool = False) -> Tensor:
    """Decode a face; grey becomes three equal channels, transparency and EXIF orientation are not applied.

    Args:
        data: a JPEG, PNG, WebP or BMP file.
        where: names the image in errors, such as `train.rec, record 7`.
        resize: accept square faces of SMALLEST to LARGEST pixels, and scale them.

    Returns:
        uint8 [3, SIZE, SIZE], RGB.

    Raises:
        DataError: not an image, truncated or damaged as far as its format tells (of a PNG any bit, of a JPEG what its
            decoder warns of, of a WebP or BMP its sizes; `sums.py` tells the rest), of another size, CMYK, more than
            8 bits, animated.
    """
    import torch

    return torch.from_numpy(_pixels(data, where, resize))


def encode(image: Tensor, *, kind: Literal["png", "jpeg"] = "png", quality: int = 95) -> bytes:
    """Encode a face: PNG without loss, or JPEG at a quality from 1 to 100.

    Args:
        image: uint8 [3, SIZE, SIZE], RGB.
        kind: the format.
        quality: of the JPEG; PNG has none.

    Raises:
        DataError: the tensor is no face.
    """
    if tuple(image.shape) != (3, SIZE, SIZE) or str(image.dtype) != "torch.uint8":
        raise DataError(f"encode: expected a uint8 face of [3, {SIZE}, {SIZE}], got {image.dtype} {list(image.shape)}")
    cv2 = _cv2()
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    planes = image.cpu().numpy()
    done, data = cv2.imencode(".png" if kind == "png" else ".jpg", cv2.merge(planes[::-1].copy()), options)
    if not done:
        raise DataError(f"encode: OpenCV could not write a {kind} image")
    return bytes(data)


def _pixels(data: bytes, where: str, resize: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """[3, SIZE, SIZE], contiguous."""
    kind = inspect(data, where, resize)
    cv2 = _cv2()
    image = _jpeg(data, where) if kind == ".jpg" else _other(data, where)
    if image.shape[:2] != (SIZE, SIZE):
        if not resize or image.shape[0] != image.shape[1]:  # the decoder disagrees with the header
            raise DataError(wrong_size(where, image.shape[1], image.shape[0]))
        kind = cv2.INTER_AREA if image.shape[0] > SIZE else cv2.INTER_CUBIC
        image = cv2.resize(image, (SIZE, SIZE), interpolation=kind)
    planes = np.empty((3, SIZE, SIZE), np.uint8)
    cv2.split(image, [planes[0], planes[1], planes[2]])
    return planes


def _jpeg(data: bytes, where: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """[H, W, 3], to the byte what OpenCV gives, which does not tell what libjpeg warns of.

    Data that end early, codes that are none and bytes that are left give another picture, so they are errors here.
    """
    import simplejpeg

    try:
        image: np.ndarray[Any, np.dtype[np.uint8]] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        raise DataError(f"{where}: a damaged image that cannot be decoded ({str(error)[:100]}); {AGAIN}") from None
    return image


def _other(data: bytes, where: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """[H, W, 3] of a PNG, WebP or BMP file."""
    cv2 = _cv2()
    try:
        # aligned faces are cropped pixels: an orientation tag that outlived the crop must not turn them
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        raise DataError(f"{where}: a damaged image that cannot be decoded; {AGAIN}")
    found: np.ndarray[Any, np.dtype[np.uint8]] = image
    return found


@cache
def _cv2() -> Any:
    import cv2

    cv2.setNumThreads(1)  # we decode many faces at once in threads of our own
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # what is wrong with an image is said by our errors, once
    return cv2
