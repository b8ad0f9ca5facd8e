"""Persistence against the record of a sensor: it is off by what glucose does from now on."""

import numpy as np
import torch

from quickstudy import learners, tasks
from quickstudy.tasks.base import Examples
from quickstudy.tasks.glucose.lives import Records
from quickstudy.tasks.glucose.scores import scores
from quickstudy.tasks.glucose.windows import Windows

FIRST, MOMENTS = 400, 100


def test_it_forecasts_the_last_reading() -> None:
    """In mg/dl, 30 and 60 minutes ahead, whatever the support says."""
    draws = torch.Generator().manual_seed(0)
    glucose, carbs, insulin = torch.rand(3, 3, 864, generator=draws)
    records = Records(100 + 100 * glucose, carbs, insulin)
    windows, who = Windows(records, torch.full((3,), 96)), torch.arange(3)
    at = torch.arange(FIRST, FIRST + MOMENTS).expand(3, -1)
    query = Examples(windows.inputs(who, at, torch.zeros(3).long()), *windows.answers(who, at))
    spec = tasks.load("glucose:simulated=true").spec
    learner = learners.build("persistence", spec, learners.configure("persistence", {}), seed=0)
    for support in (Examples(*(leaf[0, :0] for leaf in query)), Examples(*(leaf[1] for leaf in query))):
        answer = learner.predict(learner.adapt(support), query.x.flatten(0, 1), query.mask.flatten())
        found = scores(type(answer)(answer[0].unflatten(0, (3, MOMENTS))), query)
        reading = records.glucose.numpy()
        for name, later in (("rmse30", 6), ("rmse60", 12)):
            error = reading[:, FIRST + later : FIRST + later + MOMENTS] - reading[:, FIRST : FIRST + MOMENTS]
            np.testing.assert_allclose(found[name], np.sqrt(np.square(error).mean(1)), rtol=1e-4)
