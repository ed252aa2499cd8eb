"""The masked autoencoder: a vision transformer that sees few patches of a face and rebuilds all of them.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377), section 3 and table 8.
Written from the paper on timm's transformer block. Parameters bear timm's and MAE's usual names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, cast

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from .patches import Mask, patchify

Size: TypeAlias = Literal["tiny", "small", "base", "large"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All that decides the shapes of a masked autoencoder's weights."""

    height: int = 112
    width: int = 112
    patch: int = 16
    """Side of a patch in pixels; it divides height and width."""
    encoder: tuple[int, int, int] = (128, 4, 4)
    """Features of a token, blocks, attention heads."""
    decoder: tuple[int, int, int] = (96, 1, 3)
    """The same of the decoder."""
    class_token: bool = True
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.patch < 1 or self.height % self.patch or self.width % self.patch:
            raise ValueError(
                f"patch {self.patch} does not divide an image of {self.height} x {self.width} pixels; "
                "expected a divisor of both"
            )
        for name, (features, _, heads) in (("encoder", self.encoder), ("decoder", self.decoder)):
            if features % 4 or features % heads:
                raise ValueError(
                    f"{name}: {features} features; expected a multiple of 4 (two axes, sine and cosine) "
                    f"and of the {heads} heads"
                )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.height // self.patch, self.width // self.patch

    @property
    def patches(self) -> int:
        """N, patches in an image."""
        return self.grid[0] * self.grid[1]


SIZES: Final[dict[Size, tuple[tuple[int, int, int], tuple[int, int, int]]]] = {
    "tiny": ((128, 4, 4), (96, 1, 3)),  # ours: hundreds of steps in half a minute on two CPU cores
    "small": ((384, 12, 6), (256, 4, 8)),  # ViT-S with a decoder in proportion
    "base": ((768, 12, 12), (512, 8, 16)),  # MAE's own
    "large": ((1024, 24, 16), (512, 8, 16)),  # MAE's own
}
"""Encoder and decoder of each size: features, blocks, heads."""


