"""Stand-ins for libraries, so that none has to be installed: module by module, as much as is used of it."""

import textwrap
from pathlib import Path

MAML = """
    import torch
    from torch.func import functional_call

    print("something on stdout")

    class MAML:
        def __init__(self, module, **settings):
            self.module, self.settings = module, settings
            self.inner_steps = settings.get("inner_steps")

        def clone(self):
            return Learner(self)

    class Learner:
        def __init__(self, maml):
            self.maml, self.params = maml, dict(maml.module.named_parameters())

        def __call__(self, x):
            return functional_call(self.maml.module, self.params, (x,))

        def adapt(self, loss):
            rate = self.maml.settings.get("inner_lr") or self.maml.settings["lr"]
            grads = torch.autograd.grad(loss, list(self.params.values()), create_graph=True)
            self.params = {name: p - rate * g for (name, p), g in zip(self.params.items(), grads)}

    class algorithms:
        MAML = MAML
"""
MODULES = {
    "iteryne": MAML,
    "learn2learn": MAML.replace("p - rate * g", "p - 2 * rate * g.detach()"),
    "torchopt": "import os, sys; sys.stderr.write('gone fishing'); sys.stderr.flush(); os._exit(3)",
}
"""One that is right, one that is wrong, one that takes its process with it."""


UNCOMPILED = "from quickstudy.inner import batch; batch.WRITTEN = ('recorded',)"
"""What Python itself imports first: this library without its slowest way, which takes half a minute to make."""


def write(folder: Path) -> None:
    """All of them, into ``folder``."""
    (folder / "sitecustomize.py").write_text(UNCOMPILED)
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
