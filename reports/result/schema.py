"""What is in a record's file, and in that of an attack on a record, as JSON Schema for other programs.

The files in `docs/schema/` are made with it::

    .venv/bin/python -m facebench.reports.result.schema record > docs/schema/record-2.json
    .venv/bin/python -m facebench.reports.result.schema attack > docs/schema/attack-1.json
"""

from __future__ import annotations

import json
import sys

from .record import RunRecord
from .thirdparty import ThirdPartyAttack

KINDS = ("record", "attack")


def schema(kind: str) -> str:
    """The JSON Schema (draft 2020-12) of a kind of file, as text.

    Args:
        kind: `record`, with every entry that is always written, or `attack`, with those that have to be.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "record":
        made = RunRecord.model_json_schema(mode="serialization")
    elif kind == "attack":
        made = ThirdPartyAttack.model_json_schema(mode="validation")
    else:
        raise ValueError(f"schema: expected {' or '.join(KINDS)}, got {kind!r}")
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema(sys.argv[1] if len(sys.argv) > 1 else ""))
