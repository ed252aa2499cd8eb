"""The gate as a pytest plug-in, for the repository of a method: `pytest --facebench-baseline FILE`.

    def test_my_method_has_not_become_worse(run_method, assert_no_regression):
        assert_no_regression(run_method("my_method"))

Every pytest run where facebench is installed loads this file; nothing else is imported until a fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..reports.result.record import RunRecord


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    group = parser.getgroup("facebench", "facebench: gate a method on privacy and utility")
    group.addoption(
        "--facebench-baseline", metavar="FILE", help="compare with this file of `bench check --update`; without it, "
        "tests that use assert_no_regression are skipped",
    )  # fmt: skip
    group.addoption(
        "--facebench-store", metavar="DIR", help="keep stages there; by default each session has a new store, since a "
        "stage that was made by older code under the same version would be taken for the present one",
    )  # fmt: skip


@pytest.fixture(scope="session")
def facebench_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where runs keep their stages."""
    named = request.config.getoption("--facebench-store")
    return Path(named) if named else tmp_path_factory.mktemp("facebench")


@pytest.fixture(scope="session")
def run_method(facebench_store: Path) -> Callable[..., RunRecord]:
    """Run a method and measure it: `run_method("facemae", recipe="quick", dataset="synthetic", seed=0)`.

    `settings` takes what `bench run --set` does. Datasets are looked for under $FACEBENCH_DATA, or `data`.
    """

    def run_it(
        method: str,
        *,
        recipe: str | Path = "quick",
        dataset: str | Path = "synthetic",
        seed: int = 0,
        settings: Sequence[str] = (),
    ) -> RunRecord:
        from .experiment.run import prepare, run
        from .plan.plan import plan
        from .store.store import Store
        from .terminal.progress import Display

        planned = plan(recipe=str(recipe), settings=settings, dataset=str(dataset), method=method, seed=seed)
        store, display = Store(facebench_store), Display(quiet=True)
        root = Path(os.environ.get("FACEBENCH_DATA") or "data")
        return run(prepare(planned, store, data_root=root, device="auto", display=display), display=display).record

    return run_it


@pytest.fixture(scope="session")
def assert_no_regression(request: pytest.FixtureRequest, facebench_store: Path) -> Callable[..., None]:
    """Fail where a record is worse than the baseline, or cannot be compared with it.

    Several records of a method are its seeds. Methods in the baseline of which no record is given are not looked at.
    """
    named = request.config.getoption("--facebench-baseline")
    if not named:
        pytest.skip("no --facebench-baseline to compare with")

    def compare(*records: RunRecord) -> None:
        __tracebackhide__ = True
        from .gate import baseline, gate, output

        known = baseline.read(Path(named))
        methods = {record.method for record in records}
        entries = tuple(entry for entry in known.entries if entry.method in methods)
        lacking = sorted(methods - {entry.method for entry in entries})
        if lacking or not records:
            pytest.fail(f"baseline {named}: it has no entry of {', '.join(lacking) or 'no record'}", pytrace=False)
        outcome = gate.check(known.model_copy(update={"entries": entries}), records, facebench_store)
        if outcome.code:
            pytest.fail("\n" + output.table(outcome), pytrace=False)

    return compare
