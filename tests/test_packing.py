"""A packed run answers as the run does."""

from pathlib import Path

import pytest
import torch

import quickstudy as qs
from quickstudy import UserError, packing, runs
from quickstudy.evaluation import evaluate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    config = qs.TrainConfig(way=5, query=3, steps=20, validate_every=0)
    settings = {"width": 8, "distance": "cosine", "proxies": True}
    out = tmp_path_factory.mktemp("runs") / "glyphs"
    return qs.train("protonet", "glyphs:size=16:classes=40", config, settings=settings, out=out)


def test_it_answers_as_before_in_fewer_bytes(run: runs.Run, tmp_path: Path) -> None:
    packed = packing.pack(run, tmp_path / "packed")
    before, after = (evaluate(one, "glyphs:size=16:classes=40", way=5, shot=1, episodes=50) for one in (run, packed))
    assert before.manifest == after.manifest
    assert before.mean == pytest.approx(after.mean, abs=0.005)
    sizes = [(one.path / runs.WEIGHTS).stat().st_size for one in (run, packed)]
    assert sizes[1] < 0.6 * sizes[0]
    assert runs.load(packed.path).members == run.members
    logits = []
    for one in (run, packed):
        task = qs.load_tasks("glyphs:size=16:classes=40").sample(
            "test", torch.tensor([3]), way=5, shot=1, query=4, seed=0
        )
        learner = one.learner()
        support = qs.Examples(*(leaf[0] for leaf in task.support))
        logits.append(learner.predict(learner.adapt(support), task.query.x[0], task.query.mask[0])[0].detach())
    torch.testing.assert_close(logits[0], logits[1], atol=0.05, rtol=0.01)


def test_nothing_is_overwritten_or_half_written(run: runs.Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        packing.pack(run, tmp_path)
    learner = run.learner()
    name, weight = next((name, value) for name, value in learner.named_parameters() if value.dim() > 1)
    weight.data[0] = 1e6
    large = tmp_path / "large"
    runs.write_card(runs.describe(large, run.learner_name, run.config, run.spec, run.training, None))
    runs.write_tensors(large / runs.WEIGHTS, learner.state_dict())
    with pytest.raises(UserError, match=f"{name} holds weights too large"):
        packing.pack(runs.load(large), tmp_path / "out")
    assert not (tmp_path / "out").exists()
