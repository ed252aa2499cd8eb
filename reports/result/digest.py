"""What a record says, as one digest, so that an accident or a careless edit does not go unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

APART = frozenset({"layout", "digest", "unreliable"})
"""Entries the digest is not made of: how the file is laid out, the digest itself, and what reviewers said later."""


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 in hex over a record as it stands in its file, without the entries `APART`.

    Keys are sorted, nothing is written between the parts, and numbers are spelled as Python spells them, so how a file
    is indented does not matter. It is made of the file and not of what was read from it, so a facebench that knows
    more entries comes to the same digest. Whoever means to deceive can make a new one: it does not prove who measured.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has not.
    """
    kept = {key: value for key, value in content.items() if key not in APART}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
