"""PReLU whose gradient is computed with vector instructions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class PReLU(nn.PReLU):
    """x where positive, else a learned share of it for each channel; a drop-in for `torch.nn.PReLU`.

    On a processor PyTorch computes PReLU's gradient one number at a time, which took a quarter of a training step of
    MobileFaceNet. Here it is put together from vectorised operations: the same numbers in half the time.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.1.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type == "cpu" and torch.is_grad_enabled():
            result: Tensor = _PReLU.apply(input, self.weight)
            return result
        return super().forward(input)


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return nn.functional.prelu(x, weight.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        above = torch.ops.aten.threshold_backward(gradient, x, 0)  # where x > 0
        below = gradient - above
        slope = weight.to(x.dtype).reshape([1, -1] + [1] * (x.ndim - 2))
        if not ctx.needs_input_grad[1]:  # a frozen network, through which a gradient passes
            return above.addcmul_(below, slope), None
        others = [axis for axis in range(x.ndim) if axis != 1]
        of_weight = (below * x).sum(others, dtype=weight.dtype)
        return above.addcmul_(below, slope), of_weight
