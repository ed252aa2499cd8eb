"""What is to be made private, how, and which part of it one call makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ... import FacebenchError
from ...methods.parts.private_pack import Encoding
from ..store.store import digest


class DeployError(FacebenchError, ValueError):
    """A private dataset that cannot be made; the message says what, where, expected, got and what to do."""


@dataclass(frozen=True)
class Slice:
    """Which shards one call makes: every `of`-th, from number `index` on."""

    index: int
    of: int

    @classmethod
    def parse(cls, text: str | None) -> Slice:
        """From `i/n`, with i from 1; None is all.

        Raises:
            DeployError: it is something else.
        """
        fits = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", "1/1" if text is None else text)
        if not fits or not 1 <= int(fits[1]) <= int(fits[2]):
            raise DeployError(f"--shards {text}: expected i/n with 1 <= i <= n, such as 2/8 for the second of 8 parts")
        return cls(int(fits[1]) - 1, int(fits[2]))

    @property
    def tag(self) -> str:
        """For names of files."""
        return f"{self.index + 1}-of-{self.of}"


class Job(BaseModel):
    """All that decides the private faces, and how they are cut into shards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    layout: Literal[2] = 2
    method: str
    spec: dict[str, Any]
    fitted: str | None
    faces: str
    """Fingerprint of the originals."""
    skipped: int
    """How many of them cannot be decoded."""
    secret: str
    """Which key its randomness follows from: a name that tells nothing of the key."""
    device: str
    """Its kind: another kind rounds otherwise."""
    encoding: Encoding
    shard_size: Annotated[int, Field(ge=1)]

    @property
    def key(self) -> str:
        """Of every shard."""
        return digest(self.model_dump(mode="json"))

    @property
    def chance(self) -> str:
        """Of what random numbers are for: another encoding or layout of the same faces shows nothing new of them."""
        return digest(self.model_dump(mode="json", exclude={"shard_size", "encoding", "device"}))

    @property
    def content(self) -> str:
        """Of the private faces, which do not depend on how they were cut."""
        return digest(self.model_dump(mode="json", exclude={"shard_size"}))

    def release_key(self, to: str, record: str | None) -> str:
        """Of the finished dataset, which does not depend on how it was cut.

        Args:
            to: its layout.
            record: the name of the record that its card shows.
        """
        return digest([self.content, to, record])
