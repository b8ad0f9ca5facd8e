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
