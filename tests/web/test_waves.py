"""The wave toy: its curves against other ways to find them, and the page that shows them."""

import numpy as np
import pytest
import torch

from quickstudy.server import watch
from quickstudy.tasks import load as load_tasks


def told(points, **options):
    return watch.sine(watch.Asked(points=points, **options))


def test_the_exact_answer_is_that_of_a_gaussian_process_with_the_moments_of_the_waves():
    chance = np.random.default_rng(0)
    amplitude, phase = chance.uniform(0.1, 5, 400_000), chance.uniform(0, np.pi, 400_000)
    points, x = np.array([[-3.0, 1.0], [0.5, -2.0], [2.0, 0.3]]), np.linspace(-5, 5, 7)
    every = np.concatenate([points[:, 0], x])
    waves = amplitude[:, None] * np.sin(every - phase[:, None])
    mean, cov = waves.mean(0), np.cov(waves.T)
    given, asked = slice(0, 3), slice(3, None)
    gain = np.linalg.solve(cov[given, given] + watch.NOISE**2 * np.eye(3), cov[given, asked]).T
    expected = mean[asked] + gain @ (points[:, 1] - mean[given])
    spread = np.sqrt(np.diag(cov[asked, asked] - gain @ cov[given, asked]))
    found, std = watch.exact(points.tolist(), torch.from_numpy(x))
    assert np.allclose(found, expected, atol=0.05)
    assert np.allclose(std, spread, atol=0.02)


def test_the_curves_after_so_many_steps_are_those_of_the_learner_itself():
    points = [(-2.0, 1.0), (1.0, -1.5), (3.0, 2.0)]
    run = watch.trained()
    curves = told(points, steps=5, rate=run.config.inner_rate)
    support, x = watch.as_support(points), torch.tensor(curves["x"]).unsqueeze(-1)
    for steps in (0, 2, 5):
        with torch.no_grad():
            expected = run.predict(run.adapt(support, steps), x, torch.ones(len(x), dtype=torch.bool))[0]
        assert torch.allclose(torch.tensor(curves["meta"][steps]), expected.squeeze(-1), atol=1e-4)


def test_a_few_steps_of_the_bundled_net_come_near_new_waves_and_from_scratch_they_do_not():
    tasks = load_tasks("sinusoid").sample("test", torch.arange(30), way=0, shot=8, query=1, seed=7)
    errors = {"meta": [], "scratch": []}
    for number in range(30):
        x, y = tasks.support.x[number, :, 0], tasks.support.y[number, :, 0]
        curves = told(list(zip(x.tolist(), y.tolist(), strict=True)), steps=10)
        truth = watch.exact(list(zip(x.tolist(), y.tolist(), strict=True)), torch.tensor(curves["x"]).double())[0]
        errors["meta"].append(np.mean((np.array(curves["meta"][-1]) - truth.numpy()) ** 2))
        errors["scratch"].append(np.mean((np.array(curves["scratch"][-1]) - truth.numpy()) ** 2))
    assert np.mean(errors["meta"]) < 0.3 < 1 < np.mean(errors["scratch"])


def test_no_points_and_steps_that_are_far_too_long_are_answered_with_numbers():
    prior = told([])
    assert prior["meta"][0] == prior["meta"][-1]
    assert prior["errors"]["meta"][0] is None
    wild = told([(5.0, 6.0)] * 5, rate=1.0, steps=20)
    assert np.isfinite(wild["meta"]).all()
    assert np.isfinite(wild["errors"]["scratch"]).all()


@pytest.mark.parametrize(
    "body", [{"points": [[0, 1e9]]}, {"points": [[0, 1]], "steps": 99}, {"points": [[0, 1]], "rate": 0}, {}]
)
def test_what_is_out_of_range_is_refused_in_words(visit, address, body):
    answer = visit("watch").request.post(f"{address}/v1/watch/sine", data=body)
    assert answer.status == 400
    assert answer.json()["error"]


def test_the_page_steps_and_takes_points_and_the_meta_trained_net_is_ahead(visit, drawings):
    page = visit("watch", {"draw": drawings}, reduced_motion="reduce")
    page.wait_for_function("() => document.querySelector('.key.meta .error')?.textContent")
    page.get_by_label("Gradient steps").fill("10")
    errors = {kind: float(page.locator(f".key.{kind} .error").inner_text()) for kind in ("meta", "scratch", "exact")}
    assert errors["exact"] <= errors["meta"] < errors["scratch"]
    after = page.locator(".plot path.meta").get_attribute("d")
    page.get_by_label("Gradient steps").fill("0")
    assert page.locator(".plot path.meta").get_attribute("d") != after
    points = page.locator(".plot .given")
    before = points.count()
    page.locator(".plot").click(position={"x": 300, "y": 40})
    assert points.count() == before + 1
    page.locator(".plot").click(position={"x": 300, "y": 40})
    assert points.count() == before
    assert page.locator(".map .thumb img[src]").count() == 6
    assert page.locator(".map .tag").all_inner_texts() == ["kiss", "ring"]
