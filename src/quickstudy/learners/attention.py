"""Multi-head attention. Vaswani et al. (2017), "Attention Is All You Need", section 3.2.2, with h heads of size s:

    head_j(q) = sum_i softmax_i(Q_j q . K_j k_i / sqrt(s)) V_j v_i
    attention(q) = O [head_1(q), ..., head_h(q)]

From plain matrix products, for PyTorch's fused kinds have no batching rule under vmap.
"""

from __future__ import annotations

from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.learners.base import only_present


class Attention(nn.Module):
    """Attention of some rows to others, whose keys and values are computed once and kept."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise UserError(f"--heads is {heads}; it must divide the {width} numbers that attention is over.")
        self.heads, self.size = heads, width // heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def remember(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Projections of ``keys`` and ``values`` [n, width]."""
        return self.key(keys), self.value(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """[m, width] for ``x`` [m, width] over what ``remember`` gave; only the rows ``mask`` [n] are looked at."""
        query, key, value = (self._by_head(part) for part in (self.query(x), keys, values))
        weights = only_present(query @ key.mT / self.size**0.5, mask).softmax(-1)
        # where nothing may be looked at, softmax is even over nothing: the mask makes that 0
        found = (weights * mask) @ value
        out: Tensor = self.out(found.transpose(0, 1).flatten(1))
        return out

    def _by_head(self, x: Tensor) -> Tensor:
        """[n, width] -> [heads, n, size]."""
        return x.unflatten(-1, (self.heads, self.size)).transpose(0, 1)
