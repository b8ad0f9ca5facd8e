"""Photographs from files, from folders and from a camera; and what is said where no learner takes any."""

from glyphs import answer


def test_without_a_learner_of_photographs_the_page_says_how_to_get_one(visit, address):
    page = visit()
    drawn = page.request.get(f"{address}/v1/learners").json()[:1]
    page.route("**/v1/learners", lambda route: route.fulfill(json=drawn))
    page.evaluate("location.hash = '#photos'")
    page.get_by_text("pip install 'quickstudy[photos]'").wait_for()
    page.get_by_text("quickstudy play --weights mine=").wait_for()


def test_a_folder_of_folders_teaches_and_a_file_is_recognised(visit, photos):
    page = visit("photos")
    page.locator("#panel-photos input[webkitdirectory]").set_input_files(photos)
    page.locator("#panel-photos [data-class=blue] [data-id]").nth(2).wait_for()
    for kind in ("red", "blue"):
        page.locator("#panel-photos .ask input[type=file]").set_input_files(photos / kind / "0.png")
        page.locator("#panel-photos .bar.first").get_by_text(kind, exact=True).wait_for()
        assert answer(page, "photos") == kind


def test_a_held_button_collects_from_the_camera_and_a_file_that_is_no_picture_is_refused(visit, tmp_path):
    page = visit("photos", permissions=["camera"])
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    hold = page.locator("#panel-photos .shot").first
    hold.hover()
    page.mouse.down()
    page.locator("[data-class=this] [data-id]").nth(2).wait_for()
    page.mouse.up()
    page.locator("#panel-photos .bar.first").wait_for()
    assert answer(page, "photos") == "this"
    (tmp_path / "odd.png").write_text("no picture")
    page.locator("#panel-photos .ask input[type=file]").set_input_files(tmp_path / "odd.png")
    page.get_by_text("odd.png is no picture").wait_for()
