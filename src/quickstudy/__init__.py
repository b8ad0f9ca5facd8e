"""Meta-learning on PyTorch: sample tasks; for each, adapt on its support set; be judged on its query set.

Public names are resolved when they are first asked for, so that ``import quickstudy`` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from quickstudy import inner
    from quickstudy.comparison import Comparison, compare
    from quickstudy.errors import UserError
    from quickstudy.estimator import FewShotClassifier, FewShotRegressor
    from quickstudy.evaluation import Evaluation, differences, evaluate
    from quickstudy.learners.base import Learner
    from quickstudy.runs import Run
    from quickstudy.runs import load as load_run
    from quickstudy.tasks import load as load_tasks
    from quickstudy.tasks.base import Examples, Task
    from quickstudy.trainer import resume, train
    from quickstudy.training import TrainConfig

_PUBLIC = {
    "Comparison": "quickstudy.comparison:Comparison",
    "Evaluation": "quickstudy.evaluation:Evaluation",
    "Examples": "quickstudy.tasks.base:Examples",
    "FewShotClassifier": "quickstudy.estimator:FewShotClassifier",
    "FewShotRegressor": "quickstudy.estimator:FewShotRegressor",
    "Learner": "quickstudy.learners.base:Learner",
    "Run": "quickstudy.runs:Run",
    "Task": "quickstudy.tasks.base:Task",
    "TrainConfig": "quickstudy.training:TrainConfig",
    "UserError": "quickstudy.errors:UserError",
    "compare": "quickstudy.comparison:compare",
    "differences": "quickstudy.evaluation:differences",
    "evaluate": "quickstudy.evaluation:evaluate",
    "inner": "quickstudy.inner:",
    "load_run": "quickstudy.runs:load",
    "load_tasks": "quickstudy.tasks:load",
    "resume": "quickstudy.trainer:resume",
    "train": "quickstudy.trainer:train",
}
__all__ = [
    "Comparison",
    "Evaluation",
    "Examples",
    "FewShotClassifier",
    "FewShotRegressor",
    "Learner",
    "Run",
    "Task",
    "TrainConfig",
    "UserError",
    "__version__",
    "compare",
    "differences",
    "evaluate",
    "inner",
    "load_run",
    "load_tasks",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'quickstudy' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
