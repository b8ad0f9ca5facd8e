"""Runs of this machine: curves that grow, and nothing of what lies elsewhere."""

import json
import shutil


def test_a_training_is_seen_while_it_goes_on(visit, runs):
    going = runs / "going"
    shutil.copytree(runs / "photos", going)
    (going / "weights.safetensors").unlink()
    (going / "training.lock").touch()
    lines = [{"step": step, "loss": 1 / step} for step in (10, 20)]
    (going / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    page = visit("runs")
    card = page.locator(".run", has_text="going")
    card.locator(".state.training").wait_for()
    card.get_by_text("step 20 ").wait_for()
    with (going / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 30, "loss": float("nan")}) + "\n" + '{"step": 40, "lo')
    card.get_by_text("step 30 ").wait_for()
    assert page.locator(".run", has=page.get_by_role("heading", name="photos")).locator(".state.finished").count() == 1


def test_evaluations_and_pages_are_shown_and_pages_may_run_nothing(visit, runs, address):
    row = {"metric": "accuracy", "mean": 0.91, "ci95": 0.02, "run": "runs/photos", "shot": 5, "way": 5, "episodes": 9}
    (runs / "row.json").write_text(json.dumps(row))
    (runs / "comparison.html").write_text("<title>found</title><script>document.title = 'ran'</script>")
    page = visit("runs")
    page.get_by_text("91.00 ± 2.00 %").wait_for()
    link = page.get_by_role("link", name="comparison.html")
    answer = page.request.get(address + link.get_attribute("href"))
    assert "found" in answer.text()
    assert "sandbox" in answer.headers["content-security-policy"]


def test_what_is_not_below_the_folder_is_not_there(visit, runs, address):
    page = visit("runs")
    (runs / "link.html").symlink_to(runs.parent / "secret.html")
    (runs / "elsewhere").symlink_to(runs.parent)
    names = ("../secret.html", "link.html", "elsewhere/secret.html", str(runs.parent / "secret.html"), "a\0b", "")
    for name in names:
        for path in ("page", "metrics"):
            answer = page.request.get(f"{address}/v1/runs/{path}", params={"name": name})
            assert answer.status in (400, 404), (path, name)
            assert "secret" not in answer.json()["error"] or name in answer.json()["error"]
    assert "link.html" not in page.request.get(f"{address}/v1/runs").text()


def test_a_run_without_metrics_says_so_and_hides_no_other(visit, runs, address):
    packed = runs / "packed"
    shutil.copytree(runs / "photos", packed)
    (packed / "metrics.jsonl").unlink()
    try:
        page = visit("runs")
        card = page.locator(".run", has=page.get_by_role("heading", name="packed"))
        card.get_by_text("No curve: this folder has no metrics, as a packed run has none.").wait_for()
        assert not card.locator(".sheet").is_visible()
        other = page.locator(".run", has=page.get_by_role("heading", name="photos"))
        other.get_by_text("step 2 ").wait_for()
        assert not page.locator("#notes .note").count()
        answer = page.request.get(f"{address}/v1/runs/metrics", params={"name": "packed", "after": "3"})
        assert answer.json() == {"lines": [], "next": 3}
        (packed / "metrics.jsonl").write_text('{"step": 7, "loss": 2.0}\n')
        card.get_by_text("step 7 ").wait_for()
        assert card.locator(".sheet").is_visible()
    finally:
        shutil.rmtree(packed)


def test_a_run_that_cannot_be_read_hides_no_other(visit, runs):
    def broken(route):
        route.fulfill(status=200, body="no JSON")

    page = visit("runs", before=lambda page: page.route("**/v1/runs/metrics?name=photos&*", broken))
    (runs / "nothing.json").write_text('{"metric": "accuracy", "mean": NaN, "ci95": 0.1}')
    shutil.copytree(runs / "photos", runs / "second")
    try:
        page.locator(".run", has=page.get_by_role("heading", name="second")).get_by_text("step 2 ").wait_for()
        assert "loss" not in page.locator(".run", has=page.get_by_role("heading", name="photos")).inner_text()
    finally:
        shutil.rmtree(runs / "second")
        (runs / "nothing.json").unlink()
