"""Tries a foreign ONNX file in a process that may be killed: it may loop, ask for all memory, or crash the runtime.

Run as `python child.py FILE THREADS BYTES LAYOUT`, by `trial.py` alone. It imports neither torch nor anything of the
suite, so it starts in a third of a second.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

MEMORY = 7
"""Exit code: it asked for more memory than it may have. Zero: it ran, or failed as it will where it can be told."""
KINDS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
"""Of what numbers a face may be, as onnxruntime and as numpy name them."""
LAST = "NHWC"
"""The layout of models that take channels last."""
TRIED = (1, 3)
"""Batches of a model that leaves its batch open."""


def options(threads: int) -> Any:
    """How a judge is run, here as in the run itself."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = threads
    # idle threads that spin take processors away from the rest of the run
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made.log_severity_level = 4  # what goes wrong is raised, and told by who called
    return made


def _bounded(most: int) -> None:
    """Let this process have so many bytes of address space, where the system knows such a limit."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def tried(path: str, threads: int, layout: str) -> None:
    """Open a model and let it see a few images of noise, in the layout and of the numbers that it takes."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(path, options(threads), providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    batch = first.shape[0] if first.shape else None
    noise = np.random.default_rng(0)
    for count in [batch] if isinstance(batch, int) and batch > 0 else TRIED:
        seen = noise.uniform(-1, 1, (count, 112, 112, 3) if layout == LAST else (count, 3, 112, 112))
        kind = KINDS.get(first.type, "float32")
        session.run(None, {first.name: (abs(seen) * 255 if kind == "uint8" else seen).astype(kind)})


def main(arguments: list[str]) -> int:
    """Try one file; the exit code."""
    path, threads, most, layout = arguments
    _bounded(int(most))
    try:
        tried(path, int(threads), layout)
    except MemoryError:
        return MEMORY
    except Exception as error:  # onnxruntime's exceptions share no class
        words = str(error).lower()
        return MEMORY if "alloc" in words else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
