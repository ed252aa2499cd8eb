"""Whether the numbers of a record agree with each other; neither store nor network is needed to see it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

from ...reports.result.record import Interval, RunRecord, Score
from ...reports.statistics.intervals import wilson

LEAKAGE = ("leak@1", "memorised")
"""What the worst leakage is the worst of."""
CLOSE = 1e-9
"""Numbers closer than this are the same: a sum in another order differs by less."""


def findings(record: RunRecord) -> list[str]:
    """What is wrong, one sentence each with expected and got; nothing where all agrees."""
    found = [*_roles(record), *_twice(record), *_hidden(record)]
    for score in record.scores:
        where = f"{score.measure.name} on {score.on}"
        found += [f"{where}: {what}" for what in _score(score)]
    found += _groups(record)
    for curve in record.curves:
        if len(curve.x) != len(curve.y):
            lengths = f"{len(curve.x)} and {len(curve.y)}"
            found.append(f"curve {curve.name} on {curve.on}: expected as many x as y, got {lengths}")
    return found


def _roles(record: RunRecord) -> Iterator[str]:
    for name, role in record.roles.items():
        if not 0 <= role.identities <= role.images:
            yield f"role {name}: expected an image a person at least, got {role.images} of {role.identities} people"
    in_sample = record.config.get("protocol") == "in-sample"  # G = P then, as the record's note says
    digests: dict[str, str] = {}
    for name, role in record.roles.items():
        twin = digests.setdefault(role.digest, name) if role.images else name
        if twin != name and not (in_sample and {twin, name} == {"G", "P"}):
            yield f"roles {twin} and {name}: expected people of their own, got the same ones"


def _twice(record: RunRecord) -> Iterator[str]:
    for kind, names in (
        ("score", [(score.measure.name, score.on) for score in record.scores]),
        ("curve", [(curve.name, curve.on) for curve in record.curves]),
        ("stage", [(stage.name, stage.key) for stage in record.stages]),
    ):
        for (first, second), count in Counter(names).items():
            if count > 1:
                yield f"{kind} {first}, {second}: expected once, got {count} times"


def _hidden(record: RunRecord) -> Iterator[str]:
    """A measure that is a headline of leakage says so, or the worst leakage would be told without it."""
    for score in record.scores:
        told = (score.measure.side, score.measure.better, score.measure.unit, score.measure.headline)
        if score.measure.name in LEAKAGE and told != ("privacy", "lower", "share", True):
            yield f"{score.measure.name} on {score.on}: expected a headline of leakage, a share, lower is better"


def _groups(record: RunRecord) -> Iterator[str]:
    """A score by group: the groups of a column are all its trials, and their hits add up to its own."""
    parts: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for one in record.groups.scores if record.groups else ():
        where = f"{one.score.measure.name} on {one.score.on}, {one.column}"
        yield from (f"{where} {one.group}: {what}" for what in _score(one.score))
        parts[one.column, one.score.measure.name, one.score.on].append(one.score)
    for (column, measure, on), scores in parts.items():
        whole, where = record.score(measure, on), f"{measure} on {on}, all groups of {column}"
        if whole is None or whole.value is None:
            yield f"{where}: expected the score of all trials beside them, got none"
            continue
        n, hits = sum(score.n for score in scores), sum(score.n * (score.value or 0.0) for score in scores)
        slack = 1e-6 if whole.measure.side == "privacy" else 5 + 1e-6  # a mean over folds is a count but for 5
        count, told = whole.detail.get("correct"), whole.value * n
        if count is not None:  # of folds of unequal size, which a list may have, the mean is no count at all
            slack, told = 1e-6, count
        if n != whole.n:
            yield f"{where}: expected {whole.n} trials, got {n}"
        elif abs(hits - told) > slack:
            yield f"{where}: expected {told:.6g} hits, got {hits:.6g}"


def _score(score: Score) -> Iterator[str]:
    share = score.measure.unit == "share"
    if share and score.chance is not None and not 0 <= score.chance <= 1:
        yield f"expected a chance from 0 to 1, got {score.chance}"
    if score.value is None:
        if not score.note:
            yield "expected a note that says why there is no value, got none"
        return
    if score.n == 0:
        yield f"expected trials for a value, got a value of {score.value} of none"
    if share and not -1 <= score.value <= 1:  # a difference of shares may be below 0
        yield f"expected a share, got {score.value}"
    counted = score.measure.side == "privacy" and any(interval.kind == "wilson" for interval in score.intervals)
    if counted and not math.isclose(hits := score.value * score.n, round(hits), abs_tol=1e-6):
        yield f"expected hits of {score.n} probes, got {score.value} of them, which is {hits:.6g}"
    official = bool(score.detail.get("folds_official"))  # they may be of any size
    correct = score.detail.get("correct")
    if correct is not None and not official and abs(score.value * score.n - correct) > 5 + 1e-6:
        yield f"expected a mean over folds of {correct:.6g} right answers of {score.n}, got {score.value:.6g}"
    for interval in score.intervals:
        # a mean over folds, some larger by one or two pairs, is a count only nearly
        slack = (1 if correct is None else 5) / score.n if score.n else 0.0
        slack = 1.0 if official else slack
        if not 0 < interval.level < 1:
            yield f"expected a level of the {interval.kind} interval between 0 and 1, got {interval.level}"
        elif not interval.low - slack <= score.value <= interval.high + slack:
            yield f"expected a value in its {interval.kind} interval {_told(interval)}, got {score.value:.6g}"
        elif interval.kind == "wilson" and score.n:
            yield from _wilson(score, score.value, interval)


def _wilson(score: Score, value: float, interval: Interval) -> Iterator[str]:
    """The interval made again from the count, which the value tells exactly, or, a mean over folds, to within a trial.

    Trials are the score's, or, of a rate over both kinds of pairs, twice the number of the rarer kind.
    """
    correct = score.detail.get("correct")
    if correct is not None and correct == int(correct) and 0 <= correct <= score.n:
        exact = wilson(int(correct), score.n, interval.level)
        if not _same(exact, interval):
            yield (
                f"expected the wilson interval {_told(exact)} of {correct:.6g} right answers of {score.n}, "
                f"got {_told(interval)}"
            )
        return
    kinds = [score.detail.get(name) for name in ("n_genuine", "n_impostor")]
    rarer = min((int(kind) for kind in kinds if kind is not None), default=0)
    for trials in dict.fromkeys((score.n, 2 * rarer)):
        hits, slack = value * trials, 1e-6 if score.measure.side == "privacy" else 1
        for count in range(math.ceil(hits - slack), math.floor(hits + slack) + 1):
            if 0 <= count <= trials > 0 and _same(wilson(count, trials, interval.level), interval):
                return
    near = wilson(min(score.n, max(0, round(value * score.n))), score.n, interval.level)
    yield f"expected the wilson interval {_told(near)} of {value:.6g} and n = {score.n}, got {_told(interval)}"


def _same(one: Interval, other: Interval) -> bool:
    return math.isclose(one.low, other.low, abs_tol=CLOSE) and math.isclose(one.high, other.high, abs_tol=CLOSE)


def _told(interval: Interval) -> str:
    return f"{interval.low:.6g} to {interval.high:.6g}"
