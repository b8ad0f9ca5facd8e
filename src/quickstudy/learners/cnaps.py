"""Simple CNAPS. Bateni, Goyal, Masrani, Wood, Sigal (2020), "Improved Few-Shot Visual Classification"; its adaptation
is that of Requeima, Gordon, Bronskill, Nowozin, Turner (2019), "Fast and Flexible Multi-Task Classification Using
Conditional Neural Adaptive Processes".

    z = mean of e(x_i) over the support,   (gamma, beta) = 1 + phi(z), psi(z)    FiLM of every normalisation layer
    Q_k = lambda_k S_k + (1 - lambda_k) S + beta I,   lambda_k = n_k / (n_k + 1)
    p(y = k | x) = softmax_k(-(f(x) - mu_k)' Q_k^-1 (f(x) - mu_k) / 2)

f is the backbone with its layers so modulated, S_k and S the sample covariances of its features in class k and in the
whole support (zero for a single example). The papers' backbone is trained beforehand and frozen; here all is trained
together, from layers that are not modulated, and one net gives the modulation of all layers.

Its transductive form is Bateni, Barber, van de Meent, Wood (2022), "Enhancing Few-Shot Image Classification with
Unlabelled Examples" (Transductive CNAPS): soft k-means with covariances, from the p of the support alone.

    w_ik = y_ik in the support, p(y = k | x_i) for queries;   n_k = sum_i w_ik               i in support and queries
    mu_k = sum_i w_ik f(x_i) / n_k,   S_k = sum_i w_ik (f(x_i) - mu_k)(f(x_i) - mu_k)' / n_k

and Q_k with these, repeated; S is the sample covariance of support and queries. As there, training refines nothing. The
paper ends between the second and the fourth time, once no query changes its class, and its e reads the queries too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Learner, Logits, Traits, class_means, only_present, present, run_net
from quickstudy.nets.norm import Norm
from quickstudy.tasks.base import Examples, Spec, Task, masked_mean


@dataclass(frozen=True, kw_only=True)
class CNAPSConfig(nets.NetConfig):
    """Simple CNAPS; auto normalisation is task, for moments that training fixed would not be those of a task's net."""

    ridge: float = 1.0
    """beta: what is added to the variance of every feature."""
    transductive: bool = False
    """Answer all queries of a task together: Transductive CNAPS. The moments of norm=task stay those of the support."""
    refinements: int = 4
    """Times that means and covariances of classes are taken anew from support and queries (transductive only)."""


