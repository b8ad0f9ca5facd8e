"""Newton steps of multi-class heads: one linear system a class, which only a sum over the classes couples.

    (K + diag(1 / d_c)) x_c + u = r_c   for every class c,       sum_c x_c = s

With R_c = diag(d_c)^(1/2) and E_c = R_c (I + R_c K R_c)^(-1) R_c, the inverse of the bracket, one finds

    u = (sum_c E_c)^(-1) (sum_c E_c r_c - s),      x_c = E_c (r_c - u)

way factorisations of n x n matrices instead of one of size way * n (for logistic regression: Rasmussen and Williams
2006, "Gaussian Processes for Machine Learning", section 3.5). All numbers that belong to classes are [way, n].
"""

from __future__ import annotations

import torch
from torch import Tensor


class Coupled:
    """The inverse of such systems for ``kernel`` [n, n] and ``d`` [way, n], held constant; x is 0 where d is."""

    def __init__(self, kernel: Tensor, d: Tensor) -> None:
        kernel, d = kernel.detach(), d.detach()
        root = d.sqrt()
        spread = root.diag_embed()
        inner = root.unsqueeze(-1) * kernel * root.unsqueeze(-2) + identity(len(kernel), kernel)
        factor, _ = torch.linalg.cholesky_ex(inner)
        self.each = spread @ torch.cholesky_solve(spread, factor)
        unused = (d.sum(0) == 0).to(d.dtype)
        self.total = self.each.sum(0) + unused.diag()

    def solve(self, right: Tensor, sums: Tensor) -> Tensor:
        """x [way, n] for r = ``right`` [way, n] and s = ``sums`` [n]."""
        excess = self._times(right).sum(0) - sums
        return self._times(right - torch.linalg.solve(self.total, excess.unsqueeze(-1)).squeeze(-1))

    def _times(self, right: Tensor) -> Tensor:
        return (self.each @ right.unsqueeze(-1)).squeeze(-1)


def identity(size: int, like: Tensor) -> Tensor:
    """[size, size] of the type and place of ``like``."""
    return torch.eye(size, dtype=like.dtype, device=like.device)


def with_derivative(value: Tensor, step: Tensor) -> Tensor:
    """``value`` with the derivative of ``step``."""
    return value.detach() + step - step.detach()
