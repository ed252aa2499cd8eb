"""What the attacks of a record say of themselves, also where the record is older than that."""

from __future__ import annotations

from .parts import AttackTraits
from .record import KNOWLEDGE, RunRecord

_IGNORANT, _LEARNS = {"searches": True}, {"adaptive": True, "searches": True}
EARLIER = {
    "ignorant": AttackTraits(**_IGNORANT, reference=True, place=10),
    "other_image": AttackTraits(**_IGNORANT, reference=True, without_photo=True, place=20),
    "ensemble": AttackTraits(**_IGNORANT, place=30),
    "alignment": AttackTraits(**_LEARNS, place=40),
    "parrot": AttackTraits(**_LEARNS, place=50),
    "distillation": AttackTraits(**_LEARNS, place=60),
    "restore": AttackTraits(**_LEARNS, place=70),
    "replay": AttackTraits(applies=True, searches=True, place=80),
    "linkage": AttackTraits(place=90),
    "membership": AttackTraits(place=100),
    "memorisation": AttackTraits(place=110),
    "consistency": AttackTraits(place=120),
}
"""For records from before attacks spoke for themselves, and for no other: the attacks there were. It never grows."""


def traits(record: RunRecord) -> dict[str, AttackTraits]:
    """By name the traits of every attack that could have been run, and of those that were.

    Of an attack in an earlier record that is none of the suite's, what its attacker holds is told by `knows`, and where
    that tells nothing either, the attacker counts as ignorant: low leakage would be no guarantee.
    """
    if record.known_attacks:
        return dict(record.known_attacks)
    others = {name: _told(record.knows.get(name, "")) for name in record.attackers if name not in EARLIER}
    return {**EARLIER, **others}


def _told(knows: str) -> AttackTraits:
    strength = KNOWLEDGE.index(knows) if knows in KNOWLEDGE else 0
    return AttackTraits(adaptive=strength == 2, applies=strength == 1, searches=True)
