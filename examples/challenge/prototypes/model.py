"""An entry in the form of the MetaDL challenge of NeurIPS 2022: prototypes of small grey pictures.

quickstudy challenge run sprint examples/challenge/prototypes
"""

import json
from pathlib import Path

import torch
from api import Learner, MetaLearner, Predictor


class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes, total_classes, logger):
        super().__init__(train_classes, total_classes, logger)

    def meta_fit(self, meta_train_generator, meta_valid_generator):
        """Choose the size of the pictures by which training tasks are answered best."""
        right = dict.fromkeys((7, 14, 28), 0)
        for task in meta_train_generator(8):
            x, y, original = task.support_set
            for side in right:
                predictor = MyLearner(side).fit((x, y, original, task.num_ways, task.num_shots))
                found = predictor.predict(task.query_set[0]).argmax(1)
                right[side] += int((torch.as_tensor(found) == task.query_set[1]).sum())
        return MyLearner(max(right, key=right.get))


class MyLearner(Learner):
    def __init__(self, side=14):
        super().__init__()
        self.side = side

    def fit(self, support_set):
        x, y, _, n_ways, _ = support_set
        features = small(x, self.side)
        means = torch.stack([features[y == way].mean(0) for way in range(n_ways)])
        return MyPredictor(means, self.side)

    def save(self, path_to_save):
        (Path(path_to_save) / "side.json").write_text(json.dumps(self.side))

    def load(self, path_to_load):
        self.side = json.loads((Path(path_to_load) / "side.json").read_text())


class MyPredictor(Predictor):
    def __init__(self, means, side):
        super().__init__()
        self.means, self.side = means, side

    def predict(self, query_set):
        return (-torch.cdist(small(query_set, self.side), self.means)).numpy()


def small(x, side):
    """[n, side * side] of pictures [n, 3, 128, 128]."""
    return torch.nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), side).flatten(1)
