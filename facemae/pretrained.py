"""Begin from a published checkpoint: MAE's own, timm's ViTs, or `transformers`' ViTMAE, mapped to our names.

What does not fit is left at its random start and listed, never guessed. Files are untrusted: tensors only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import torch
from timm.layers.patch_embed import resample_patch_embed
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor

from .model import MaskedAutoencoder
from .runtime.checkpoint import WeightsError, read_any
from .runtime.wrapped import states

Pixels: TypeAlias = Literal["imagenet", "symmetric"]
"""What the checkpoint was trained on: ImageNet's mean and deviation (MAE), or [-1, 1] as here (timm's AugReg)."""

_MEAN, _STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

_NAMES: Final = (
    (r"^vit\.embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^vit\.embeddings\.position_embeddings$", "pos_embed"),
    (r"^vit\.embeddings\.cls_token$", "cls_token"),
    (r"^vit\.layernorm\.", "norm."),
    (r"^vit\.(encoder\.layer|layers)\.(\d+)\.", r"blocks.\2."),
    (r"^decoder\.(decoder_layers)\.(\d+)\.", r"decoder_blocks.\2."),
    (r"^decoder\.(mask_token|decoder_)", r"\1"),
    (r"\.(attention\.attention\.query|attention\.q_proj)\.", ".attn.q."),
    (r"\.(attention\.attention\.key|attention\.k_proj)\.", ".attn.k."),
    (r"\.(attention\.attention\.value|attention\.v_proj)\.", ".attn.v."),
    (r"\.(attention\.output\.dense|attention\.o_proj)\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


class Taken(NamedTuple):
    """What became of a checkpoint's entries, by our names."""

    taken: tuple[str, ...]
    resized: tuple[str, ...]
    """Of those taken: kernels and positions that were resampled to another patch or grid."""
    missing: tuple[str, ...]
    """Of ours: left at their random start."""
    unused: tuple[str, ...]
    """Of the checkpoint's: no place for them, or another shape."""


def begin_from(model: MaskedAutoencoder, path: Path, *, pixels: Pixels = "imagenet") -> Taken:
    """Fill a model with what fits of a checkpoint, in place.

    Patch kernels of another size are resampled (FlexiViT, Beyer et al., arXiv 2212.08013, by timm), positions are
    interpolated, and the class token's position is added to the token. Kernels are rescaled so that faces in
    [-1, 1] look to the network as its own pixels did.

    Args:
        model: as built.
        path: `.safetensors`, or what `torch.save` wrote; wrappers of training programs are taken off
            (`runtime.wrapped`).
        pixels: scaling of the images that the checkpoint was trained on.

    Raises:
        WeightsError: the file is missing, too large, damaged, no state dict, not finite, or nothing in it fits.
    """
    found, beside = _read(path)
    wanted = model.state_dict()
    resized = [name for name in ("patch_embed.proj.weight", "pos_embed", "decoder_pos_embed") if name in found]
    resized = [name for name in resized if _resample(found, name, wanted[name], model.architecture.grid)]
    fits = {name: value for name, value in found.items() if name in wanted and value.shape == wanted[name].shape}
    if not _is_vit(fits):
        raise WeightsError(
            f"weights {path}: expected a vision transformer of {list(wanted['norm.weight'].shape)} features, got "
            f"{len(found)} entries of which {len(fits)} fit; choose the size that the checkpoint has"
        )
    if pixels == "imagenet":
        _rescale(fits)
    for name, value in fits.items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"weights {path}: {name}: expected finite values, got NaN or infinity; get it again")
    model.load_state_dict({**wanted, **fits})
    return Taken(
        taken=tuple(sorted(fits)),
        resized=tuple(name for name in resized if name in fits),
        missing=tuple(sorted(wanted.keys() - fits.keys())),
        unused=tuple(sorted({*found.keys() - fits.keys(), *beside})),
    )


def _read(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The network's entries by our names, and what lay beside it by its own."""
    first: dict[str, Tensor] | None = None
    for inside, beside in states(read_any(path)):
        found = _named(inside)
        if _is_vit(found):
            return found, tuple(beside)
        first = found if first is None else first
    if first is None:
        raise WeightsError(f"weights {path}: expected a state dict of names to tensors, got something else")
    return first, ()


def _is_vit(found: Mapping[str, Tensor]) -> bool:
    return "patch_embed.proj.weight" in found and any(name.startswith("blocks.") for name in found)


def _named(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The entries by our names, float32; query, key and value in one matrix, the class token with its position."""
    found: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Tensor) and value.layout == torch.strided and value.is_floating_point():
            name = key
            for pattern, ours in _NAMES:
                name = re.sub(pattern, ours, name)
            found[name] = value.detach().float()
    for name in [name for name in found if ".attn.q." in name]:
        parts = [name.replace(".attn.q.", f".attn.{part}.") for part in "qkv"]
        if all(part in found for part in parts):
            found[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat([found.pop(part) for part in parts])
    for name in ("pos_embed", "decoder_pos_embed"):
        places = found.get(name)
        if places is not None and places.ndim == 3 and int((places.shape[1] - 1) ** 0.5) ** 2 == places.shape[1] - 1:
            first, found[name] = places[:, :1], places[:, 1:]
            if name == "pos_embed" and "cls_token" in found:
                found["cls_token"] = found["cls_token"] + first
    return found


def _resample(found: dict[str, Tensor], name: str, wanted: Tensor, grid: tuple[int, int]) -> bool:
    """Bring a kernel or positions to the size that is wanted; False where they have it, or cannot be brought to it."""
    value = found[name]
    if value.shape == wanted.shape or value.ndim != wanted.ndim:
        return False
    if name.endswith("proj.weight"):
        if value.shape[:2] != wanted.shape[:2]:
            return False
        found[name] = resample_patch_embed(value, list(wanted.shape[2:]))
        return True
    side = round(value.shape[1] ** 0.5)
    if side * side != value.shape[1] or value.shape[2] != wanted.shape[2]:
        return False
    found[name] = resample_abs_pos_embed(value, new_size=list(grid), old_size=[side, side], num_prefix_tokens=0)
    return True


def _rescale(fits: dict[str, Tensor]) -> None:
    """From pixels (p - mean) / std, p in 0..1, to x = 2 p - 1: the same products from other numbers."""
    weight = fits["patch_embed.proj.weight"]
    shift = ((0.5 - _MEAN) / _STD)[None, :, None, None]
    if "patch_embed.proj.bias" in fits:
        fits["patch_embed.proj.bias"] = fits["patch_embed.proj.bias"] + (weight * shift).sum((1, 2, 3))
    fits["patch_embed.proj.weight"] = weight / (2 * _STD)[None, :, None, None]
