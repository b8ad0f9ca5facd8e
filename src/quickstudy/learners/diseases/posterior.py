"""Bayesian linear regression whose prior is a standard normal, in closed form.

    y_j = f_j(x) + u_j . g_j(x) + e_j,   u_j ~ N(0, I),   e_j ~ N(0, 1 / w_j(x))            for each output j
    P_j = I + sum over i of w_ij g_ij g_ij^T = R_j R_j^T,   E u_j = P_j^(-1) sum over i of w_ij g_ij (y_ij - f_ij)
    y_j(x) ~ N(f_j + E u_j . g_j,  |R_j^(-1) g_j|^2 + 1 / w_j)

Any prior N(m, L L^T) of a linear layer on features h is of this form, with f = m . h and g = L^T h (Bishop 2006,
"Pattern Recognition and Machine Learning", eqs. 3.50-3.59). No matrix P is worse conditioned for a narrow prior.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted
from quickstudy.learners.coupled import identity


def believe(g: Tensor, residual: Tensor, weight: Tensor) -> Adapted:
    """``deviation`` [d, r], E u, and ``factor`` [d, r, r], R, from g [d, n, r], y - f [n, d] and w [n, d].

    Rows of weight 0 count for nothing.
    """
    weighted = g * weight.T.unsqueeze(-1)
    precision = identity(g.shape[-1], g) + weighted.mT @ g
    factor, _ = torch.linalg.cholesky_ex(precision)
    pull = weighted.mT @ residual.T.unsqueeze(-1)
    return {"deviation": torch.cholesky_solve(pull, factor).squeeze(-1), "factor": factor}


def expect(state: Adapted, g: Tensor) -> tuple[Tensor, Tensor]:
    """E u . g [n, d] and its variance [n, d] for g [d, n, r]."""
    mean = (g @ state["deviation"].unsqueeze(-1)).squeeze(-1).T
    white = torch.linalg.solve_triangular(state["factor"], g.mT, upper=False)
    return mean, white.square().sum(1).T
