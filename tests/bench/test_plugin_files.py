"""A file that looks like a plug-in and is none: `bench list` says why, and the others are listed all the same."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from facebench.bench.plugin_files import look
from facebench.bench.plugins import PluginError, load, names
from pydantic import BaseModel

BASE = """
    from abc import ABC
    from pydantic import BaseModel

    class Trick(BaseModel, ABC):
        pass

    class Helper:
        pass
"""
FILES = {
    "good": "from .base import Trick\nclass Good(Trick):\n    '''Does it.'''\n",
    "dotted": "from . import base\nclass Dotted(\n    base.Trick,\n):\n    '''Over two lines.'''\n",
    "renamed": "from .base import Trick as Other\nclass Renamed(Other):\n    '''By another name.'''\n",
    "two": "from .base import Trick\nclass One(Trick): ...\nclass Two(Trick): ...\n",
    "common": "from abc import ABC\nfrom .base import Trick\nclass Common(Trick, ABC): ...\n",
    "my-trick": "from .base import Trick\nclass Mine(Trick): ...\n",
    "class": "from .base import Trick\nclass Keyword(Trick): ...\n",
    "helper": "from .base import Helper\nclass Help(Helper): ...\n",
    "empty": "X = 1\n",
    "broken": "class Broken(:\n    pass\n",
    "latin": "X = 'caf\xe9'\n",
    "raises": "from .base import Trick\nclass Late(Trick): ...\n1 / 0\n",
}
WHY = {
    "two": "expected one Trick in tricks_of_a_test.two, got 2: One, Two",
    "common": "Common is an `ABC`",
    "my-trick": "rename it, such as to my_trick.py",
    "class": "rename it, such as to class_.py",
    "helper": "expected a class that names Trick among its bases, got Help",
    "empty": "got no class",
    "broken": "broken.py is no Python: invalid syntax, line 1",
    "latin": "latin.py is no Python",
    "raises": "ZeroDivisionError: division by zero, at ",
}


@pytest.fixture
def trick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[BaseModel]]:
    """A contract in a folder of its own, with files beside it."""
    folder = tmp_path / "tricks_of_a_test"
    folder.mkdir()
    (folder / "base.py").write_text(dedent(BASE))
    for name, text in FILES.items():
        (folder / f"{name}.py").write_bytes(text.encode("latin-1" if name == "latin" else "utf-8"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("tricks_of_a_test.base").Trick
    for name in [name for name in sys.modules if name.startswith("tricks_of_a_test")]:
        del sys.modules[name]


def test_what_fills_the_contract_is_found_however_it_is_spelled(trick: type[BaseModel]) -> None:
    found = names(trick)
    assert found["good"] == "Does it."
    assert found["dotted"] == "Over two lines."
    assert found["renamed"] == "By another name."


@pytest.mark.parametrize("name", WHY)
def test_what_does_not_says_why_in_the_list_and_to_who_asks_for_it(trick: type[BaseModel], name: str) -> None:
    assert WHY[name] in names(trick)[name]
    with pytest.raises(PluginError) as error:
        load(trick, name)
    assert WHY[name] in str(error.value)


def test_everything_in_the_folder_is_told_of(trick: type[BaseModel]) -> None:
    assert names(trick).keys() == FILES.keys()


@pytest.mark.parametrize("kind", ["methods", "datasets", "bench/attacks", "bench/metrics"])
def test_the_suite_has_no_file_that_is_none(kind: str) -> None:
    folder = Path(__file__).resolve().parents[2] / kind
    for found in look(folder / "base.py").values():
        assert found.odd == {}
        assert found.plugins
