"""Three entries of each way in, as different as strangers' are, each in a process of its own and unchanged.

Tables of answers for sealed tasks are in app/test_cli_challenge.py.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few import few_tasks
from test_metadl import CONFIG, EARLIER, HELPER

from quickstudy.app.cli import main

EXAMPLES = Path(__file__).parent.parent.parent / "examples/challenge"
Files = dict[str, str]

SUBCLASS = """
from quickstudy.learners.protonet import ProtoNet

class Narrow(ProtoNet):
    '''A learner of the library with other defaults.'''
    def __init__(self, spec, config):
        super().__init__(spec, type(config)(width=8))
"""
STEPS = """
from dataclasses import dataclass
import torch
from quickstudy.learners.base import Learner, Logits, Traits

@dataclass(frozen=True, kw_only=True)
class Config:
    steps: int = 5
    '''Gradient steps.'''

class Steps(Learner):
    '''Logistic regression of pixels by gradient steps of a learnt rate; what training has seen is taken off.'''
    traits = Traits(kinds=("classification",))
    Config = Config

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.rate = torch.nn.Parameter(torch.tensor(0.5))
        self.register_buffer("middle", torch.zeros(spec.shape))

    def prepare(self, tasks):
        self.middle = torch.stack([some.x.mean(0) for some, _ in zip(tasks, range(5))]).mean(0)

    def adapt(self, support, steps=None):
        x = (support.x - self.middle).flatten(1)
        weight = torch.zeros(x.shape[1], support.y.shape[-1])
        for _ in range(self.config.steps):
            weight = weight - self.rate * x.T @ ((x @ weight).softmax(-1) - support.y) / len(x)
        return {"weight": weight}

    def predict(self, adapted, x, mask):
        return Logits((x - self.middle).flatten(1) @ adapted["weight"])
"""
FILES = {"narrow": SUBCLASS, "steps": STEPS}

LATER = """
import os, pickle
import numpy as np
from api import MetaLearner, Learner, Predictor
"""
NET = (
    LATER
    + """
import torch
from network import Net

class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes, total_classes, logger):
        super().__init__(train_classes, total_classes, logger)
        self.net = Net(total_classes)
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        optimizer = torch.optim.Adam(self.net.parameters(), 1e-3)
        for x, y in meta_train_generator(3):
            loss = torch.nn.functional.cross_entropy(self.net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.log(loss)
        return MyLearner(self.net)

class MyLearner(Learner):
    def __init__(self, net=None):
        super().__init__()
        self.net = net
    def fit(self, support_set):
        x, y, _, n_ways, k_shots = support_set
        with torch.no_grad():
            features = self.net.features(x)
        return MyPredictor(self.net, torch.stack([features[y == way].mean(0) for way in range(n_ways)]))
    def save(self, path_to_save):
        torch.save((self.net.classes, self.net.state_dict()), f"{path_to_save}/net.pt")
    def load(self, path_to_load):
        classes, state = torch.load(f"{path_to_load}/net.pt")
        self.net = Net(classes)
        self.net.load_state_dict(state)

class MyPredictor(Predictor):
    def __init__(self, net, means):
        self.net, self.means = net, means
    def predict(self, query_set):
        with torch.no_grad():
            return torch.cdist(self.net.features(query_set), self.means).argmin(1).numpy()
"""
)
NETWORK = """
import torch
class Net(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.conv = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU())
        self.out = torch.nn.Linear(4 * 15 * 15, classes)
    def features(self, x):
        return self.conv(x).flatten(1)
    def forward(self, x):
        return self.out(self.features(x))
"""
FOREST = (
    LATER
    + """
class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes, total_classes, logger) -> None:
        super().__init__(train_classes, total_classes, logger)
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        for task in meta_valid_generator(1):
            print("valid", task.num_ways, task.num_shots, task.dataset, len(task.support_set), task.original_class_idx)
        return MyLearner(neighbours=1)

class MyLearner(Learner):
    def __init__(self, neighbours=None) -> None:
        super().__init__()
        self.neighbours = neighbours
    def fit(self, support_set):
        X_train, y_train, _, self.n_ways, _ = support_set
        return MyPredictor(np.asarray(X_train).reshape(len(X_train), -1), np.asarray(y_train), self.n_ways)
    def save(self, path_to_save):
        with open(os.path.join(path_to_save, "learner.pickle"), "wb") as file:
            pickle.dump(self, file)
    def load(self, path_to_load):
        with open(os.path.join(path_to_load, "learner.pickle"), "rb") as file:
            self.neighbours = pickle.load(file).neighbours

class MyPredictor(Predictor):
    def __init__(self, x, y, ways):
        self.x, self.y, self.ways = x, y, ways
    def predict(self, query_set):
        far = [((self.x - one.reshape(-1)) ** 2).sum(1).argmin() for one in np.asarray(query_set)]
        return np.eye(self.ways)[self.y[far]]
"""
)
METADL = {
    "net": {"model.py": NET, "network.py": NETWORK, "config.json": '{"train_data_format": "batch", "batch_size": 8}'},
    "forest": {"model.py": FOREST, "config.json": '{"validation_datasets": 1, "valid_config": {"N": 2, "k": 1}}'},
}
"""In the form of NeurIPS 2022, beside the example."""

SAME = "from cdmetadl.api.api import MetaLearner, Learner, Predictor\n"
ROOT = "from api import MetaLearner, Learner, Predictor\n"
RIDGE = """
import numpy as np

class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes):
        super().__init__(train_classes)
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        task = next(iter(meta_train_generator(1)))
        images, labels = task.support_set
        assert len(images) == len(labels)
        return MyLearner()

