"""A fitted file says which method it belongs to, and a file that lies, or is none, does no harm."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from facebench.methods.base import MethodError
from facebench.methods.facemae import FaceMAE
from facebench.methods.masking import Masking
from facebench.methods.parts import fitted_file
from safetensors.numpy import save_file


def write(path: Path, said: str | None) -> Path:
    """A safetensors file by hand: the header's length in eight bytes, the header."""
    header = json.dumps(
        {"__metadata__": {"other": "thing", **({} if said is None else {fitted_file.KEY: said})}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    method = Masking(ratio=0.5)
    file = tmp_path / "any name.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, file, metadata={fitted_file.KEY: fitted_file.describe(method)})
    said = fitted_file.read(file)
    assert (said.method, said.version) == ("masking", 2)
    assert Masking.model_validate(said.parameters) == method
    assert fitted_file.describe(Masking(ratio=0.5)) == fitted_file.describe(method)
    assert json.loads(fitted_file.describe(method, name="other"))["method"] == "other"


def test_a_file_that_a_parameter_names_is_told_by_its_content_and_not_by_its_path(tmp_path: Path) -> None:
    teacher = tmp_path / "secret-project.pt"
    teacher.write_bytes(b"weights")
    text = fitted_file.describe(FaceMAE(teacher=teacher))
    assert "secret-project" not in text
    said = fitted_file.read(write(tmp_path / "file", text))
    assert said.files == {"teacher": "sha256:" + hashlib.sha256(b"weights").hexdigest()}
    assert "teacher" not in said.plain
    assert FaceMAE.model_validate(said.plain) == FaceMAE()
    teacher.unlink()
    with pytest.raises(MethodError, match=r"FaceMAE\.teacher: .*cannot be read"):
        fitted_file.describe(FaceMAE(teacher=teacher))


def test_a_file_that_says_nothing_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(fitted_file.Undescribed, match="name the method with --method"):
        fitted_file.read(write(tmp_path / "file", None))


@pytest.mark.parametrize(("said", "says"), [
    ("", "EOF"),
    ("[" * 60_000, "recursion limit"),
    ("[" * 70_000, "70,000 characters, more than 65,536"),
    ("{}", "method: Field required"),
    ('{"method": "../masking", "version": 1, "parameters": {}}', "method: String should match pattern"),
    ('{"method": "masking", "version": true, "parameters": {}}', "version: Input should be a valid integer"),
    ('{"method": "masking", "version": 1, "parameters": {"ratio": NaN}}', "not JSON compliant"),
    ('{"method": "masking", "version": 1, "parameters": {}, "code": "import os"}', "code: Extra inputs"),
])  # fmt: skip
def test_metadata_that_is_not_what_fit_writes_is_refused(tmp_path: Path, said: str, says: str) -> None:
    with pytest.raises(MethodError, match="cannot be understood: ") as error:
        fitted_file.read(write(tmp_path / "file", said))
    assert says in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(("content", "says"), [
    (b"", "expected a whole safetensors file"),
    (b"not it", "it is no fitted method, or damaged"),
    (struct.pack("<Q", 2**40), "a header of at most 16,777,216 bytes, got one that announces 1,099,511,627,776"),
    (struct.pack("<Q", 100) + b"{}", "expected a whole safetensors file"),
    (struct.pack("<Q", 2**20) + b'{"a":' * (2**20 // 5) + b" ", "expected a whole safetensors file"),
])  # fmt: skip
def test_what_is_no_safetensors_file_is_refused_by_its_header(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(MethodError) as error:
        fitted_file.read(tmp_path / "file")
    assert says in str(error.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="expected a file, got a folder"):
        fitted_file.read(tmp_path)
    with pytest.raises(MethodError, match="expected a file, got none"):
        fitted_file.read(tmp_path / "nothing")
    with pytest.raises(MethodError, match="expected a file, got none"):
        fitted_file.read(Path("/dev/zero"))
