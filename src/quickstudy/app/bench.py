"""``quickstudy bench``: finds the benchmark."""

from __future__ import annotations

import importlib

from quickstudy.app.parts import Parts, find

PARTS = {
    "run": ("quickstudy.app.bench_run", "every learner on a challenge, by one command that goes on where it stopped"),
    "speed": ("quickstudy.app.bench_speed", "meta-gradients here and in other libraries, on the same work"),
    "ways": ("quickstudy.app.bench_ways", "the way of batching that is chosen, beside every other"),
    "ladder": ("quickstudy.app.bench_ladder", "every learner trained at one budget, judged on the same episodes"),
    "folds": ("quickstudy.app.bench_folds", "learners trained and judged over several partitions of the same people"),
    "trials": ("quickstudy.app.bench_trials", "a robot that finds a gait by trial and error, on grounds held out"),
    "pictures": ("quickstudy.app.bench_pictures", "fit and predict on drawings with other pens, on other paper"),
    "photos": ("quickstudy.app.bench_photos", "photographs learnt and looked at: how fast, in how much memory"),
    "tables": ("quickstudy.app.bench_tables", "real tables from a few rows, beside what people use for tables now"),
    "grips": ("quickstudy.app.bench_grips", "objects gripped after a few test lifts, in the true simulation"),
    "strides": ("quickstudy.app.bench_strides", "strides of a robot that one core simulates in a CPU second"),
    "returns": ("quickstudy.app.bench_returns", "damaged robots driven by a planner whose model adapts, or does not"),
    "serve": ("quickstudy.app.bench_serve", "the server under load: answers a second, how soon, in how much memory"),
}
VERB = Parts(
    verb="bench",
    word="BENCHMARK",
    kind="benchmark",
    example="speed",
    missing=f"say which benchmark, for example quickstudy bench speed. There are: {', '.join(PARTS)}.",
    known=PARTS,
)


def main(args: list[str]) -> int:
    """Run the verb."""
    found = find(args, VERB)
    if found is None:
        return 0
    code: int = importlib.import_module(found).main(args[1:])
    return code
