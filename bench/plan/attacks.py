"""Which attacks there are, and what records keep of what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from ...reports.result.record import AttackTraits
from ..attacks.base import Attack
from ..plugins import PluginError, load, names, own


def every() -> tuple[str, ...]:
    """All attacks, those of other packages too, in the order in which they are run and shown.

    Raises:
        PluginError: one cannot be loaded; whoever asks for all of them shall not get fewer without a word.
    """
    return _ordered(names(Attack))


def default() -> tuple[str, ...]:
    """Those of the suite that are run where a recipe names none.

    Raises:
        PluginError: one cannot be loaded.
    """
    return tuple(name for name in _ordered(own(Attack)) if load(Attack, name).default)


def known(asked: Mapping[str, Attack]) -> dict[str, AttackTraits]:
    """The traits of the attacks of a run, and of the suite's others, by name; those that cannot be loaded are none."""
    found = {name: attack.traits() for name, attack in asked.items()}
    for name in own(Attack):
        if name not in found:
            with suppress(PluginError, ImportError):
                found[name] = load(Attack, name).traits()
    return found


def _ordered(found: Iterable[str]) -> tuple[str, ...]:
    places = {}
    for name in found:
        try:
            places[name] = load(Attack, name).place
        except ImportError as error:
            raise PluginError(
                f"attacks: {name} is not available: {error}; install what it needs, or name the attacks one by one"
            ) from error
    return tuple(sorted(places, key=lambda name: (places[name], name)))
