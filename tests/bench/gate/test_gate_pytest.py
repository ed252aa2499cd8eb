"""A method's own repository gates itself by the pytest plug-in: a small project outside of ours, good and broken."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

METHOD = """
    from facebench.methods.base import Method

    class Dark(Method):
        '''Faces so dark that nobody is seen. Source: this test.'''

        random = False

        def load(self, fitted, *, device):
            return lambda faces, seeds: faces // DIVISOR
"""
RECIPE = """
    synthetic: {people: 60, images: 3, pairs: 20}
    recognizer: {architecture: small, dim: 32, steps: 1, batch: 8}
    judge: {architecture: small, dim: 32, steps: 1, batch: 8}
"""
TEST = """
    from pathlib import Path

    RECIPE = Path(__file__).with_name("tiny.yaml")

    def test_the_method_has_not_become_worse(run_method, assert_no_regression):
        assert_no_regression(run_method("dark", recipe=RECIPE))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for package, points in (
        ("dark_faces", "[facebench.methods]\ndark = dark_faces:Dark\n"),
        # as our own installation declares it: where that is an older one, this stands in for it
        ("stand_in", "[pytest11]\nfacebench = facebench.bench.pytest_plugin\n"),
    ):
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
    (folder / "tiny.yaml").write_text(textwrap.dedent(RECIPE))
    (folder / "test_dark.py").write_text(textwrap.dedent(TEST))
    (folder / "test_other.py").write_text("def test_nothing_of_facebench():\n    pass\n")
    _hide(folder, divisor=250)
    done = _python(
        folder, "-m", "facebench.bench", "run", "--method", "dark", "--recipe", "tiny.yaml", "--tracking-uri", "none",
        "-q",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr  # a judge of one step misses its bound
    done = _python(
        folder, "-m", "facebench.bench", "check", "--baseline", "b.json", "--update", "--waive", "judge on clear pairs"
    )
    assert done.returncode == 0, done.stderr
    return folder


def _hide(folder: Path, *, divisor: int) -> None:
    (folder / "dark_faces.py").write_text(textwrap.dedent(METHOD).replace("DIVISOR", str(divisor)))


def _python(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "GITHUB_"))}
    return subprocess.run(
        [sys.executable, *args], cwd=folder, capture_output=True, text=True, check=False,
        env={**environment, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def _pytest(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return _python(folder, "-m", "pytest", "-p", "no:cacheprovider", *args)


def test_an_unchanged_method_passes_and_one_that_hides_less_fails(project: Path) -> None:
    done = _pytest(project, "--facebench-baseline", "b.json", "test_dark.py")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    _hide(project, divisor=1)
    done = _pytest(project, "--facebench-baseline", "b.json", "test_dark.py")
    _hide(project, divisor=250)
    assert done.returncode == 1
    assert "regressed" in done.stdout
    assert "leak@1" in done.stdout
    assert "Traceback" not in done.stdout


def test_without_a_baseline_the_gate_is_skipped_and_says_so(project: Path) -> None:
    done = _pytest(project, "-rs", "test_dark.py", "test_other.py")
    assert done.returncode == 0
    assert "1 passed, 1 skipped" in done.stdout
    assert "no --facebench-baseline" in done.stdout


def test_a_baseline_of_other_methods_or_a_missing_one_fails(project: Path) -> None:
    done = _pytest(project, "--facebench-baseline", "missing.json", "test_dark.py")
    assert done.returncode == 1
    assert "there is no such file" in done.stdout


def test_runs_that_do_not_use_it_load_nothing_of_it(project: Path) -> None:
    (project / "conftest.py").write_text(
        textwrap.dedent("""
        import sys

        def pytest_sessionfinish():
            ours = sorted(name for name in sys.modules if name.startswith("facebench"))
            heavy = [name for name in ("torch", "numpy", "pydantic", "scipy", "rich", "yaml") if name in sys.modules]
            print("LOADED", ours, heavy)
    """)
    )
    done = _pytest(project, "-W", "error", "-s", "test_other.py")
    (project / "conftest.py").unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOADED ['facebench', 'facebench.bench', 'facebench.bench.pytest_plugin'] []" in done.stdout
