"""Glucose: how well lows are warned of, and the next hour of one's own record.

    quickstudy train bayeslinear --tasks glucose --out runs/glucose
    python examples/glucose.py runs/glucose              # people it has never met, of whom it knows a day
    python examples/glucose.py runs/glucose ada.csv      # a record of time, glucose, carbs and insulin

Research software: no device to treat anybody with.
"""

import sys
from pathlib import Path

import torch

import quickstudy as qs
from quickstudy.inner import batch
from quickstudy.tasks.glucose.files import read
from quickstudy.tasks.glucose.scores import NINETY, alarm
from quickstudy.tasks.glucose.windows import AHEAD, LEAD, SCALE, STEPS, Windows, now


def alarms(run, hours: int = 24):
    """Lows of the test people, and how many are warned of at one false alarm a day."""
    family, learner = qs.load_tasks(run.spec.name), run.learner().eval()
    people = len(family.people("test"))
    task = family.sample("test", torch.arange(people), way=0, shot=hours, query=10_000, seed=0)
    with torch.no_grad():
        adapted = batch.map_tasks(lambda own, support: own.adapt(support), learner, (task.support,), "vmap")
        asked = (adapted, task.query.x, task.query.mask)
        mean = batch.map_tasks(lambda own, *one: own.predict(*one), learner, asked, "vmap").mean
    glucose = now(task.query.x)
    feared = (glucose.unsqueeze(-1) + mean * SCALE).amin(-1)
    found = alarm(feared, glucose, task.query.mask)
    print(f"{hours} hours known of each of {people} people: {found.sensitivity:.0%} of {found.lows} lows warned of")
    print(f"at {found.false_a_day:.2f} false alarms a day, where {found.threshold:.0f} mg/dL or less is predicted")
    return found


def next_hour(run, path: Path):
    """What the last moment of a record leads to, after all before it has been learnt from."""
    own = read(str(path))
    windows, who, begin = Windows(own.records, own.start), torch.zeros(1).long(), torch.zeros(1).long()
    known = torch.arange(LEAD, int(own.last[0]) - STEPS[-1]).unsqueeze(0)
    y, there = windows.answers(who, known)
    support = qs.Examples(windows.inputs(who, known, begin)[0], y[0], there[0])
    x = windows.inputs(who, own.last[:1].unsqueeze(-1) - 1, begin)[0]
    learner = run.learner().eval()
    with torch.no_grad():
        said = learner.predict(learner.adapt(support), x, torch.ones(1, dtype=torch.bool))
    digits, (unit, mg) = ".0f" if own.unit.mg == 1 else ".1f", own.unit
    print(f"now {float(now(x)) / mg:{digits}} {unit}")
    for minutes, change, scale, std in zip(AHEAD, said.mean[0], SCALE, said.std[0], strict=True):
        level, margin = float(now(x) + change * scale) / mg, float(NINETY * std * scale) / mg
        low, level, high = (f"{one:{digits}}" for one in (level - margin, level, level + margin))
        print(f"in {minutes} minutes {level} {unit}; nine times in ten {low} to {high}")
    return said


if __name__ == "__main__":
    trained = qs.load_run(sys.argv[1])
    next_hour(trained, Path(sys.argv[2])) if len(sys.argv) > 2 else alarms(trained)
