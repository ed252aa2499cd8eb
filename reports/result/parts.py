"""The small parts of a record: what stages cost, who played which role, what became of the recognizer, and marks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

Link = Annotated[str, StringConstraints(max_length=300, pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9._~:/?#@&+,=%-]*$")]
"""An address on the web. No other scheme, and no character that could end a link where it is shown."""


Count = Annotated[int, Field(ge=0, le=2**53)]
"""No more than a floating-point number tells apart: boards and trackers make one of it."""


class Closed(BaseModel):
    """Frozen, and an unknown entry is an error."""

    # what is written has every entry, so the schema of what is written asks for every entry
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


class Check(Closed):
    """A sanity bound: when it fails, the numbers it guards are not to be relied on."""

    name: str
    passed: bool
    says: str
    """Expected and got, in one line."""
    guards: Literal["utility", "privacy", "run"]


class StageTrace(Closed):
    """What one stage cost."""

    name: str
    key: str
    seconds: FiniteFloat
    """What making it took, also where it was only looked up this time."""
    cached: bool
    peak_mib: FiniteFloat | None = Field(default=None, exclude_if=lambda peak: peak is None)
    """Resident memory of the run's process at its peak while it was made, in MiB; None where it is not known."""
    precision: str | None = Field(default=None, exclude_if=lambda precision: precision is None)
    """In which arithmetic networks were trained in it; None where none was, or where that is not known."""


class Role(Closed):
    """The people who play one role in a run, as numbers and a digest: no name, no list."""

    identities: Count
    images: Count
    digest: str


class Learning(Closed):
    """Whether the recognizer of a run had learned when its training ended, told from the losses of its training."""

    steps: Count
    start: FiniteFloat
    """Mean loss of the first twentieth of the steps."""
    end: FiniteFloat
    """Mean loss of the last twentieth."""
    left: FiniteFloat
    """What training as long again would take off the loss, at the pace of the last steps of high rate, as a share of
    `start`."""
    still: bool
    """Whether that is much, and the fall clear of the noise between steps."""


class AttackTraits(Closed):
    """What an attack says of itself, so that no reader of a record has to know it by its name."""

    adaptive: bool = False
    """Whether the attacker knows the method and learns from what it makes of other people."""
    applies: bool = False
    """Whether the attacker applies the method to the very originals, and learns nothing."""
    searches: bool = False
    """Whether it looks for the person behind a private face; the worst leakage is that of those who were run."""
    without_photo: bool = False
    """Whether the photo that was made private is left out of what is searched."""
    reference: bool = False
    """Whether attackers who know the method must find at least as much as this one."""
    place: Annotated[int, Field(ge=-(10**6), le=10**6)] = 1000
    """Where it stands among others; the lowest first."""

    @property
    def strength(self) -> int:
        """How much the attacker holds, as an index of `record.KNOWLEDGE`."""
        return 2 if self.adaptive else 1 if self.applies else 0


class Released(Closed):
    """The private set as the recognizer was trained on it."""

    identities: Count
    images: Count
    missed: Count = Field(default=0, exclude_if=lambda missed: not missed)
    """Originals of which the method made no private face, though it should have: they count as not found."""


class Unreliable(Closed):
    """A mark that people put on a record whose numbers turned out wrong: boards show it, and not on the front."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    link: Link | None = None
    """Where the flaw is described."""

    def __str__(self) -> str:
        """Reason and link, on one line."""
        return f"{self.reason} ({self.link})" if self.link else self.reason
