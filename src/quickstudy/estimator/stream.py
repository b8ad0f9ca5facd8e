"""Any number of files, one answer after the other: the next ones are read while the net looks at these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quickstudy.estimator.classifier import FewShotClassifier
from quickstudy.estimator.inputs import Array

AT_ONCE = 128
"""Files that are read, and go through the net, together: memory does not grow with their number."""


def judged(made: FewShotClassifier, paths: Sequence[Path]) -> Iterator[tuple[Path, Array | str]]:
    """Of each file, in order, its probabilities [classes], or why it cannot be read: a damaged one stops nothing."""
    reads = made.files()
    parts = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(reads.readable, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            read = coming.pop().result()
            coming = [ahead.submit(reads.readable, following) for following in parts[number + 1 : number + 2]]
            yield from zip(part, made.judge_read(read), strict=True)
