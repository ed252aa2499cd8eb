"""What may go wrong in any training."""

from __future__ import annotations

from ... import FacebenchError


class TrainingError(FacebenchError, RuntimeError):
    """Training that cannot go on; the message says at which step, expected, got and what to do."""
