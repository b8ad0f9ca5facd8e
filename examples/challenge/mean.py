"""An entry that is a learner of the protocol: class means of the pixels, with one learnt scale.

quickstudy challenge run sprint examples/challenge/mean.py
"""

from dataclasses import dataclass

import torch

from quickstudy.learners.base import Learner, Logits, Traits, class_means, only_present, present, squared_distance


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class PixelMean(Learner):
    traits = Traits(kinds=("classification",))
    Config = Config

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.scale = torch.nn.Parameter(torch.tensor(0.1))

    def adapt(self, support, steps=None):
        return {"mean": class_means(support.x.flatten(1), support), "here": present(support)}

    def predict(self, adapted, x, mask):
        distance = squared_distance(x.flatten(1), adapted["mean"])
        return Logits(only_present(-self.scale * distance, adapted["here"]))

    @classmethod
    def recipe(cls, spec):
        return {"rate": 0.1, "query": 5}
