"""YAML from strangers: plain data, or an error with its line."""

import os
import time
from pathlib import Path

import pytest
import yaml
from facebench.datasets.base import DataError
from facebench.datasets.files import safe_yaml


@pytest.fixture(autouse=True, params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With libyaml and, where that is missing, in Python."""
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(safe_yaml, "_Loader", getattr(yaml, request.param))


def refused(text: str) -> str:
    with pytest.raises(DataError) as error:
        safe_yaml.load(text, where="my.yaml")
    assert str(error.value).startswith("my.yaml")
    return str(error.value)


def test_plain_data_is_read(tmp_path: Path) -> None:
    text = "a: 1\nb: [x, 2.5, true, null, 1.0e-3]\nc:\n  d: 'on'\n  e: |\n    two\n    lines\n  é: {}\n"
    expected = {"a": 1, "b": ["x", 2.5, True, None, 0.001], "c": {"d": "on", "e": "two\nlines\n", "é": {}}}
    assert safe_yaml.load(text, where="x") == expected
    path = tmp_path / "plain.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert safe_yaml.load(path) == expected
    assert safe_yaml.load("", where="x") is None
    assert safe_yaml.load("# nothing", where="x") is None
    assert safe_yaml.load("7", where="x") == 7
    assert safe_yaml.load("[a, b]", where="x") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: &x 1\n", "line 1, column 4", "alias or anchor"),
        ("a: 1\nb: *x\n", "line 2, column 4", "alias or anchor"),
        ("a: &x [1]\nb: [*x, *x]\n", "line 1, column 4", "alias or anchor"),
        ("a: !!python/object/apply:os.system [true]\n", "line 1, column 4", "a tag"),
        ("a: !!str 1\n", "line 1, column 4", "a tag"),
        ("a: ! 1\n", "line 1, column 4", "a tag"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1", "the key 'a' for the second time"),
        ("x: {a: 1, 'a': 2}\n", "line 1, column 11", "the key 'a' for the second time"),
        ("<<: {a: 1}\n", "line 1, column 1", "a key that is no text"),
        ("on: 1\n", "line 1, column 1", "a key that is no text"),
        ("1: 1\n", "line 1, column 1", "a key that is no text"),
        ("? [a]\n: 1\n", "line 1, column 3", "a key that is no text"),
        ("a: 2024-01-01\n", "line 1, column 4", "a date"),
        ("a: 2024-99-99\n", "line 1, column 4", "a date"),
        ("a: " + "9" * 5000 + "\n", "line 1, column 4", "more than 64 characters"),
        ("a: [1, 2\nb: 3\n", "line 2", "expected"),
        ("a: b: c\n", "line 1", "mapping values"),
        ("a: 1\n--- \nb: 2\n", "line 2", "document"),
        ("a: 'x\n", "line 2", "quoted scalar"),
        ("a: 1\n\tb: 2", "line 2", "while scanning"),
        ("=\n", "line 1, column 1", "constructor"),
        ("%YAML 3.0\n--- a\n", "line 1", "YAML"),
    ],
)
def test_what_is_not_plain_is_told_by_its_line(text: str, place: str, said: str) -> None:
    message = refused(text)
    assert place in message
    assert said in message


def test_signs_that_yaml_forbids_are_told() -> None:
    assert "not YAML" in refused("a: \x00\n") or "control characters" in refused("a: \x00\n")
    assert "UTF-8" in refused("a: \udcff\n")


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    start = time.process_time()
    assert "alias or anchor" in refused(bomb)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000 + "x"])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested more than 50 deep" in refused(text)
    assert safe_yaml.load("[" * 50 + "]" * 50, where="x") is not None
    assert "nested" in refused("[" * 51 + "]" * 51)


def test_base_60_numbers_of_any_length_take_no_time() -> None:
    start = time.process_time()
    assert "more than 64 characters" in refused("a: 1" + ":59" * 20_000)
    assert time.process_time() - start < 2
    assert safe_yaml.load("a: " + "x" * 5000, where="x") == {"a": "x" * 5000}


def test_large_and_unreadable_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(DataError, match=r"large.yaml: .* at most 1 MiB"):
        safe_yaml.load(path)
    assert "at most 1 MiB" in refused("#" + "x" * (1 << 20))
    with pytest.raises(DataError, match=r"none.yaml: .*No such file"):
        safe_yaml.load(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        safe_yaml.load(tmp_path)
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        safe_yaml.load(path)
    path.chmod(0)
    if not os.access(path, os.R_OK):
        with pytest.raises(DataError, match="Permission denied"):
            safe_yaml.load(path)
