"""Records for tests: made-up numbers, since here they are the input."""

from __future__ import annotations

from typing import Any

from facebench.reports.result.record import Check, Curve, Measure, Role, RunRecord, Score, StageTrace, sealed
from facebench.reports.result.thirdparty import ThirdPartyAttack, against
from facebench.reports.statistics.intervals import wilson

ACCURACY = Measure(name="accuracy", side="utility", better="higher", says="verification accuracy", headline=True)
LEAK = Measure(name="leak@1", side="privacy", better="lower", says="found at rank 1", headline=True)
AUC = Measure(name="auc", side="utility", better="higher", says="area under the curve")


def record(
    method: str = "masking",
    *,
    seed: int = 0,
    accuracy: float | None = 0.8,
    leak: float | None = 0.1,
    parameters: dict[str, Any] | None = None,
    failed: bool = False,
    **more: Any,
) -> RunRecord:
    def score(measure: Measure, on: str, value: float | None, n: int, chance: float) -> Score:
        bounds = () if value is None else (wilson(round(value * n), n),)
        return Score(measure=measure, on=on, value=value, n=n, intervals=bounds, chance=chance)

    given: dict[str, Any] = {
        "name": f"lfw-quick-{method}-{seed}",
        "method": method,
        "method_spec": {"class": method.title(), "version": 1, "parameters": parameters or {}},
        "dataset": "lfw",
        "recipe": "quick",
        "recipe_hash": "aaaa",
        "data_hash": "bbbb",
        "seed": seed,
        "created": "2026-01-01T00:00:00+00:00",
        "config": {"recognizer": {"steps": 5}},
        "roles": {"P": Role(identities=10, images=40, digest="cc")},
        "judge": {"kind": "onnx", "file": "judge.onnx"},
        "stages": (StageTrace(name="train", key="0123", seconds=2.5, cached=False),),
        "scores": (
            score(ACCURACY, "lfw", accuracy, 600, 0.5),
            score(LEAK, "ignorant", leak, 400, 0.01),
            score(LEAK, "other_image", None if leak is None else leak / 2, 400, 0.01),
            score(AUC, "lfw", 0.9, 600, 0.5),
        ),
        "curves": (Curve(name="roc", on="lfw", x_label="FAR", y_label="TAR", x=(0.01, 0.1, 1.0), y=(0.3, 0.6, 1.0)),),
        "checks": (Check(name="judge on clear pairs", passed=not failed, says="expected 90 %", guards="privacy"),),
        "attackers": ("ignorant", "other_image"),
        **more,
    }
    return sealed(RunRecord(**given))


def attack(on: RunRecord, *, leak: float = 0.5, name: str = "inversion", **more: Any) -> ThirdPartyAttack:
    """Somebody else's attack on a record, which finds more people than the record's own."""
    own = next(score for score in on.scores if score.measure == LEAK)
    score = own.model_copy(update={"on": name, "value": leak, "intervals": (wilson(round(leak * own.n), own.n),)})
    given: dict[str, Any] = {
        "attack": name,
        "says": "turns faces back",
        "knows_method": True,
        "by": "example-lab",
        "link": "https://example.org/inversion",
        "rerun": "bench run",
        "created": "2026-01-02T00:00:00+00:00",
        "against": against(on),
        "scores": (score,),
        **more,
    }
    return ThirdPartyAttack(**given)