class MaskedAutoencoder(nn.Module):
    """Encoder over visible patches, light decoder over all; float images in [-1, 1] to patches in pixel space.

    The weights come from the seed alone; torch's global random state is left as it was.
    """

    def __init__(self, architecture: Architecture, *, seed: int = 0) -> None:
        super().__init__()
        self.architecture = this = architecture
        width, depth, heads = this.encoder
        decoder_width, decoder_depth, decoder_heads = this.decoder
        numbers = this.patch**2 * 3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.patch_embed = PatchEmbed(
                img_size=(this.height, this.width), patch_size=this.patch, in_chans=3, embed_dim=width
            )
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if this.class_token else None
            self.blocks = _blocks(width, depth, heads, this.norm_eps)
            self.norm = nn.LayerNorm(width, eps=this.norm_eps)
            self.decoder_embed = nn.Linear(width, decoder_width)
            self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_width))
            self.decoder_blocks = _blocks(decoder_width, decoder_depth, decoder_heads, this.norm_eps)
            self.decoder_norm = nn.LayerNorm(decoder_width, eps=this.norm_eps)
            self.decoder_pred = nn.Linear(decoder_width, numbers)
            self._initialise()
        for name, features in (("pos_embed", width), ("decoder_pos_embed", decoder_width)):
            self.register_buffer(name, sine_cosine(features, this.grid)[None])  # saved: checkpoints bring theirs
        self.checkpointing = False
        """Whether training computes blocks twice instead of keeping what is inside them: less memory, more time."""

    pos_embed: Tensor
    decoder_pos_embed: Tensor

    def forward(self, images: Tensor, mask: Mask) -> Tensor:
        """Rebuild every patch from the visible ones.

        Args:
            images: float [B, 3, H, W] in [-1, 1].
            mask: which patches the encoder sees.

        Returns:
            [B, N, patch * patch * 3]; meant to be in [-1, 1], not forced to be.

        Raises:
            ValueError: images of another size than the architecture's.
        """
        return self.decode(self.encode(images, mask.keep), mask.restore)

    def encode(self, images: Tensor, keep: Tensor) -> Tensor:
        """[B, class token (where there is one) + V, features] of the patches `keep` (int64 [B, V])."""
        this = self.architecture
        if images.shape[1:] != (3, this.height, this.width):
            raise ValueError(f"images: expected [B, 3, {this.height}, {this.width}], got {list(images.shape)}")
        # the patch convolution as a product over visible patches only: the hidden ones cost nothing
        projection = self.patch_embed.proj
        weight = projection.weight.permute(0, 2, 3, 1).flatten(1)
        tokens = linear(_pick(patchify(images, this.patch), keep), weight, projection.bias)
        tokens = tokens + _pick(self.pos_embed.expand(images.shape[0], -1, -1), keep)
        if self.cls_token is not None:  # its own position is zero
            tokens = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), tokens], dim=1)
        normed: Tensor = self.norm(self._through(self.blocks, tokens))
        return normed

    def decode(self, latent: Tensor, restore: Tensor) -> Tensor:
        """[B, N, patch * patch * 3] from what `encode` gave and each patch's place (int64 [B, N])."""
        tokens = self.decoder_embed(latent)
        first = 0 if self.cls_token is None else 1
        heads, visible = tokens[:, :first], tokens[:, first:]
        hidden = self.mask_token.to(tokens.dtype).expand(tokens.shape[0], restore.shape[1] - visible.shape[1], -1)
        tokens = _pick(torch.cat([visible, hidden], dim=1), restore) + self.decoder_pos_embed
        tokens = self._through(self.decoder_blocks, torch.cat([heads, tokens], dim=1))
        pixels: Tensor = self.decoder_pred(self.decoder_norm(tokens[:, first:]))
        return pixels

    def _through(self, blocks: nn.Sequential, tokens: Tensor) -> Tensor:
        if not (self.checkpointing and self.training):
            result: Tensor = blocks(tokens)
            return result
        for block in blocks:
            tokens = checkpoint(block, tokens, use_reentrant=False)
        return tokens

    def _initialise(self) -> None:
        """MAE's: Xavier-uniform matrices (the convolution as one, too), zero biases, tokens N(0, 0.02^2).

        Unlike MAE's, the last layer starts near zero, so that rebuilt faces start out grey. Relation matching is
        content with features of noise: noise that is there at the start would stay in the published faces.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.mask_token):
            if token is not None:
                nn.init.normal_(token, std=0.02)
        nn.init.normal_(self.decoder_pred.weight, std=0.005)


def sine_cosine(features: int, grid: tuple[int, int]) -> Tensor:
    """Fixed positions of patches, float32 [rows * columns, features].

    The first half encodes the column c, the second the row r; a half holds sin(c / 10000^(4k / features)) for
    k < features / 4 and then the cosines. Source: MAE, section 3 ("sine-cosine version" of Vaswani et al.).
    """
    rows, columns = grid
    waves = 10_000.0 ** -(torch.arange(features // 4, dtype=torch.float64) / (features / 4))
    halves = []
    for place in (torch.arange(columns).repeat(rows), torch.arange(rows).repeat_interleave(columns)):
        angles = place.double()[:, None] * waves
        halves += [angles.sin(), angles.cos()]
    return torch.cat(halves, dim=1).float()


def pixel_loss(rebuilt: Tensor, target: Tensor, hidden: Tensor | None = None, *, normalise: bool = False) -> Tensor:
    """Mean squared error of patches: over all of them, or over the hidden ones as in MAE.

    Args:
        rebuilt: [B, N, P], the decoder's patches.
        target: [B, N, P], the original's.
        hidden: bool [B, N]; None counts every patch.
        normalise: compare with each target patch's own mean taken off and divided by its deviation (MAE,
            section 4.1). The output then is no picture, so faces that are published are trained without.
    """
    if normalise:
        spread = target.var(dim=-1, keepdim=True)
        target = (target - target.mean(dim=-1, keepdim=True)) / (spread + 1e-6).sqrt()
    error = (rebuilt.float() - target.float()).square().mean(dim=-1)  # [B, N]
    return error.mean() if hidden is None else (error * hidden).sum() / hidden.sum()


def _blocks(width: int, depth: int, heads: int, eps: float) -> nn.Sequential:
    norm = cast("type[nn.Module]", partial(nn.LayerNorm, eps=eps))  # timm calls it, it need not be a class
    blocks = [Block(dim=width, num_heads=heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)]
    return nn.Sequential(*blocks)


def _pick(rows: Tensor, index: Tensor) -> Tensor:
    """[B, K, D], of each [N, D] the rows that int64 [B, K] names."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))
