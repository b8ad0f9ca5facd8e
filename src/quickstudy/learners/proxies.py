"""A training loss for cosine learners: class proxies beside every one-shot task that the batch contains.

    proxy term      cross-entropy of s (cos(z_i, w_c) - m [c = y_i]) over all training classes c: the large-margin
                    cosine loss of Wang et al. (2018), "CosFace", eq. 4
    episodic term   each of a class's drawings in turn is the one-shot support for its others: cross-entropy of
                    s cos(z_i, z_support(c)) over the classes of the episode

The proxies are thrown away with the training: they never take part in ``adapt`` or ``predict``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.learners.base import class_labels
from quickstudy.tasks.base import Spec, Task, masked_mean

MARGIN = 0.1
START = 0.01
"""Length of a proxy's coordinates at first. Only directions count, so short proxies turn faster under Adam: from 1.0
they hardly move in a few thousand steps."""


class Proxies(nn.Module):
    """One learned unit vector for each training class."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(START * torch.randn(classes, features))

    @classmethod
    def build(cls, spec: Spec, features: int) -> Proxies:
        """UserError where the training classes are unlimited."""
        if spec.classes is None:
            raise UserError(
                f"--proxies needs a fixed number of training classes, but those of {spec.name} are unlimited. "
                f"Train without it, or fix them, for example glyphs:classes=1000."
            )
        return cls(spec.classes, features)

    def forward(self, unit: Tensor, task: Task, scale: Tensor) -> Tensor:
        """Scalar loss of unit features [n_support + n_query, f] of ``task``, support first."""
        mask = torch.cat([task.support.mask, task.query.mask])
        one_hot = F.one_hot(class_labels(task), len(self.weight)).to(unit.dtype)
        similarity = unit @ F.normalize(self.weight, dim=-1).T
        proxy = -(F.log_softmax(scale * (similarity - MARGIN * one_hot), -1) * one_hot).sum(-1)
        return masked_mean(proxy, mask) + one_shot(by_class(unit, task), by_class(mask, task), scale)


def by_class(rows: Tensor, task: Task) -> Tensor:
    """[n_support + n_query, ...] with the rows of each class side by side -> [way, shot + query, ...]."""
    way = len(task.classes)
    support, query = rows.tensor_split([len(task.support.x)])
    return torch.cat([part.reshape(way, -1, *rows.shape[1:]) for part in (support, query)], 1)


def one_shot(unit: Tensor, mask: Tensor, scale: Tensor) -> Tensor:
    """Mean cross-entropy over every one-shot task inside ``unit`` [way, m, f]; ``mask`` [way, m] marks what is there.

    Support number r of every class makes a task [way] for all drawings other than number r.
    """
    way, each, _ = unit.shape
    logits = scale * torch.einsum("cjf,drf->cjrd", unit, unit)
    logits = torch.where(mask.T, logits, torch.finfo(logits.dtype).min)
    own = torch.arange(way, device=unit.device).view(way, 1, 1, 1).expand(-1, each, each, 1)
    loss = -F.log_softmax(logits, -1).gather(-1, own).squeeze(-1)
    others = ~torch.eye(each, dtype=torch.bool, device=unit.device) & mask.unsqueeze(-1) & mask.unsqueeze(1)
    return masked_mean(loss.flatten(), others.flatten())
