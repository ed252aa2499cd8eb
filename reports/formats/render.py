"""The leaderboard in every format, each made from the same rows."""

from __future__ import annotations

from .as_csv import csv
from .as_json import json
from .as_latex import latex
from .as_markdown import markdown
from .tables import KINDS, LEGEND, Table, tables

__all__ = ["KINDS", "LEGEND", "Table", "csv", "json", "latex", "markdown", "tables"]
