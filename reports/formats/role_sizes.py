"""Who the methods were trained on, in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from ..result.record import RunRecord


def role_g(records: Sequence[RunRecord]) -> str:
    """People of role G and their photos each: `G: 3,240 people, 1.0 photos each. `; nothing where no record has any.

    Whoever learns what photos of one person have in common learns nothing where each has but one. Where records differ,
    the fewest and the most are told.
    """
    found = [record.roles["G"] for record in records if "G" in record.roles and record.roles["G"].identities]
    if not found:
        return ""
    people = dict.fromkeys(f"{n:,}" for n in (min(g.identities for g in found), max(g.identities for g in found)))
    means = [g.images / g.identities for g in found]
    photos = dict.fromkeys(f"{n:.1f}" for n in (min(means), max(means)))
    return f"G: {' to '.join(people)} people, {' to '.join(photos)} photos each. "
