"""An entry in the form of the Cross-Domain MetaDL challenge of NeurIPS 2022, unchanged, or of its earlier starting kit.

Carrión-Ojeda, Chen, El Baz, Escalera, Guan, Guyon, Ullah, Wang, Zhu (2022), "NeurIPS'22 Cross-Domain MetaDL
competition: Design and baseline results". A folder with model.py, which defines

    MyMetaLearner(train_classes, total_classes, logger).meta_fit(train_generator, valid_generator) -> learner
    MyLearner().fit((X, y, original_y, n_ways, k_shots)) -> predictor;   .save(folder);   .load(folder)
    predictor.predict(X) -> [n, n_ways] scores, or [n] labels

Earlier forms, which ``metadl_forms`` tells apart, have ``fit((X, y, n_ways, k_shots))``; sets of their tasks are pairs.
Images are [n, 3, 128, 128]; what has another size or no colours is resized, and repeated.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy.challenge import wire
from quickstudy.challenge.inside import metadl_api
from quickstudy.challenge.inside.host import Host, Streamed
from quickstudy.challenge.inside.metadl_forms import ASKED, Form, form_of, labelled, pictures, settings_of
from quickstudy.errors import UserError
from quickstudy.tasks.base import Examples, Split

SIDE = 128
SPAN = {"N": 5, "min_N": None, "max_N": None, "k": None, "min_k": 1, "max_k": 20, "query_images_per_class": 20}
"""Of training tasks, as there."""
WIDE = SPAN | {"N": None, "min_N": 2, "max_N": 20}
"""Of validation tasks."""
AT_ONCE = 4
"""Training tasks, or classes of a batch, that are drawn together."""


def prepare(host: Host, hello: dict[str, Any], form: str, what: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Run ``meta_fit``, save what came out, and give the function that answers a task."""
    family = Streamed(host, hello)
    if family.spec.kind != "classification" or len(family.spec.shape) != 3:
        raise UserError(f"an entry of MetaDL does images alone, and {family.spec.name} has none.")
    folder = Path(what).absolute()
    sys.path.insert(0, str(folder))
    install_api()
    model = importlib.import_module("model")
    kit = form_of(model.MyMetaLearner)
    source = Generators(family, config_of(folder, kit), kit)
    every = (source.train_classes, source.total_classes, metadl_api.Logger())
    given = every[: ASKED[kit]]
    saved = Path("saved").absolute()
    saved.mkdir()
    valid = source.valid if "val" in family.splits else None
    learner = model.MyMetaLearner(*given).meta_fit(source.train, valid)
    learner.save(str(saved))

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        fresh = model.MyLearner()
        fresh.load(str(saved))
        x, y = images(wire.unpack(message["support"]["x"])), wire.unpack(message["support"]["y"]).long()
        way = message["way"]
        shots = int(torch.bincount(y, minlength=way).max())
        query = pictures(kit, images(wire.unpack(message["query"]["x"])))
        return written(fresh.fit((*labelled(kit, x, y, y.clone()), way, shots)).predict(query))

    return answer


def written(found: Any) -> dict[str, Any]:
    """Scores [n, way] or labels [n]."""
    found = found.detach().cpu().numpy() if isinstance(found, Tensor) else np.asarray(found)
    if found.ndim == 1:
        return {"labels": wire.pack(torch.from_numpy(found.astype(np.int64)), True)}
    return {"scores": wire.pack(torch.from_numpy(found.astype(np.float32)), True)}


def images(x: Tensor) -> Tensor:
    """[n, 3, 128, 128] of pictures [n, 1 or 3, height, width]."""
    x = x.float()
    if x.shape[-2:] != (SIDE, SIDE):
        x = torch.nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return x.expand(-1, 3, -1, -1).contiguous()


def install_api() -> None:
    """The modules that entries import their base classes from, under all their names."""
    sys.modules.setdefault("api", metadl_api)
    for name in ("cdmetadl", "cdmetadl.api", "cdmetadl.ingestion"):
        package = sys.modules.setdefault(name, ModuleType(name))
        package.__path__ = []
    for name in ("cdmetadl.api.api", "cdmetadl.ingestion.data_generator"):
        sys.modules.setdefault(name, metadl_api)