class MyLearner(Learner):
    def fit(self, dataset_train):
        x, y, n_ways, k_shots = dataset_train
        x = np.asarray(x)[:, 0, ::4, ::4].reshape(len(y), -1)
        return MyPredictor(x.T @ np.linalg.solve(x @ x.T + np.eye(len(x)), np.eye(n_ways)[np.asarray(y)]))
    def save(self, path_to_save):
        open(path_to_save + "/nothing.txt", "w").close()
    def load(self, path_to_load):
        open(path_to_load + "/nothing.txt").close()

class MyPredictor(Predictor):
    def __init__(self, weight):
        self.weight = weight
    def predict(self, dataset_test):
        x = np.asarray(dataset_test)[:, 0, ::4, ::4]
        return x.reshape(len(x), -1) @ self.weight
"""
SCORES = "return x.reshape(len(x), -1) @ self.weight"
LABELS = "return (x.reshape(len(x), -1) @ self.weight).argmax(1).tolist()"
STARTED = {
    "earlier": {"model.py": EARLIER, "helper.py": HELPER, "config.json": json.dumps(CONFIG)},
    "ridge": {"model.py": SAME + RIDGE},
    "labels": {"model.py": ROOT + RIDGE.replace(SCORES, LABELS)},
}
"""In the form of the earlier starting kit."""
PERL = """
use strict; use JSON::PP; $| = 1;
sub flat { return ref($_[0]) ? map { flat($_) } @{$_[0]} : $_[0]; }
while (my $line = <STDIN>) {
    my $task = decode_json($line);
    if ($task->{do} eq 'begin') { print encode_json({ready => JSON::PP::true}), "\\n"; next; }
    my @known = map { [flat($_)] } @{$task->{support}{x}};
    my @labels;
    for my $query (@{$task->{query}{x}}) {
        my @x = flat($query); my ($best, $least);
        for my $at (0 .. $#known) {
            my $far = 0; $far += ($x[$_] - $known[$at][$_]) ** 2 for 0 .. $#x;
            ($best, $least) = ($at, $far) if !defined $least || $far < $least;
        }
        push @labels, $task->{support}{y}[$best] + 0;
    }
    print encode_json({task => $task->{task}, labels => \\@labels}), "\\n";
}
"""
BASE64 = """
import array, base64, json, sys

def rows(packed):
    assert packed["dtype"] == "float32"
    values, (count, *_) = array.array("f", base64.b64decode(packed["base64"])), packed["shape"]
    width = len(values) // count
    return [values[at * width : (at + 1) * width] for at in range(count)]

def labels(packed):
    return array.array({"int64": "q", "float32": "f"}[packed["dtype"]], base64.b64decode(packed["base64"]))

for line in sys.stdin:
    message = json.loads(line)
    if message["do"] == "begin":
        print(json.dumps({"ready": True, "arrays": "base64"}), flush=True)
        continue
    queries, way = rows(message["query"]["x"]), message["way"]
    guess = {"task": message["task"], "labels": [0] * len(queries), "more": True}
    print(json.dumps(guess), flush=True)
    known, y = rows(message["support"]["x"]), labels(message["support"]["y"])
    scores = [[0.0] * way for _ in queries]
    for score, query in zip(scores, queries):
        for one, label in zip(known, y):
            score[int(label)] += sum(a * b for a, b in zip(one, query)) / (1 + sum(one))
    print(json.dumps({"task": message["task"], "scores": scores}), flush=True)
"""


def write(folder: Path, files: Files) -> str:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def learners(folder: Path) -> dict[str, str]:
    write(folder, {f"{name}.py": text for name, text in FILES.items()})
    return {name: str(folder / f"{name}.py") for name in FILES} | {"mean": str(EXAMPLES / "mean.py")}


def later(folder: Path) -> dict[str, str]:
    made = {name: write(folder / name, files) for name, files in METADL.items()}
    return made | {"prototypes": str(EXAMPLES / "prototypes")}


def earlier(folder: Path) -> dict[str, str]:
    return {name: write(folder / name, files) for name, files in STARTED.items()}


def programs(folder: Path) -> dict[str, str]:
    write(folder, {"packed.py": BASE64, "perl.pl": PERL})
    made = {"nearest": f"python3 {EXAMPLES / 'nearest.py'}", "packed": f"python3 {folder / 'packed.py'}"}
    others = {"perl": f"perl {folder / 'perl.pl'}", "node": f"node {EXAMPLES / 'nearest.js'} "}
    return made | {name: command for name, command in others.items() if shutil.which(name)}


@pytest.mark.slow
@pytest.mark.parametrize("make", [learners, later, earlier, programs], ids=lambda make: make.__name__)
def test_three_entries_answer_every_task(
    make: Callable[[Path], dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.toml").write_text(few_tasks("few"))
    rows: dict[str, Any] = {}
    for name, entry in make(tmp_path / "entries").items():
        code = main(["challenge", "run", "few.toml", entry, "--name", name, "--json"])
        told = capsys.readouterr()
        assert code == 0, told.err
        rows |= json.loads(told.out)
    if len(rows) < 3:
        pytest.skip("neither perl nor node is installed")
    form = {"learners": "file", "programs": "program"}.get(make.__name__, "metadl")
    for name, row in rows.items():
        (block,) = row["blocks"]
        assert (row["form"], block["answered"], block["ended"], block["wrong"]) == (form, 5, None, []), name
        assert block["inductive"] == "inductive", name
        assert block["score"]["mean"] > 0.1, (name, "pixels alone are better than chance")
    assert main(["challenge", "rank", "runs/challenge/few"]) == 0
