"""Who plays which role: identity-disjoint shares of one dataset.

Source: the suite's protocol; G trains the method, A belongs to the attacker, P is made private and
released, H is held out as the control.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ... import FacebenchError

Role = Literal["G", "A", "P", "H"]
ROLES: tuple[Role, ...] = ("G", "A", "P", "H")


class SplitError(FacebenchError, ValueError):
    """A dataset that cannot be split; the message says what, expected, got and what to do."""


class Shares(BaseModel):
    """The share of all identities that each role gets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    G: Annotated[float, Field(ge=0, lt=1)] = 0.3
    A: Annotated[float, Field(ge=0, lt=1)] = 0.2
    P: Annotated[float, Field(gt=0, le=1)] = 0.4
    H: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _make_a_whole(self) -> Shares:
        total = self.G + self.A + self.P + self.H
        if abs(total - 1) > 1e-9:
            raise ValueError(f"shares must add up to 1, got {total:g}")
        return self


def split(
    labels: NDArray[np.int64],
    names: Sequence[str],
    shares: Shares,
    *,
    min_images: int,
    seed: int,
    min_images_fit: int = 1,
) -> dict[Role, NDArray[np.int64]]:
    """Give every identity one role.

    Identities with fewer than `min_images` images go to G, which needs no second image; the others are
    sorted by name, shuffled, and dealt so that the roles come as near to their shares as that allows.

    Args:
        labels: [N], identity of every face.
        names: [identities], what the labels are sorted by, so that a repacked dataset splits alike.
        shares: of all identities.
        min_images: least number of images of a person in A, P and H.
        seed: of the shuffle.
        min_images_fit: least number of images of a person in G; people with fewer than both play no role.

    Returns:
        The labels in each role, ascending. Every label is in exactly one; with `min_images_fit`, in at most one.

    Raises:
        SplitError: a role with a share above zero would get nobody.
    """
    counts = np.bincount(labels, minlength=len(names))
    order = np.array(sorted(range(len(names)), key=lambda label: (names[label], label)), dtype=np.int64)
    few = order[counts[order] < min_images]
    if min_images_fit > 1:
        few = few[counts[few] >= min_images_fit]
    many = order[counts[order] >= min_images]
    many = many[np.random.default_rng(seed).permutation(len(many))]
    extra = max(0, round(shares.G * (len(few) + len(many))) - len(few))  # what G still lacks
    if len(many) - extra < 3 and extra:
        extra = 0
    fit = many[counts[many] >= min_images_fit][:extra]
    rest = many[~np.isin(many, fit)]
    weights = np.array([shares.A, shares.P, shares.H])
    ends = np.round(np.cumsum(weights) / max(weights.sum(), 1e-12) * len(rest)).astype(int)
    roles: dict[Role, NDArray[np.int64]] = {
        "G": np.sort(np.concatenate([few, fit])),
        "A": np.sort(rest[: ends[0]]),
        "P": np.sort(rest[ends[0] : ends[1]]),
        "H": np.sort(rest[ends[1] :]),
    }
    for role in ROLES:
        if getattr(shares, role) > 0 and not len(roles[role]):
            raise SplitError(
                f"roles: nobody is left for role {role}: expected at least "
                f"{1 / min(s for s in (shares.A, shares.P, shares.H) if s):.0f} identities with {min_images} or more "
                f"images, got {len(many)} of {len(order)}; bring more people, lower --set min_images=N, or "
                f"change the shares (--set roles.{role}=0 and the others so that they add up to 1)"
            )
    return roles


def members(labels: NDArray[np.int64], people: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of the faces of some people, sorted by label, in the dataset's order within a person."""
    chosen = np.flatnonzero(np.isin(labels, people))
    return chosen[np.argsort(labels[chosen], kind="stable")]


def role_digest(indices: NDArray[np.int64]) -> str:
    """What a role's faces are recorded as."""
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<i8").tobytes()).hexdigest()[:16]
