"""Text of others, made harmless: no character of it is a command to a terminal, or hides what stands there.

Names, notes, keys, file names and errors may come from anybody: from records, baselines, tables, recipes, servers. What
a terminal would obey, or would not show, is spelled out as JSON spells it, so a JSON document stays the same document.
"""

from __future__ import annotations

import re
import unicodedata

_HALVES = re.compile("[\ud800-\udfff]")
_SUSPECT = re.compile(r"[^\n\t\x20-\x7e\xa1-\xac\xae-\u02ff]+")
"""All but what is known to be harmless, so that ordinary text is looked at once."""


def harmless(words: str) -> str:
    r"""Text in which control, formatting and invisible characters are spelled out, such as `\u001b`.

    Ends of lines and tabs stay. Spelled out are C0 and C1 controls, directions of writing, characters of no width,
    separators of lines and paragraphs, halves of characters (surrogates), and characters that are not assigned.
    """
    return _SUSPECT.sub(lambda found: "".join(map(_shown, found.group())), words)


def one_line(words: str) -> str:
    r"""The same with ends of lines and tabs spelled out, too: `\n`, `\t`."""
    return harmless(words).replace("\n", "\\n").replace("\t", "\\t")


def storable(words: str) -> str:
    """Text that a file in UTF-8 can hold: bytes of a name that are none are spelled as in an address, such as `%e4`.

    Python stands them in text as halves of characters, which no other program reads, and no server takes.
    """
    return _HALVES.sub(lambda half: f"%{ord(half.group()) & 0xFF:02x}", words)


def _shown(character: str) -> str:
    if unicodedata.category(character)[0] != "C" and unicodedata.category(character) not in ("Zl", "Zp"):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
