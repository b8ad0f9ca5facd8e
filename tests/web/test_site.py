"""The site that `make docs` builds: strictly, from here alone, with links that lead somewhere, for keyboards too."""

import functools
import html.parser
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from test_looks import AXE, barriers

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install 'quickstudy[docs]'")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install 'quickstudy[docs]'")
FETCHED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src",),
}
"""Where a browser fetches something by itself."""
LOOKED_AT = ("index", "guides/index", "guides/pictures", "from-torchmeta", "how-it-works", "faq", "reference/inner")
"""One page of each kind; pages of the course are looked at too."""
pytestmark = pytest.mark.slow


class Links(html.parser.HTMLParser):
    """The ids of a page, where its links lead, and what a browser fetches for it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        self.ids |= {told[name] for name in ("id", "name") if name in told}
        self.links += [told["href"]] if tag == "a" and "href" in told else []
        if told.get("rel") not in ("canonical", "next", "prev"):
            self.fetched += [told[name] for name in FETCHED.get(tag, ()) if told.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.fixture(scope="module")
def home(site: Path) -> Iterator[str]:
    """The address of the site on a plain server of files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *told: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    return {path: Links(path) for path in site.rglob("*.html")}


def broken(pages: dict[Path, Links], path: Path, link: str) -> bool:
    """Whether a link or a file of the page at ``path`` is not there."""
    told = urlsplit(link)
    if told.scheme or told.netloc:
        return False
    there = (path.parent / unquote(told.path)).resolve() if told.path else path
    there = there / "index.html" if there.is_dir() else there
    if not there.is_file():
        return True
    return bool(told.fragment) and there in pages and unquote(told.fragment) not in pages[there].ids | {"__skip"}


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[Path, Links]) -> None:
    assert len(pages) > 10
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of a server
            continue
        bad = [link for link in page.links + page.fetched if link and broken(pages, path, link)]
        assert not bad, (path.relative_to(site), bad)


def test_nothing_comes_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    for path, page in pages.items():
        assert not [one for one in page.fetched if re.match(r"(https?:)?//", one)], path.relative_to(site)
    for path in site.rglob("*.css"):
        elsewhere = re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^)\"']+)", path.read_text(encoding="utf-8"))
        assert not elsewhere, (path.relative_to(site), elsewhere)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    links = '<a href="page.html#top"></a><a href="page.html#end"></a><script src="no.js"></script>'
    page.write_text(f'<h1 id="top"></h1>{links}')
    pages = {page: Links(page)}
    assert [broken(pages, page, link) for link in pages[page].links + pages[page].fetched] == [False, True, True]


def looked_at(site: Path) -> list[str]:
    return [*LOOKED_AT, *sorted(f"course/{page.stem}" for page in site.glob("course/*.html"))]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(site: Path, home: str, browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    for path in site.rglob("*.html"):
        if "files" not in path.relative_to(site).parts:
            page.goto(f"{home}/{path.relative_to(site)}", wait_until="domcontentloaded")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.close()


@pytest.mark.parametrize(("colours", "rules"), [("light", None), ("dark", ["color-contrast"])])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_serious_barrier_in_the_site(site: Path, home: str, browser, colours, rules, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=colours, reduced_motion="reduce")
    only = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    fetched: set[str] = set()
    page.on("request", lambda request: fetched.add(request.url))
    for name in looked_at(site):
        page.goto(f"{home}/{name}.html", wait_until="load")
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == colours
        page.evaluate(AXE)
        assert not barriers(page, only), name
    page.close()
    assert not [url for url in fetched if not url.startswith((home, "data:", "blob:"))]


def test_the_site_is_used_with_the_keyboard_alone(home: str, browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page.goto(f"{home}/how-it-works.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.md-skip')")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "__palette":
            break
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    page.locator("body").press("s")
    page.keyboard.type("prototypical")
    page.locator(".md-search-result__link").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("[?]h="))
    assert page.evaluate("document.body.dataset.mdColorScheme") == "slate"
    page.close()


def test_the_site_is_searched_from_the_disk(site: Path, browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((site / "index.html").as_uri())
    page.locator(".md-search__input").fill("prototypical")
    page.locator(".md-search-result__link").first.wait_for()
    page.close()
