"""The site that `make docs` builds: it builds strictly, its links lead somewhere, and nothing comes from elsewhere."""

import html.parser
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
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
