"""The claim in words and figures, to be laid out below a table of the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ..board.claim import AT_MOST, MOST, Claim, Comparison, Ratio
from ..board.floor import FLOOR, UPPER, Spread


class ClaimTable(NamedTuple):
    """Claims of one group, as text."""

    header: list[str]
    rows: list[list[str]]
    """One cell a column of the header; the first column is words."""
    caption: str
    """What the figures are, and of how many pairs."""
    verdicts: list[str]
    """What became of the claim, one a row of the claimant's."""


def claim_table(claims: Sequence[Claim]) -> ClaimTable | None:
    """The claims of one group as text; None where there is none."""
    if not claims:
        return None
    compared = [(claim, comparison) for claim in claims for comparison in claim.comparisons]
    sets = {ratio.on: None for _, comparison in compared for ratio in comparison.ratios if ratio.on != "mean"}
    mean = ["mean"] if len(sets) > 1 else []
    left = claims[0].left_out
    rows = []
    for claim, comparison in compared:
        by_set = {ratio.on: ratio for ratio in comparison.ratios}
        role = "best prior" if comparison is claim.best else "prior" if comparison.prior else "-"
        rows.append([
            f"{claim.claimant} over {comparison.other}", role, *(_figure(by_set.get(on)) for on in [*sets, *mean]),
            _leakage(comparison),
        ])  # fmt: skip
    for claim in {claim.best.other: claim for claim in claims}.values():
        for name, role, ratios in ((UPPER, "upper bound", claim.upper), (FLOOR, "lower bound", claim.floor)):
            if ratios:
                by_set = {ratio.on: ratio for ratio in ratios}
                figures = [_figure(by_set.get(on)) for on in [*sets, *mean]]
                rows.append([f"{name} over {claim.best.other}", role, *figures, "-"])
    return ClaimTable(
        header=["errors", "of the paper", *sets, *mean, "leakage"],
        rows=rows,
        caption=_caption([ratio for _, comparison in compared for ratio in comparison.ratios])
        + (f" Only the {MOST} best rows of either side are compared; {left} more are not." if left else ""),
        verdicts=[claim_told(claim) for claim in claims],
    )


def plain(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Claims as JSON has them, numbers in full."""
    return [
        {
            "claimant": claim.claimant,
            "at_most": AT_MOST,
            "best_prior": claim.best.other,
            "verdict": claim.verdict,
            "holds": claim.holds,
            "because": claim.because,
            "beside": list(claim.beside),
            "left_out": claim.left_out,
            "upper": [_plain_ratio(ratio) for ratio in claim.upper],
            "floor": [_plain_ratio(ratio) for ratio in claim.floor],
            "comparisons": [
                {**asdict(comparison), "ratios": [_plain_ratio(ratio) for ratio in comparison.ratios]}
                for comparison in claim.comparisons
            ],
        }
        for claim in claims
    ]


def _plain_ratio(ratio: Ratio) -> dict[str, Any]:
    return {**asdict(ratio), "interval": ratio.interval.model_dump() if ratio.interval else None}


def _figure(ratio: Ratio | None) -> str:
    if ratio is None or ratio.value is None:
        return "-"
    bounds = f" [{ratio.interval.low:.2f}, {ratio.interval.high:.2f}]" if ratio.interval else ""
    return f"{ratio.value:.2f}{bounds}"


def _leakage(comparison: Comparison) -> str:
    if comparison.leaks[0] is None or comparison.leakage in ("of another kind", "not measured"):
        return comparison.leakage
    told = (_percent(*each) for each in zip(comparison.leaks, comparison.spreads, strict=True))
    return f"{comparison.leakage} ({', '.join(told)})"


def _percent(value: float | None, spread: Spread | None) -> str:
    if value is None:
        return "-"
    bounds = f" [{100 * max(0.0, spread.low):.3g}, {100 * min(1.0, spread.high):.3g}]" if spread else ""
    return f"{100 * value:.3g}{bounds}"


def _caption(ratios: Sequence[Ratio]) -> str:
    counts: dict[str, set[int]] = {}
    for ratio in ratios:
        if ratio.on != "mean":
            counts.setdefault(ratio.on, set()).add(ratio.n)
    pairs = ", ".join(f"{on} {' to '.join(f'{n:,}' for n in sorted({min(c), max(c)}))}" for on, c in counts.items())
    kinds = ", or ".join(dict.fromkeys(ratio.interval.kind for ratio in ratios if ratio.interval))
    return (
        "Errors of verification (what accuracy lacks to 100 %) of the one over those of the other: below 1 the first "
        f"errs less. In brackets 95 %: {kinds or 'none'}. Pairs: {pairs}. Leakage: that of the first against that of "
        "the other in %, the worst attacker of those that both met, over the seeds that both have, undecided where "
        "their intervals (95 %, over people and seeds) overlap."
    )


def claim_told(claim: Claim) -> str:
    """What became of a claim, in a few sentences."""
    best = claim.best
    here = " here" if claim.verdict in ("holds", "does not hold", "is open") else ""
    text = (
        f"The paper's claim {claim.verdict}{here} for `{claim.claimant}`: at no more leakage than the best prior "
        f"method (`{best.other}`), at most {AT_MOST} of its errors. {claim.because[0].upper()}{claim.because[1:]}."
    )
    ends = ((UPPER, claim.upper), (FLOOR, claim.floor))
    told = [f"`{name}` makes {_figure(ratios[-1])}" for name, ratios in ends if ratios and ratios[-1].value is not None]
    if told:
        text += f" Of the errors of `{best.other}`, {' and '.join(told)}."
    if best.leakage == "of another kind":
        text += f" Faces of `{best.other}` have no sources and leak in another way: only utility is compared."
    return " ".join([text, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in claim.beside)])
