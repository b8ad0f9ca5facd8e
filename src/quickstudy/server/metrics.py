"""Counts for Prometheus, in its text format."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
QUESTIONS = (1, 2, 4, 8, 16, 32, 64)


class Histogram:
    """How many values are at most each bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str = "") -> list[str]:
        """In the text format; ``labels`` end with a comma."""
        found, total = [], 0
        for bound, count in zip([*self.bounds, "+Inf"], self.counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{labels}le="{bound}"}} {total}')
        around = f"{{{labels.rstrip(',')}}}" if labels else ""
        return [*found, f"{name}_sum{around} {self.sum:.6f}", f"{name}_count{around} {total}"]


class Metrics:
    """What has been asked, and how long it took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._batches = Histogram(QUESTIONS)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds.setdefault(route, Histogram(SECONDS)).add(seconds)

    def batch(self, questions: int) -> None:
        """So many questions were answered together."""
        with self._lock:
            self._batches.add(questions)

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Everything, and ``gauges``: a sentence and a value by name."""
        with self._lock:
            lines = _head("quickstudy_requests_total", "counter", "Requests that were answered.")
            for (method, route, status), count in sorted(self._requests.items()):
                about = f'method="{method}",route="{route}",status="{status}"'
                lines.append(f"quickstudy_requests_total{{{about}}} {count}")
            lines += _head("quickstudy_request_seconds", "histogram", "How long answers took.")
            for route, histogram in sorted(self._seconds.items()):
                lines += histogram.lines("quickstudy_request_seconds", f'route="{route}",')
            lines += _head("quickstudy_batch_questions", "histogram", "Questions answered in one pass.")
            lines += self._batches.lines("quickstudy_batch_questions")
        for name, (says, value) in gauges.items():
            lines += [*_head(name, "gauge", says), f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, says: str) -> list[str]:
    return [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