class CNAPS(Learner):
    """The support modulates the backbone, then a class is the Gaussian of its features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True, joint=True)
    Config: ClassVar[type[Any]] = CNAPSConfig

    def __init__(self, spec: Spec, config: CNAPSConfig) -> None:
        config = nets.settled(replace(config, norm="task") if config.norm == "auto" else config, spec.shape, "task")
        super().__init__(spec, config)
        if config.norm in ("batch", "none"):
            why = "has no layers to modulate" if config.norm == "none" else "fixes moments that modulation changes"
            raise UserError(f"--norm {config.norm} {why}. Use task or group.")
        if not 0 < config.ridge < math.inf:
            raise UserError(f"--ridge is {config.ridge}; it must be a finite number above 0.")
        if config.refinements < 0:
            raise UserError(f"--refinements is {config.refinements}; it must be 0 or more.")
        self.net = nets.build(config, spec.shape)
        self.transductive = config.transductive
        norms = {name: part for name, part in self.net.named_modules() if isinstance(part, Norm)}
        self.sizes = {name: len(part.weight) for name, part in norms.items()}
        kind = "mlp" if config.backbone == "mlp" else "auto"
        reader = nets.NetConfig(backbone=kind, width=config.width, norm="group")
        self.encoder = nets.build(nets.settled(reader, spec.shape, "group"), spec.shape)
        width = self.encoder.features
        self.film = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * sum(self.sizes.values())))
        for value in self.film[2].parameters():
            nn.init.zeros_(value)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Modulated weights (``net.``), of each class the mean [f], Cholesky factor of Q [f, f] and whether it is
        present, moments (norm=task); of the support features [n, f] and labels [n, way] (transductive)."""
        weights = self._modulated(support)
        features, moments = run_net(self.net, weights, support.x, support.mask, None)
        found = weights | moments | self._classes(features, support) | {"present": present(support)}
        if self.transductive:
            found |= {"support": features, "labels": support.y * support.mask.unsqueeze(-1)}
        return found

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, *shape]."""
        features, _ = run_net(self.net, adapted, x, mask, adapted)
        return self._together(adapted, features, mask) if self.transductive else mahalanobis(adapted, features)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query's mean error, each on its own."""
        query, adapted = task.query, self.adapt(task.support)
        features, _ = run_net(self.net, adapted, query.x, query.mask, adapted)
        return masked_mean(mahalanobis(adapted, features).nll(query.y), query.mask)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Several shots, so that there are covariances to learn by."""
        return {"way": min(20, spec.classes or 20), "shot": 2, "query": 4, "tasks_per_step": 1, "steps": 4000}

    def _classes(self, features: Tensor, labelled: Examples, freedom: int = 1) -> Adapted:
        """``means`` [way, f] and ``factors`` [way, f, f] of classes that have ``features`` [n, f] as ``y`` says."""
        spread = covariances(features, labelled, self.config.ridge, freedom)
        return {"means": class_means(features, labelled), "factors": torch.linalg.cholesky_ex(spread).L}

    def _together(self, adapted: Adapted, features: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] of queries with ``features`` [n, f], of which only the rows in ``mask`` [n] are real."""
        labels, every = adapted["labels"], torch.cat([adapted["support"], features])
        real = torch.cat([labels.sum(-1) > 0, mask])
        found = mahalanobis(adapted, features)
        for _ in range(self.config.refinements):
            soft = Examples(every, torch.cat([labels, found.logits.softmax(-1)]), real)
            found = mahalanobis(adapted | self._classes(every, soft, freedom=0), features)
        return found

    def _modulated(self, support: Examples) -> Adapted:
        """Weights and biases of the normalisation layers: those of gamma (weight z + bias) + beta."""
        z = masked_mean(self.encoder(support.x, support.mask, None)[0].T, support.mask)
        gammas, betas = self.film(z).chunk(2, -1)
        found: Adapted = {}
        sizes = list(self.sizes.values())
        for name, gamma, beta in zip(self.sizes, gammas.split(sizes), betas.split(sizes), strict=True):
            norm = self.net.get_submodule(name)
            found[f"net.{name}.weight"] = (1 + gamma) * norm.weight
            found[f"net.{name}.bias"] = (1 + gamma) * norm.bias + beta
        return found


def mahalanobis(classes: Adapted, features: Tensor) -> Logits:
    """Logits [n, way] of ``features`` [n, f], by ``means`` [way, f] and Cholesky ``factors`` [way, f, f] of classes."""
    apart = features - classes["means"].unsqueeze(1)
    white = torch.linalg.solve_triangular(classes["factors"], apart.mT, upper=False)
    return Logits(only_present(-0.5 * white.square().sum(1).T, classes["present"]))


def covariances(features: Tensor, labelled: Examples, ridge: float, freedom: int = 1) -> Tensor:
    """[way, f, f] Q_k of ``features`` [n, f], whose ``y`` may be soft; ``freedom`` is what the means take from n_k."""
    of_class = (labelled.y * labelled.mask.unsqueeze(-1)).T
    counts = of_class.sum(-1).view(-1, 1, 1)
    all_of_them = labelled.mask.to(features.dtype).unsqueeze(0)
    own, shared = scatter(features, of_class, freedom), scatter(features, all_of_them, 1)
    trust = counts / (counts + 1)
    return trust * own + (1 - trust) * shared + ridge * torch.eye(features.shape[-1]).to(features)


def scatter(features: Tensor, members: Tensor, freedom: int) -> Tensor:
    """[k, f, f] covariances of ``features`` [n, f] in k groups that have a share ``members`` [k, n] of each."""
    counts = members.sum(-1).view(-1, 1, 1)
    means = (members @ features).unsqueeze(1) / counts.clamp(min=1)
    apart = features - means
    return (apart * members.unsqueeze(-1)).mT @ apart / (counts - freedom).clamp(min=1)
