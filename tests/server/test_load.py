"""Many users at once, for a few seconds: no error, the right answers, memory that does not grow with them."""

import pytest

from quickstudy.bench.serving import Load, Serve, measure


@pytest.mark.slow
def test_forty_users_are_served() -> None:
    load = Load(users=40, models=100, rate=60, seconds=2, times=10)
    row = measure(load, Serve(threads=1, decoders=1), lambda line: None)
    assert row["errors"] == 0, row["first_error"]
    assert row["answered_per_s"] > 40
    assert row["right"] > 0.9
    assert row["predict_ms"]["p95"] < 2000
    assert row["add_then_predict_ms"]["p95"] < 1000
    if row["memory_mb"]["before"]:
        assert row["memory_mb"]["end"] - row["memory_mb"]["before"] < 200
