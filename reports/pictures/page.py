"""The leaderboard as one HTML file: no network, no server, and no text of a record that a browser could take for code.

All that records say goes in as JSON, and scripts put it on the page as text; the page's own policy lets no other
script, style or request through. Vega draws; what it is made of says `.ci/vega`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import Any

from ..board.leaderboard import Board
from ..formats import render
from . import page_data

ASSETS = Path(__file__).parent / "page_assets"
SCRIPTS = ("dom.js", "charts.js", "plane.js", "table.js", "details.js", "main.js")
"""In the order in which they are read; they share one scope."""


def html(board: Board) -> str:
    """The page of a board.

    Details of rows and the files to download are compressed: they are looked at one at a time, if at all.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    vega = (ASSETS / "vega.js").read_text("utf-8")
    style = (ASSETS / "page.css").read_text("utf-8")
    script = '"use strict";\n(() => {\n' + "\n".join((ASSETS / name).read_text("utf-8") for name in SCRIPTS) + "})();\n"
    packed = {"rows": page_data.details(board), "csv": render.csv(board), "json": render.json(board)}
    compressed = gzip.compress(dumps(packed, separators=(",", ":"), allow_nan=False).encode(), 6, mtime=0)
    template = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return template.render(
        policy=_policy([vega, script], style),
        style=Markup(style),  # noqa: S704  # these three are files of ours
        vega=Markup(vega),  # noqa: S704
        script=Markup(script),  # noqa: S704
        board=Markup(_data(page_data.groups(board))),  # noqa: S704  # escaped in _data
        packed=Markup(_data(base64.b64encode(compressed).decode())),  # noqa: S704
        legend=render.LEGEND,
        kinds=render.KINDS,
        version=version("facebench"),
    )


def _policy(scripts: list[str], style: str) -> str:
    """What the browser may run and load: these very scripts and this style, and nothing from anywhere."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    allowed = " ".join(map(digest, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {digest(style)}; base-uri 'none'; form-action 'none'"


def _data(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or opens a comment."""
    text = dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII: U+2028 and its like are escaped, too
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
