"""``fit`` and ``predict`` on drawings as people have them: other pens, other paper, photographs.

Supports are drawings as they are, and queries have gone through a scene; each episode is fitted and asked through
``FewShotClassifier`` alone, on the episodes that ``evaluate`` has under the same seed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import quickstudy
from quickstudy.bench.rows import Row, machine
from quickstudy.bench.scenes import SCENES
from quickstudy.errors import UserError
from quickstudy.estimator import FewShotClassifier
from quickstudy.intervals import interval
from quickstudy.tasks.base import Examples, TaskFamily

COVERAGE = 0.9


def measure(
    weights: str, family: TaskFamily, *, scene: str, way: int, shot: int, query: int, episodes: int, seed: int
) -> Row:
    """The row of one scene; UserError where ``family`` has no drawings."""
    if family.spec.form != "drawings":
        raise UserError(f"{family.spec.name} has no drawings. Use omniglot:size=105 or glyphs:size=105.")
    chance, found = np.random.default_rng(seed), FewShotClassifier(weights=weights, device="cpu")
    right, told, covered, clocks = [], [], [], np.zeros(2)
    for number in range(episodes):
        task = family.sample("test", torch.tensor([number]), way=way, shot=shot, query=query, seed=seed)
        support, labels = _drawn(task.support, "clean", chance)
        asked, truth = _drawn(task.query, scene, chance)
        start = time.perf_counter()
        found.fit(support, labels)
        middle = time.perf_counter()
        answers = found.predict(asked)
        clocks += middle - start, time.perf_counter() - middle
        right.append(float((answers == truth).mean()))
        if found.confidence_:
            sets = found.answer_sets(asked, COVERAGE)
            covered.append(float(sets[np.arange(len(truth)), np.searchsorted(found.classes_, truth)].mean()))
            told.append(float((sets.sum(1) == 1).mean()))
    mean, ci95 = interval(torch.tensor(right, dtype=torch.float64), torch.arange(episodes))
    sure = {"coverage": float(np.mean(covered)), "answered": float(np.mean(told))} if covered else None
    return {
        "work": f"{scene}-{way}w{shot}s",
        "weights": weights,
        "tasks": family.spec.name,
        "scene": scene,
        "way": way,
        "shot": shot,
        "query": query,
        "episodes": episodes,
        "seed": seed,
        "metric": "accuracy",
        "mean": mean,
        "ci95": ci95,
        "transductive": False,
        "at_90": sure,
        "fit_ms": 1000 * clocks[0] / episodes,
        "predict_ms_per_picture": 1000 * clocks[1] / (episodes * way * query),
        "version": quickstudy.__version__,
        "machine": machine(torch.get_num_threads(), "cpu"),
    }


def _drawn(examples: Examples, scene: str, chance: np.random.Generator) -> tuple[Sequence[Any], np.ndarray[Any, Any]]:
    """Pillow images and labels."""
    from PIL import Image

    drawings = (255 * (1 - examples.x[0, :, 0].numpy())).round().astype(np.uint8)
    pictures = [SCENES[scene](Image.fromarray(one), chance) for one in drawings]
    return pictures, np.array([f"character {at:02}" for at in examples.y[0].argmax(-1).tolist()])