def config_of(folder: Path, kit: Form) -> dict[str, Any]:
    """What config.json says, or a draft's config.yaml, over what holds without it."""
    file = folder / "config.json"
    try:
        found = json.loads(file.read_text("utf-8")) if file.is_file() else settings_of(folder) if kit == "draft" else {}
        train, valid = SPAN | found.get("train_config", {}), WIDE | found.get("valid_config", {})
        size = int(found.get("batch_size") or 16)
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{folder.name}/config.json is not right ({error}).") from error
    form = found.get("train_data_format", "task")
    if form not in ("task", "batch"):
        raise UserError(f"{folder.name}/config.json: train_data_format is {form!r}; expected task or batch.")
    return {"train": train, "valid": valid, "batch_size": size, "form": form}


class Generators:
    """Where ``meta_fit`` gets its tasks, or its batches, from."""

    def __init__(self, family: Streamed, config: dict[str, Any], kit: Form) -> None:
        self.family, self.config, self.kit = family, config, kit
        self._random = np.random.RandomState(0)
        self._whole = family.tasks("train")
        self.total_classes = family.spec.classes or len(self._whole)
        batches = config["form"] == "batch"
        self.train_classes = self.total_classes if batches else config["train"]["N"] or config["train"]["max_N"]
        self.train = self._batches if batches else lambda count=50: self._tasks("train", count)
        self.numbers = {"train": itertools.count(), "val": itertools.count()}
        self._limits: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, dict[int, int]] = {"train": {}, "val": {}}

    def valid(self, count: int = 25) -> Iterator[metadl_api.Task]:
        """``count`` validation tasks; the same whenever they are asked for, as there."""
        self.numbers["val"] = itertools.count()
        return self._tasks("val", count)

    def _tasks(self, split: Split, count: int) -> Iterator[metadl_api.Task]:
        config = self.config["train" if split == "train" else "valid"]
        for _ in range(count):
            way = config["N"] or self._random.randint(config["min_N"], config["max_N"] + 1)
            shot = config["k"] or self._random.randint(config["min_k"], config["max_k"] + 1)
            query = int(config["query_images_per_class"])
            most_ways, most_shots = self._most(split, config, query)
            yield self._task(split, min(int(way), most_ways), min(int(shot), most_shots), query)

    def _most(self, split: Split, config: dict[str, Any], query: int) -> tuple[int, int]:
        """Ways and shots that there are, which may be fewer than an entry asks for: as there, it then gets those."""
        if split not in self._limits:
            ways, shots = (int(config[one] or config[most]) for one, most in (("N", "max_N"), ("k", "max_k")))
            fewest = min(ways, int(config["N"] or config["min_N"]), 2)

            def there(way: int, shot: int) -> bool:
                try:
                    self.family.sample(
                        split, torch.zeros(1, dtype=torch.int64), way=way, shot=shot, query=query, seed=1
                    )
                except UserError:
                    return False
                return True

            shot = largest(shots, lambda one: there(fewest, one))
            self._limits[split] = largest(ways, lambda one: there(one, 1)), shot
        return self._limits[split]

    def _task(self, split: Split, way: int, shot: int, query: int) -> metadl_api.Task:
        index = torch.tensor([next(self.numbers[split])])
        drawn = self.family.sample(split, index, way=way, shot=shot, query=query, seed=1)
        classes = self._numbered(split, drawn.classes[0])

        def given(some: Examples) -> tuple[Any, ...]:
            order = torch.from_numpy(self._random.permutation(np.flatnonzero(some.mask[0].numpy())))
            y = some.y[0][order].argmax(-1)
            return labelled(self.kit, images(some.x[0][order]), y, classes[y])

        return metadl_api.Task(
            way, shot, given(drawn.support), given(drawn.query), classes.numpy(), self.family.spec.name
        )

    def _numbered(self, split: Split, classes: Tensor) -> Tensor:
        """Original labels [way] below ``total_classes``: entries make a head of that width over them. Where classes
        are unlimited they are numbered as they come, and from 0 again once there are more."""
        if self.family.spec.classes is not None:
            return classes
        seen = self._seen[split]
        return torch.tensor([seen.setdefault(one, len(seen) % self.total_classes) for one in classes.tolist()])

    def _batches(self, count: int = 10, size: int | None = None) -> Iterator[tuple[Any, ...]]:
        """``size`` is a draft's to say; later it is in the settings."""
        for _ in range(count):
            chosen = self._random.randint(0, len(self._whole), size or self.config["batch_size"])
            rows = [self._whole[int(number)].x for number in chosen]
            x = torch.stack([row[self._random.randint(len(row))] for row in rows])
            yield labelled(self.kit, images(x), torch.from_numpy(chosen).long())


def largest(most: int, there: Callable[[int], bool]) -> int:
    """The largest number up to ``most`` for which ``there`` holds, as it does for all smaller ones; 1 at least."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if there(middle) else (low, middle - 1)
    return low
