"""Made-up records for the page's tests: a board with all that a board can have, and one that means harm."""

from __future__ import annotations

from pathlib import Path

from facebench.reports.board.leaderboard import board
from facebench.reports.pictures.page import html
from facebench.reports.result.record import Check, Curve, Groups, GroupScore, GroupTable, Measure, RunRecord, Score
from facebench.reports.statistics.intervals import wilson
from made_up import ACCURACY, LEAK, record

MEMORISED = Measure(name="memorised", side="privacy", better="lower", says="matches people it learned", headline=True)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "javascript:alert(3)",
    "__proto__",
    "{{ 7 * 7 }} {% raw %} \u2028 \u202e ]]>",
    "'\"`onload=alert(4) x",
)


def scored(method: str, accuracy: tuple[float, float, float], leaks: tuple[float, float], **more) -> RunRecord:
    """A record with three verification sets and two attackers."""
    sets = zip(("lfw", "cfp_fp", "agedb_30"), accuracy, strict=True)
    found = [Score(measure=ACCURACY, on=on, value=value, n=600, chance=0.5) for on, value in sets]
    attacks = zip(("ignorant", "other_image"), leaks, strict=True)
    found += [Score(measure=LEAK, on=on, value=value, n=400, chance=0.01) for on, value in attacks]
    return record(method, scores=tuple(found), **{"not_run": {"memorisation": "does not apply"}, **more})


def tones() -> Groups:
    """Leakage of two groups that are compared, and of one that is too small."""
    parts = (("dark", 30, 100), ("light", 10, 280), ("small", 0, 20))
    scores = [
        Score(measure=LEAK, on="ignorant", value=hits / n, n=n, chance=0.01, detail={"people": n // 4},
              intervals=(wilson(hits, n),) if n >= 30 else ())
        for _, hits, n in parts
    ]  # fmt: skip
    table = GroupTable(of="faces", file="t.csv", digest="0" * 64, columns=("tone",), told=400, untold=0)
    named = zip(parts, scores, strict=True)
    told = tuple(GroupScore(column="tone", group=group, score=score) for (group, _, _), score in named)
    return Groups(tables=(table,), scores=told)


def everything() -> list[RunRecord]:
    """Bounds, a front that depends on the switches, an unreliable row, one without sources, a second dataset."""
    curves = (
        Curve(name="roc", on="lfw", x_label="FAR", y_label="TAR", x=(0.001, 0.01, 0.1, 1.0), y=(0.2, 0.3, 0.6, 1.0)),
        Curve(name="cmc", on="ignorant", x_label="rank k", y_label="leak@k", x=(1.0, 2.0, 3.0), y=(0.03, 0.05, 0.06)),
    )
    made = Score(measure=MEMORISED, on="memorisation", value=-0.163, n=400, chance=0.0)
    gan = scored("gan", (0.6, 0.6, 0.6), (0.0, 0.0))
    kept = tuple(s for s in gan.scores if s.measure.side == "utility")
    failed = (Check(name="judge on clear pairs", passed=False, says="expected 90 %, got 50 %", guards="privacy"),)
    return [
        scored("original", (0.95, 0.9, 0.92), (1.0, 0.99), curves=curves),
        *(scored("alpha", (0.9, 0.6, 0.7), (0.04, 0.03 + seed / 100), seed=seed, curves=curves) for seed in (0, 1)),
        scored(
            "beta",
            (0.8, 0.8, 0.8),
            (0.05, 0.01),
            curves=curves,
            notes=("a note: seen",),
            quality={"loss": 0.25},
            groups=tones(),
        ),
        scored("gamma", (0.7, 0.7, 0.7), (0.06, 0.06), parameters={"ratio": 0.75}),
        scored("broken", (0.75, 0.75, 0.75), (0.0, 0.0), checks=failed),
        scored("noise", (0.5, 0.5, 0.5), (0.01, 0.01)),
        gan.model_copy(
            update={
                "scores": (*kept, made),
                "sourced": False,
                "attackers": ("memorisation",),
                "not_run": {"ignorant": "no sources", "other_image": "no sources"},
            }
        ),
        scored("delta", (0.66, 0.66, 0.66), (0.2, 0.2), dataset="celeba"),
        record("zeta", dataset="unmeasured", leak=None),
        scored("epsilon", (0.77, 0.77, 0.77), (0.3, 0.3), recipe_hash="cccc"),
    ]


def hostile() -> list[RunRecord]:
    """Every text a record has is an attack on the page."""
    found = []
    for n, text in enumerate(HOSTILE):
        scores = tuple(
            score.model_copy(
                update={
                    "note": text,
                    "on": text if score.measure.side == "privacy" else score.on,
                    "measure": score.measure.model_copy(update={"says": text}),
                }
            )
            for score in record().scores[:2]
        )
        told = GroupTable(of=text, file=text, digest=text, columns=(text,), told=1, untold=0)
        by_group = tuple(GroupScore(column=text, group=f"{text}{g}", score=scores[0]) for g in range(2))
        curve = Curve(name=text, on=text, x_label=text, y_label=text, x=(0.1, 0.2), y=(0.3, 0.6))
        found.append(
            record(
                method=text, name=f"hostile-{n}", scores=scores, curves=(curve,), notes=(text,), quality={text: 1.0},
                parameters={text: {text: [text]}}, judge={"file": HOSTILE[0], text: text}, machine={text: {text: text}},
                not_run={text: text}, skipped={text: 1}, overlap=text, dataset=HOSTILE[1], recipe=HOSTILE[0],
                checks=(Check(name=text, passed=False, says=text, guards="run"),), recipe_hash=HOSTILE[2], seed=n,
                groups=Groups(tables=(told,), scores=by_group, notes=(text,)),
            )
        )  # fmt: skip
    return found


def written(records: list[RunRecord], path: Path) -> str:
    """Write the page of records; its address."""
    path.write_text(html(board(records)), encoding="utf-8")
    return path.as_uri()
