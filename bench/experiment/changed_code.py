"""Says which plug-ins of other packages have other code than at the last run in a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ..plugin_sources import sources
from ..store.store import Store
from .stages.context import Context

_FOLDER = "plugin-code"


def told(run: Context) -> list[str]:
    """A sentence for each plug-in whose code changed.

    Args:
        run: what a run is made of.
    """
    sentences = []
    for what, plugin in _plugins(run):
        kept, now = _kept(_file(run.store, what)), sources(plugin)
        changed = sorted(name for name in {*kept, *now} if kept.get(name) != now.get(name))
        if kept and changed:
            sentences.append(
                f"{what}: its code changed since the last run in this store ({', '.join(changed)}); what it decides is "
                "made again"
            )
    return sentences


def keep(run: Context) -> None:
    """Keep what the code is now, for the next run.

    Raises:
        StoreError: it cannot be written.
    """
    for what, plugin in _plugins(run):
        if (now := sources(plugin)) != _kept(_file(run.store, what)):
            run.store.keep(_file(run.store, what), json.dumps(now, indent=1, sort_keys=True))


def _plugins(run: Context) -> Iterator[tuple[str, type]]:
    """Those of other packages."""
    for what, plugin in [
        (f"method {run.name}", run.method),
        *((f"attack {n}", each) for n, each in run.attacks.items()),
    ]:
        if sources(type(plugin)):
            yield what, type(plugin)


def _file(store: Store, what: str) -> Path:
    return store.root / _FOLDER / f"{what.replace(' ', '-')}.json"


def _kept(path: Path) -> dict[str, str]:
    """What was kept; nothing where it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
