"""What the live pieces of the course compute with: small nets that are trained here, written as JSON.

python examples/course/export.py docs/course/live      (some minutes)
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import torch

import quickstudy as qs
from quickstudy import learners
from quickstudy.scoring import Episodes, score
from quickstudy.tasks import draw
from quickstudy.tasks.sinusoid import Sinusoid

NARROW = {"amplitude": (1.0, 2.0), "phase": (0.0, math.pi / 4)}
"""Waves of the family that is too narrow."""
WIDE = {"amplitude": (0.1, 5.0), "phase": (0.0, math.pi)}
INNER = {"width": 40, "inner_steps": 5, "inner_rate": 0.02, "step_losses": True}
DIGITS = 5
"""Significant digits that are written."""
PAIR = 7
"""The test task whose two characters are shown."""


class Narrow(Sinusoid):
    """Waves that are all much alike."""

    def _functions(self, key):
        amplitude, phase = (draw.uniform(key, 1, name, *NARROW[name]) for name in ("amplitude", "phase"))
        return lambda x, stream: amplitude * torch.sin(x - phase)


def rounded(values):
    """Nested lists with ``DIGITS`` significant digits."""
    if isinstance(values, list):
        return [rounded(value) for value in values]
    return float(f"{values:.{DIGITS}g}")


def layers(learner):
    """The three layers of a net for waves: weights [out, in] and biases [out] of each."""
    state = learner.state_dict()
    last = "head." if "head.weight" in state else ""
    names = ["net.blocks.0.linear.", "net.blocks.1.linear.", last]
    return [{part: rounded(state[name + part].tolist()) for part in ("weight", "bias")} for name in names]


def waves(folder, steps):
    """The nets for waves: meta-trained on all, meta-trained on few, trained on all at once, and not trained."""

    def trained(learner, family, settings, **config):
        given = {"steps": steps, "query": 20, "tasks_per_step": 25, "rate": 0.004, "validate_every": 0, "device": "cpu"}
        config = qs.TrainConfig(batching="vmap", **(given | config))
        name = f"{learner}-{type(family).__name__}-{len(list(folder.iterdir()))}"
        return layers(qs.train(learner, family, config, settings=settings, out=folder / name).learner())

    few = {"shot": 3, "max_shot": 12}
    nets = {
        "meta": trained("maml", Sinusoid(), INNER, **few),
        "narrow": trained("maml", Narrow(), INNER, **few),
        "average": trained("finetune", Sinusoid(), {"width": 40}, shot=10),
        "scratch": trained("finetune", Sinusoid(), {"width": 40}, shot=10, steps=0),
    }
    return {"rate": INNER["inner_rate"], "narrow": NARROW, "wide": WIDE, "nets": nets}


def folded(block):
    """A convolution and the fixed normalisation after it as one: weights [out, in, 3, 3] and biases [out]."""
    scale = block.norm.weight / (block.norm.var + 1e-5).sqrt()
    weight = block.conv.weight * scale[:, None, None, None]
    return {"weight": rounded(weight.tolist()), "bias": rounded((block.norm.bias - block.norm.mean * scale).tolist())}


def characters(folder, steps):
    """A prototypical network for drawn characters."""
    config = qs.TrainConfig(way=40, shot=1, query=3, tasks_per_step=1, steps=steps, rate=0.004, validate_every=0)
    settings = {"backbone": "conv4", "width": 24, "norm": "batch"}
    learner = qs.train(
        "protonet", "glyphs:size=64+warp:size=28", config, settings=settings, out=folder / "drawn"
    ).learner()
    return {"blocks": [folded(block) for block in learner.net.blocks]}


def tasks(episodes):
    """How many of 75 answers the nearest drawing by its pixels gets right, in each of so many tasks; two characters."""
    family = qs.load_tasks("glyphs")
    learner = learners.build("nearest", family.spec, learners.configure("nearest", {}), seed=0).eval()
    judged = score(learner, family, Episodes(way=5, shot=1, query=15, episodes=episodes, seed=0))
    right = (judged.values * 75).round().to(torch.int64).tolist()
    return {"asked": 75, "right": right, "drawings": drawings(PAIR)}


def drawings(number):
    """Two characters that the net has not met: three drawings of each to learn from, two to ask; a digit a pixel."""
    task = qs.load_tasks("glyphs").sample("test", torch.tensor([number]), way=2, shot=3, query=2, seed=0)
    support, query = (part.x[0, :, 0].unflatten(0, (2, -1)) for part in (task.support, task.query))

    def text(ink):
        return "".join(str(round(9 * value)) for value in ink.flatten().tolist())

    order = [query[one, number] for number in range(2) for one in range(2)]
    return {"support": [[text(ink) for ink in one] for one in support], "query": [text(ink) for ink in order]}


def main(out, wave_steps=8000, character_steps=2500, episodes=1000):
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        made = {"waves": waves(Path(folder), wave_steps)}
        made["characters"] = characters(Path(folder), character_steps)
    made["tasks"] = tasks(episodes)
    for name, value in made.items():
        path = Path(out) / f"{name}.json"
        path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1])
