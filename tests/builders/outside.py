"""A package of somebody else's: modules and entry points in a folder, seen by `bench` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path


def package(folder: Path, name: str, entries: Mapping[str, str], **modules: str) -> None:
    """Install a package into a folder.

    Args:
        folder: gets the modules and what says that the package is installed.
        name: of the package.
        entries: by `KIND.NAME`, such as `methods.negative`, the class that is offered, such as `fb_negative:Negative`.
        modules: the text of each module, which may be indented.
    """
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(text))
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups: dict[str, list[str]] = {}
    for place, target in entries.items():
        kind, _, plugin = place.partition(".")
        groups.setdefault(kind, []).append(f"{plugin} = {target}")
    lines = [line for kind, offered in groups.items() for line in (f"[facebench.{kind}]", *offered)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def bench(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `bench` where the package in a folder is installed, in that folder."""
    return subprocess.run(
        [sys.executable, "-m", "facebench.bench", *args], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder)}, check=False,
    )  # fmt: skip
