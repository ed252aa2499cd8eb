"""A method and a metric of another package, one file each, are listed, run, and on the board."""

from __future__ import annotations

import json
from pathlib import Path

from outside import bench, package

METHOD = """
    from facebench.methods.base import Method

    class Negative(Method):
        '''The photographic negative. Source: this test.'''

        random = False

        def load(self, fitted, *, device):
            return lambda faces, seeds: 255 - faces
"""
METRIC = """
    from facebench.bench.metrics.base import Metric
    from facebench.reports.statistics.intervals import wilson
    from facebench.reports.result.record import Measure, Score

    class Agreement(Metric):
        '''Share of pairs on the right side of a fixed similarity. Source: this test.'''

        at: float = 0.5

        def __call__(self, scores, on):
            right = int(((scores.similarity > self.at) == scores.same).sum())
            n = len(scores.same)
            measure = Measure(name="agreement", side="utility", better="higher", says="see above", headline=True)
            return Score(measure=measure, on=on, value=right / n, n=n, intervals=(wilson(right, n),)), None
"""
RECIPE = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
metrics: [accuracy, {use: agreement, at: 0.25}]
"""


def test_a_method_and_a_metric_of_another_package(tmp_path: Path) -> None:
    entries = {"methods.negative": "fb_negative:Negative", "metrics.agreement": "fb_agreement:Agreement"}
    package(tmp_path, "fb-outside", entries, fb_negative=METHOD, fb_agreement=METRIC)
    (tmp_path / "tiny.yaml").write_text(RECIPE)

    def run(*args: str) -> str:
        done = bench(tmp_path, *args)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    found = json.loads(run("list", "--format", "json"))
    assert found["methods"]["negative"] == "The photographic negative. Source: this test."
    assert "agreement" in found["metrics"]
    shown = run("run", "--method", "negative", "--recipe", "tiny.yaml", "--tracking-uri", "none", "-q")
    assert "negative on synthetic" in shown
    assert "agreement" in shown
    board = run("report")
    assert "negative" in board
    assert "agreement" in board
