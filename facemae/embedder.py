"""The former place of `facemae.recognition.embedder`, from which other packages may still import it."""

from __future__ import annotations

from .recognition.embedder import ARCHITECTURES, WeightsError, build, embed, load, save

__all__ = ["ARCHITECTURES", "WeightsError", "build", "embed", "load", "save"]
