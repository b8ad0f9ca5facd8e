"""The next dose for one newborn, after each new level in the blood: research software, not for treatment.

The patients are simulated, so it needs no data and takes seconds: python examples/dose_advice.py. With QUICKSTUDY_DATA
set, real ones: python examples/dose_advice.py pk
"""

import sys
import tempfile
from pathlib import Path

import torch

import quickstudy as qs
from quickstudy.tasks.doses.dosing import layout

TARGET, WAIT = 25.0, 12.0
"""Level in mg/L that is wanted, so many hours after the dose."""


def given(x: torch.Tensor, doses: torch.Tensor, wait: float, form) -> torch.Tensor:
    """[D, inputs] the vector ``x`` of a reading, ``wait`` later and with each of ``doses`` [D] given at it."""
    head, slots = x[: 1 + form.covariates].clone(), x[1 + form.covariates :].view(form.slots, -1).clone()
    head[0] += wait
    slots[:, 0] += wait * (slots[:, 1] > 0)
    before = slots[:-1].expand(len(doses), -1, -1)  # the oldest slot is free, or too old to matter
    new = torch.stack([torch.full_like(doses, wait), doses], -1).unsqueeze(1)
    return torch.cat([head.expand(len(doses), -1), torch.cat([new, before], 1).flatten(1)], -1)


def advise(learner, family, task, readings: int) -> tuple[float, float, float]:
    """Milligrams that lead to the target, and the interval that then holds the level with 90 % probability."""
    support = task.support._replace(mask=task.support.mask & (torch.arange(task.support.mask.shape[-1]) < readings))
    one = type(support)(*(leaf[0] for leaf in support))
    doses = torch.linspace(0, 150 / family.about.dose, 1501)
    x = given(task.query.x[0, 0], doses, WAIT / family.about.time, layout(family.spec.names))
    with torch.no_grad():
        found = learner.predict(learner.adapt(one), x, torch.ones(len(x), dtype=torch.bool))
    level = found.mean.exp().squeeze(-1) * family.about.level
    best = int((level - TARGET).abs().argmin())
    factor = float((1.645 * found.std[best, 0]).exp())
    return float(doses[best]) * family.about.dose, float(level[best]) / factor, float(level[best]) * factor


def main(tasks: str, steps: int = 60, patient: int = 2) -> list[tuple[float, float, float]]:
    config = qs.TrainConfig(steps=steps, tasks_per_step=16, device="cpu", batching="vmap")
    with tempfile.TemporaryDirectory() as folder:
        learner = qs.train("metapk", tasks, config=config, out=Path(folder) / "run").learner()
    family = qs.load_tasks(tasks)
    task = family.sample("test", torch.tensor([patient]), way=0, shot=3, query=1, seed=0)
    found = []
    for readings in range(int(task.support.mask.sum()) + 1):
        dose, low, high = advise(learner, family, task, readings)
        found.append((dose, low, high))
        print(f"after {readings} levels: {dose:4.1f} mg, for {low:.0f} to {high:.0f} mg/L {WAIT:g} h later")
    return found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pk:simulated=true")
