"""Why a model answers as it does, how good it is, and where its examples lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy.estimator.assembled import assembled
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.estimate import held_out
from quickstudy.estimator.inputs import Numbers
from quickstudy.server import differentials, knowledge, labels
from quickstudy.server.inputs import Given
from quickstudy.server.knowledge import Support
from quickstudy.server.labels import Label
from quickstudy.server.refusals import TooLargeError
from quickstudy.server.served import Served
from quickstudy.server.service import Answer, Service
from quickstudy.server.store import Model

NEAREST = 5
"""Examples that an explanation names."""


def predictions(answer: Answer) -> list[dict[str, Any]]:
    """Each input's label and probabilities, as JSON."""
    names = [labels.key(label) for label in answer.classes]
    found = []
    for row in torch.softmax(answer.logits.double() / answer.degree, -1).tolist():
        best = max(range(len(row)), key=row.__getitem__)
        about = {"label": answer.classes[best], "probability": row[best]}
        found.append(about | {"probabilities": dict(zip(names, row, strict=True))} | _within(answer, row))
    return found


def _within(answer: Answer, row: list[float]) -> dict[str, Any]:
    """The answer set of an input with the probabilities ``row``, where it was asked for."""
    if answer.most is None:
        return {}
    order = sorted(range(len(row)), key=lambda at: -row[at])
    labels = [answer.classes[at] for at in order if 1 - row[at] <= answer.most]
    return {"answer_set": labels, "none_of_these": not labels}


async def explain(service: Service, owner: int, id: str, given: Given, coverage: float | None = None) -> dict[str, Any]:
    """The prediction, the examples that are nearest in features, and the score of each class."""
    answer = await service.predict(owner, id, [given], coverage)
    model = await service.model(owner, id)
    kept, reads, beside = await service.inputs(model, [given])
    support = await service.whole_support(model)
    x = reads.inputs(kept, kept if beside is None else beside)
    distance = await service.on_torch(_distances, service.served(model), support, x)
    near = distance.argsort(stable=True)[:NEAREST].tolist()
    scores = answer.logits[0].tolist()
    reasons: dict[str, Any] = {}
    if isinstance(reads, Cases):
        reasons = await service.aside(differentials.explained, service.served(model), support, reads, kept[0], answer)
    return {
        "prediction": predictions(answer)[0],
        "nearest": [
            {"id": str(support.numbers[at]), "label": support.labels[at], "distance": float(distance[at])}
            for at in near
        ],
        "classes": [
            {"label": label, "score": score}
            for label, score in sorted(zip(answer.classes, scores, strict=True), key=lambda pair: -pair[1])
        ],
    } | reasons


@torch.no_grad()
def _distances(served: Served, support: Support, x: Tensor) -> Tensor:
    """[n] from the one input ``x`` [1, *shape] to each example."""
    assert support.features is not None
    return (served.place(support.features) - served.place(served.features(x))).norm(dim=-1)


async def estimate(service: Service, owner: int, id: str) -> dict[str, Any]:
    """How each example is predicted from the others."""
    model = await service.model(owner, id)
    knowledge.check_learnt(model)
    served = service.served(model)
    most = service.limits.estimate_examples
    if served.learner.traits.gradient and model.examples > most:
        raise TooLargeError(f"there are {model.examples} examples, and {model.learner} is estimated from up to {most}.")
    support = await service.whole_support(model)
    return await service.aside(_estimate, served, support)


def _estimate(served: Served, support: Support) -> dict[str, Any]:
    assert support.kept is not None
    assert support.features is not None
    if served.net is None:
        reads, kept = knowledge.reader_of(served, support.note), support.kept
    else:  # features are known: only the head has to adapt again and again
        reads, kept = Numbers(support.features.shape[1]), support.features.numpy()
    found = held_out(assembled(served.head, reads, kept, support.labels))
    classes = [label for label, _ in labels.counted(support.labels)]
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    seen = found.predicted >= 0
    np.add.at(confusion, (found.truth[seen], found.predicted[seen]), 1)
    low, high = found.bounds
    weakest = found.weakest()
    return {
        "accuracy": found.accuracy,
        "low95": low,
        "high95": high,
        "labels": classes,
        "confusion": confusion.tolist(),
        "weakest": None if weakest is None else classes[weakest],
    }


async def scatter(service: Service, owner: int, id: str) -> dict[str, Any]:
    """The examples and the means of classes on the two axes along which features differ most."""
    model = await service.model(owner, id)
    knowledge.check_learnt(model)
    support = await service.whole_support(model)
    at = await service.aside(_axes, service.served(model), support)
    return _placed(model, support, at)


@torch.no_grad()
def _axes(served: Served, support: Support) -> Tensor:
    """[n, 2]; each axis points to where its longest entry is positive, so that a picture does not flip."""
    assert support.features is not None
    place = served.place(support.features).double()
    centred = place - place.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    longest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    found = centred @ (axes * torch.where(longest < 0, -1.0, 1.0)).T
    return torch.cat([found, found.new_zeros(len(found), 2 - found.shape[1])], 1)


def _placed(model: Model, support: Support, at: Tensor) -> dict[str, Any]:
    spots = at.tolist()
    classes: dict[Label, list[int]] = {}
    for number, label in enumerate(support.labels):
        classes.setdefault(label, []).append(number)
    return {
        "examples": [
            {"id": str(number), "label": label, "at": spot}
            for number, label, spot in zip(support.numbers, support.labels, spots, strict=True)
        ],
        "classes": [
            {"label": label, "at": at[classes[label]].mean(0).tolist()} for label, _ in labels.counted(support.labels)
        ],
    }
