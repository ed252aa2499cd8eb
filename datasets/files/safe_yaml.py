"""Read YAML that strangers wrote: plain data only, within bounds, every complaint with its line.

Cards, recipes and experiments are read here. Beyond PyYAML's own safe loader this refuses what it would
expand (aliases, merges), guess (tags, dates, keys such as `on` that become booleans) or lose (duplicate keys).
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ..base import DataError
from .regular import open_regular

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NUMBER = 64
"""Characters of a value that is no text: base-60 numbers of a megabyte take minutes."""

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where libyaml is there
_MAP, _TEXT = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"
_DATE = "tag:yaml.org,2002:timestamp"


def load(source: Path | str, *, where: str | None = None) -> Any:
    """Read one YAML document of mappings, lists, texts, numbers, booleans and nulls.

    Args:
        source: a file (`Path`) or the text itself (`str`).
        where: what to call it in messages; by default the file's path.

    Returns:
        The data; None for an empty document. Keys of mappings are texts.

    Raises:
        DataError: the file cannot be read, is larger than 1 MiB, is not YAML, nests deeper than 50, or has an
            alias, an anchor, a tag, a date, a zero byte, a duplicate key or a key that is no text.
    """
    place = where if where is not None else str(source) if isinstance(source, Path) else "YAML text"
    text = _text(source, place)
    try:
        _scan(text, place)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, place)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise DataError(_message(place, mark, f"expected YAML, got an error {problem}", "Correct it there.")) from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{place}: not YAML that can be read: {str(error)[:200]}. Correct it there.") from error


def _text(source: Path | str, place: str) -> str:
    try:
        if isinstance(source, str):
            raw = source.encode()
        else:
            with open_regular(source) as file:
                raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(f"{place}: expected YAML of at most 1 MiB, got more. Is it the right file?")
        return raw.decode("utf-8-sig")
    except UnicodeError as error:
        raise DataError(f"{place}: expected YAML in UTF-8, got other bytes. Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{place}: the YAML file cannot be read ({error.strerror}). Check the path.") from error


def _scan(text: str, place: str) -> None:
    """Refuse, while it is a stream and nothing has been built, what could grow or name a type."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "an alias or anchor (* or &); expected every value written out"
        elif getattr(event, "tag", None) is not None:
            problem = "a tag (!); expected plain values"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth <= MAX_DEPTH:
                continue
            problem = f"nested more than {MAX_DEPTH} deep"
        else:
            continue
        raise DataError(_message(place, event.start_mark, problem, "Write it without."))


def _check(root: yaml.Node, place: str) -> None:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            if "\0" in node.value:  # no path, name or number has it, and the system cuts paths there
                raise DataError(_message(place, node.start_mark, "a zero byte in a value", "Write it without."))
            if node.tag == _DATE:
                raise DataError(_message(place, node.start_mark, "a date", "Write it in quotes."))
            if node.tag != _TEXT and len(node.value) > MAX_NUMBER:
                problem = f"a number of more than {MAX_NUMBER} characters"
                raise DataError(_message(place, node.start_mark, problem, "Write it in quotes, or shorter."))
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node, place)
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _check_keys(node: yaml.MappingNode, place: str) -> None:
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
            problem = "a key that is no text (YAML reads on, off, yes, no and numbers as such)"
            raise DataError(_message(place, key.start_mark, problem, "Write it in quotes."))
        if "\0" in key.value:
            raise DataError(_message(place, key.start_mark, "a zero byte in a key", "Write it without."))
        if key.value in seen:
            problem = f"the key {key.value[:40]!r} for the second time"
            raise DataError(_message(place, key.start_mark, problem, "Keep one."))
        seen.add(key.value)


def _message(place: str, mark: Any, got: str, advice: str) -> str:
    at = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{place}{at}: {got}. {advice}"
