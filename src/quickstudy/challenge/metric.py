"""The score of a submission for sealed tasks: one file, in the form that Kaggle's hosts upload.

The solution has the columns id, answer, block, task, unit, metric, chance, best, level; the submission has id and
answer. An answer is the number of a class, or numbers with spaces between them. Of each task the metric (accuracy, mse
or rmse) is put on a scale on which chance is 0 and the best 1, bounded at -1, and moved by the level, so that chance
has 0 in the mean for all that; units' means are averaged, and then blocks' means.
"""

import math
from typing import Any

try:
    import pandas as pd
except ImportError:  # plain columns will do
    pd = None

ANSWER = "answer"
LARGEST = 1e15
"""An answer that is further from 0 is no number."""
NAMED = 3


class ParticipantVisibleError(Exception):
    """What is wrong with a submission."""


def score(solution: "pd.DataFrame", submission: "pd.DataFrame", row_id_column_name: str) -> float:
    """Mean over blocks. ParticipantVisibleError says what is wrong with ``submission``."""
    true, given = ({str(name): list(table[name]) for name in table.columns} for table in (solution, submission))
    values = [block_mean(tasks) for tasks in judged(true, given, row_id_column_name).values()]
    return sum(values) / len(values)


def judged(solution: dict[str, list[Any]], submission: dict[str, list[Any]], row_id_column_name: str) -> dict[str, Any]:
    """Of each block a list of (task, unit, scaled score, raw score), from columns by name."""
    answers = checked(solution, submission, row_id_column_name)
    tasks: dict[Any, Any] = {}
    for row, name in enumerate(map(str, solution[row_id_column_name])):
        true = numbers(solution[ANSWER][row], name, 0)
        given = numbers(answers[name], name, len(true))
        tasks.setdefault((solution["block"][row], solution["task"][row]), []).append((row, true, given))
    blocks: dict[Any, Any] = {}
    for (block, task), rows in tasks.items():
        first = rows[0][0]
        raw = measured(str(solution["metric"][first]), [(true, given) for _, true, given in rows])
        chance, best, level = (float(solution[name][first]) for name in ("chance", "best", "level"))
        scaled = (max((raw - chance) / (best - chance), -1.0) - level) / (1 - level)
        blocks.setdefault(block, []).append((task, str(solution["unit"][first]), scaled, raw))
    return blocks


def measured(metric: str, pairs: list[Any]) -> float:
    """Of one task, from pairs of the true and the given numbers."""
    if metric == "accuracy":
        return sum(true == given for true, given in pairs) / len(pairs)
    errors = [sum((a - b) ** 2 for a, b in zip(*pair)) / len(pair[0]) for pair in pairs]  # noqa: B905 - Kaggle's Python
    mse = sum(errors) / len(errors)
    return math.sqrt(mse) if metric == "rmse" else mse


def block_mean(tasks: list[Any]) -> float:
    """Mean over units of the mean of each unit's scaled scores."""
    units: dict[str, list[float]] = {}
    for _, unit, scaled, _ in tasks:
        units.setdefault(unit, []).append(scaled)
    return sum(sum(values) / len(values) for values in units.values()) / len(units)


def checked(
    solution: dict[str, list[Any]], submission: dict[str, list[Any]], row_id_column_name: str
) -> dict[str, Any]:
    """The answers by id. ParticipantVisibleError unless there is one for each row of the solution, and nothing else."""
    wanted = (row_id_column_name, ANSWER)
    if set(submission) != set(wanted):
        found = ", ".join(map(str, submission))
        raise ParticipantVisibleError(f"The columns are {found}; expected {wanted[0]} and {wanted[1]}.")
    known = {str(name) for name in solution[row_id_column_name]}
    given = [str(name) for name in submission[row_id_column_name]]
    answers = dict(zip(given, submission[ANSWER]))  # noqa: B905 - Kaggle's Python
    if not known & set(answers):
        raise ParticipantVisibleError(
            "None of the ids is known: this submission is for other tasks than these. "
            "Answer the ids of the sample submission that came with them."
        )
    if len(answers) < len(given):
        left = set(answers)
        twice = []
        for name in given:
            if name in left:
                left.remove(name)
            else:
                twice.append(name)
        refuse("are there twice", twice)
    refuse("are unknown", [name for name in answers if name not in known])
    refuse("are missing", sorted(known - set(answers)))
    return answers


def refuse(what: str, names: list[str]) -> None:
    """ParticipantVisibleError where there are such ids."""
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise ParticipantVisibleError(f"Ids that {what}: {', '.join(names[:NAMED])}{more}.")


def numbers(answer: object, name: str, count: int) -> list[float]:
    """Those of an answer; ParticipantVisibleError for what is none, not finite, or of another count than ``count``."""
    try:
        found = [float(word) for word in str(answer).split()]
    except ValueError:
        raise ParticipantVisibleError(f"The answer of {name} is {str(answer)[:40]!r}; expected numbers.") from None
    if not found or not all(math.isfinite(value) and abs(value) <= LARGEST for value in found):
        raise ParticipantVisibleError(f"The answer of {name} is {str(answer)[:40]!r}; expected finite numbers.")
    if count and len(found) != count:
        raise ParticipantVisibleError(f"The answer of {name} has {len(found)} numbers; expected {count}.")
    return found
