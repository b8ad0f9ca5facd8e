"""What participants of a sealed challenge read first."""

from __future__ import annotations

from collections.abc import Sequence

from quickstudy.challenge.check import Block
from quickstudy.challenge.suite import Suite


def description(suite: Suite, blocks: Sequence[Block], names: Sequence[str]) -> str:
    """The README, in Markdown."""
    parts = [
        f"# {suite.name}",
        suite.about or "Learn each task from its few examples, and answer its queries.",
        "A task has a few examples with answers, its *support*, and inputs without, its *queries*. Every test task has "
        "its own classes, or its own curve, that are in no training task: answers must be learnt from its support. "
        + ("The answer to a query may depend on no other query." if suite.inductive else ""),
        "## Tasks",
        "\n".join(f"- `{name}`: {line}" for name, line in zip(names, map(line_of, blocks), strict=True)),
        "## Files",
        "In the folder of each:",
        "- `train.csv`: training tasks, with the columns task, set (support or query), id, answer, and class, which is "
        "the same for equal classes of different tasks\n"
        "- `support.csv`: support of the test tasks: task, id, answer\n"
        "- `query.csv`: what is asked: task, id\n"
        "- `images/ID.png`, or `values.csv` with the numbers of each input by id",
        "An answer is the number of a class within its task, from 0, or, where numbers are asked, those, with spaces "
        "between them.",
        "## Submission",
        "A table like `sample_submission.csv`, with the columns id and answer and a row for every id of every "
        "`query.csv`.",
        "## Score",
        "\n".join(f"- `{name}`: {block.metric} of each task" for name, block in zip(names, blocks, strict=True)),
        "Each is put on a scale on which chance, or the mean of training, is 0 and perfect, or the best possible, is "
        "1; the score is the mean of the folders' means.",
    ]
    return "\n\n".join(parts) + "\n"


def line_of(block: Block) -> str:
    """What is asked, in a line."""
    tasks, spec = block.tasks, block.test.spec
    ways, shots = ("-".join(map(str, dict.fromkeys(span))) for span in (block.way, block.shot))
    way = f"{ways}-way, " if spec.kind == "classification" else ""
    return f"{spec.name}: {tasks.episodes} tasks, {way}{shots} shots, {tasks.query} queries"
