"""What MkDocs does beside the plain thing, called by its name for each event.

Pages link to files of the repository that are not below docs/ (a row of results, an example). Those files go into the
site, below files/, and the links with them. Pages of the menu that are not written yet are left out of it.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?P<target>[^()\s#:]+)(?P<rest>[^()]*)\)")
INSTEAD = {"README.md": "docs/index.md"}
"""The front door of the repository is not that of the site."""
ROWS = ROOT / "results/challenge"
"""What the leaderboard of the site is made from."""
NAMELESS = 'data-md-component="search" role="dialog"'
WEB = ROOT / "src/quickstudy/server/web"
BORROWED = {
    "assets/mark.svg": WEB / "icon.svg",
    "assets/bricolage.woff2": WEB / "fonts/bricolage-latin.woff2",
    "assets/bricolage-ext.woff2": WEB / "fonts/bricolage-latin-ext.woff2",
    "assets/bricolage-licence.txt": WEB / "fonts/OFL.txt",
}
"""What the site shares with the playground: its mark and its letters."""


def written(entries: list[Any], pages: Collection[str]) -> list[Any]:
    """Entries of the menu whose ``pages`` are there."""
    kept: list[Any] = []
    for entry in entries:
        if isinstance(entry, str):
            kept += [entry] * (entry in pages)
            continue
        ((title, below),) = entry.items()
        below = written([below] if isinstance(below, str) else below, pages)
        if below:
            kept.append({title: below[0] if isinstance(entry[title], str) else below})
    return kept


@event_priority(-50)  # after the pages that are made
def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, path in BORROWED.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    waiting = [file.src_uri for file in files.documentation_pages() if file.abs_src_path]
    while waiting:
        page = waiting.pop()
        for found in LINK.finditer(source(page).read_text(encoding="utf-8")):
            path = repository_path(page, found["target"])
            if path and not (there := files.src_uris.get(site_path(path))) and not path.startswith("docs/"):
                there = File.generated(config, site_path(path), abs_src_path=str(ROOT / path))
                files.append(there)
                waiting += [there.src_uri] * there.is_documentation_page()
    config.nav = written(config.nav or [], files.src_uris)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    here = page.file.src_uri

    def moved(found: re.Match[str]) -> str:
        path = repository_path(here, found["target"])
        if path is None:
            return found[0]
        there = posixpath.relpath(site_path(path), posixpath.dirname(here) or ".")
        return f"]({there}{found['rest']})"

    return LINK.sub(moved, markdown)


def source(page: str) -> Path:
    """The file that a page of the site is made from."""
    return ROOT / (page.removeprefix("files/") if page.startswith("files/") else f"docs/{page}")


def repository_path(page: str, target: str) -> str | None:
    """Where in the repository a link of ``page`` points; None if to no file there."""
    path = (source(page).parent / target).resolve()
    if not path.is_relative_to(ROOT) or not path.is_file():
        return None
    found = path.relative_to(ROOT).as_posix()
    return INSTEAD.get(found, found)


def site_path(path: str) -> str:
    """Where a file of the repository is in the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}"


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """What the theme leaves without a name for those who hear the page."""
    return output.replace(NAMELESS, f'{NAMELESS} aria-label="Search"')


def on_post_build(*, config: MkDocsConfig) -> None:
    """The leaderboard, beside its page."""
    from quickstudy.app.cli import main

    with contextlib.redirect_stdout(io.StringIO()):
        if main(["leaderboard", "build", str(ROWS), "--out", str(Path(config.site_dir) / "leaderboard")]):
            raise PluginError("the leaderboard cannot be built; the line above says why.")
