"""What all pictures have in common: a figure without a window, colours, and a file that is whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .aside import matplotlib_aside
from .shows import Shows, mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's: told apart also by the colour-blind."""
ENDINGS: dict[str, dict[str, Any]] = {
    ".png": {"metadata": {"Software": None}},
    ".pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    ".svg": {"metadata": {"Date": None, "Creator": None}},
}
"""Formats of pictures by the ending of the file's name, and what keeps the time and the machine out of each."""


def blank(width: float, height: float) -> Figure:
    """A figure of a size in inches; matplotlib's objects, not `pyplot`: no window, no global state."""
    with matplotlib_aside():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def spell(figure: Figure) -> None:
    """Write characters of which no font here has a picture as their numbers, instead of as boxes that are all alike."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not (words := text.get_text()).isascii():
            text.set_text(spelled(words))


def spelled(words: str) -> str:
    """Text that can be drawn: its number, as Python spells it, for a character of which the font has no picture."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    if words.isascii():
        return words
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(
        character
        if ord(character) in known
        else f"\\u{ord(character):04x}"
        if ord(character) < 1 << 16
        else f"\\U{ord(character):08x}"
        for character in words
    )


def save(figure: Figure, path: Path, *, of: Shows = "numbers") -> Path:
    """Write a picture whole or not at all, in the format that its name says.

    Args:
        figure: the picture.
        path: of the file.
        of: what it shows, which a PNG says of itself.

    Raises:
        ValueError: the name has another ending than those of `ENDINGS`.
        OSError: it cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")
    from matplotlib import rc_context

    spell(figure)
    partial = path.with_name(path.name + ".part")
    try:
        with rc_context({"svg.hashsalt": "facebench"}):  # names inside an SVG are drawn by chance without it
            figure.savefig(partial, format=ending[1:], **ENDINGS[ending])
        if ending == ".png":
            mark(partial, of)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
