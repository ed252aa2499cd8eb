"""A few faces as the images of a verification set, as people pickled them, and what is said of a file that is none."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.files import codec

SAME = [True, False, True]


def faces(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tiles = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return list(tiles.repeat_interleave(14, 2).repeat_interleave(14, 3))


FACES = faces(6)
IMAGES = [codec.encode(face) for face in FACES]


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "lfw.bin"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    with pytest.raises(DataError) as error:
        bins.read(saved(folder, content))
    message = str(error.value)
    assert str(folder / "lfw.bin") in message
    assert "expected" in message.lower()
    return message


def python2(images: Sequence[bytes], flags: bytes, protocol: int) -> bytes:
    """A pickle of (list of str, list) as Python 2's cPickle writes it; `flags` is the pickled second list."""
    if protocol == 2:
        body = b"\x80\x02]q\x01("
        for key, image in enumerate(images, start=2):
            short = len(image) < 256
            body += b"U" + bytes([len(image)]) if short else b"T" + struct.pack("<i", len(image))
            body += image + b"r" + struct.pack("<I", key)
        return body + b"e" + flags + b"\x86q\x00."
    body = b"((lp1\n"
    for key, image in enumerate(images, start=2):
        escaped = repr(image)[1:].encode()  # Python 3's escapes of bytes are those of Python 2's str
        body += b"S" + escaped + b"\np" + str(key).encode() + b"\na"
    return body + flags + b"tp0\n."


FLAGS_0 = b"(lp90\nI01\naI00\naI01\na"
FLAGS_2 = b"]q\x5a(\x88\x89\x88e"
# numpy.bool_ as Python 2 and numpy 1 write it: a scalar of a dtype of three arguments and a state of eight
NUMPY_0 = (
    b"(lp90\ncnumpy.core.multiarray\nscalar\np91\n(cnumpy\ndtype\np92\n(S'b1'\np93\nI0\nI1\ntp94\nRp95\n"
    b"(I3\nS'|'\np96\nNNNI-1\nI-1\nI0\ntp97\nbS'\\x01'\np98\ntp99\nRp100\na"
    b"g91\n(g95\nS'\\x00'\np101\ntp102\nRp103\nag91\n(g95\nS'\\x01'\np104\ntp105\nRp106\na"
)
NUMPY_2 = (
    b"]q\x5a(cnumpy.core.multiarray\nscalar\nq\x5bcnumpy\ndtype\nq\x5cU\x02b1q\x5dK\x00K\x01\x87q\x5eRq\x5f"
    b"(K\x03U\x01|q\x60NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x61bU\x01\x01q\x62\x86q\x63Rq\x64"
    b"h\x5bh\x5fU\x01\x00q\x65\x86q\x66Rq\x67h\x5bh\x5fU\x01\x01q\x68\x86q\x69Rq\x6ae"
)
