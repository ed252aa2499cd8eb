"""What goes wrong in a plug-in of another package is told as its error, with its file and line."""

from __future__ import annotations

from pathlib import Path

import facebench
import pytest
from facebench.bench.plugins import PluginError, UnknownPlugin
from facebench.datasets.base import DataError
from facebench.methods.base import MethodError
from outside import bench, package

METHOD = """
    import json
    from facebench.methods.base import Method, MethodError

    class Broken(Method):
        '''Fails in one of several ways.'''

        random = False
        how: str = "own"

        def load(self, fitted, *, device):
            return self._make

        def _make(self, faces, seeds):
            if self.how == "told":
                raise MethodError("the moon is in the wrong quarter; wait")
            if self.how == "library":
                json.loads("{")
            return faces[0, 0, 0, 0] + {}["no such key"]
"""
RUN = ("run", "--method", "broken", "--recipe", "tiny.yaml", "--tracking-uri", "none", "-q")
RECIPE = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    package(folder, "fb-broken", {"methods.broken": "fb_broken:Broken"}, fb_broken=METHOD)
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


def _line(shop: Path, text: str) -> int:
    return next(n for n, line in enumerate((shop / "fb_broken.py").read_text().splitlines(), 1) if text in line)


def test_an_error_of_its_own_names_plug_in_package_file_and_line(shop: Path) -> None:
    done = bench(shop, *RUN)
    assert done.returncode == 2
    place = f"{shop / 'fb_broken.py'}:{_line(shop, 'no such key')}"
    assert f"error: method `broken` of package `fb-broken` failed: KeyError: 'no such key', at {place}" in _flat(done)
    assert "Traceback" not in done.stderr
    assert "please report" not in done.stderr


def test_what_it_called_failed_at_its_own_line(shop: Path) -> None:
    done = bench(shop, *RUN, "--set", "method.how=library")
    assert done.returncode == 2
    assert "failed: JSONDecodeError: " in done.stderr
    assert f"fb_broken.py:{_line(shop, 'json.loads')}" in _flat(done)


def test_an_error_of_the_contract_is_a_sentence_and_no_more(shop: Path) -> None:
    done = bench(shop, *RUN, "--set", "method.how=told")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("the moon is in the wrong quarter; wait")
    assert "fb_broken.py" not in done.stderr


def test_a_worker_tells_it_too(shop: Path) -> None:
    privatize = ("privatize", "synthetic", "out", "--method", "broken", "--workers", "2", "-q", "--shard-size", "64")
    done = bench(shop, *privatize, "--set", "synthetic.people=40", "synthetic.images=3")
    assert done.returncode == 2
    assert "method `broken` of package `fb-broken` failed: KeyError" in _flat(done)
    assert f"fb_broken.py:{_line(shop, 'no such key')}" in _flat(done)


def test_the_traceback_is_there_for_who_asks(shop: Path) -> None:
    done = bench(shop, "--debug", *RUN)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Broken(:\n    pass\n", "SyntaxError: invalid syntax, at FILE:1"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero, at FILE:3"),
    ],
)
def test_one_that_cannot_be_loaded_says_why_and_the_others_are_listed(tmp_path: Path, text: str, says: str) -> None:
    package(tmp_path, "fb-broken", {"methods.broken": "fb_broken:Broken"}, fb_broken=text)
    says = says.replace("FILE", str(tmp_path / "fb_broken.py"))
    done = bench(tmp_path, "list", "methods", "--json")
    assert done.returncode == 0
    assert says in done.stdout
    assert '"masking": "' in done.stdout
    done = bench(tmp_path, "run", "--method", "broken", "--dry-run", "--tracking-uri", "none")
    assert done.returncode == 2
    assert says in _flat(done)
    assert "Traceback" not in done.stderr


def test_one_class_catches_all_that_a_user_can_mend() -> None:
    assert all(
        issubclass(each, facebench.FacebenchError) for each in (PluginError, UnknownPlugin, DataError, MethodError)
    )
    assert not issubclass(facebench.FacebenchError, ValueError)


def _flat(done) -> str:
    return " ".join(done.stderr.split())
