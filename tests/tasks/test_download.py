"""Downloads against a server on this machine, which cuts off, lies, or knows no ranges on demand."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from quickstudy.errors import UserError
from quickstudy.tasks import download, places
from quickstudy.tasks.download import fetch

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(HTTPServer):
    cut: int = 0
    """How many answers to cut off halfway."""
    ranges: bool = True
    refusals: int = 0
    """How many times to answer 503."""
    content: bytes = CONTENT
    asked: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        content = self.server.content
        if self.path != "/file.zip":
            return self.send_error(404)
        if self.server.refusals:
            self.server.refusals -= 1
            return self.send_error(503)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if self.server.cut:
            self.server.cut -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def whole(target: Path) -> bool:
    return target.read_bytes() == CONTENT and os.listdir(target.parent) == [target.name]


def test_a_file_is_fetched_once_into_a_new_folder(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.zip"
    fetch(server.url, target, md5=MD5)
    fetch(server.url, target, md5=MD5)
    assert whole(target)
    assert server.asked == [None]


def test_a_cut_off_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut = 2
    fetch(server.url, tmp_path / "file.zip", sha256=SHA256)
    assert whole(tmp_path / "file.zip")
    assert server.asked == [None, "bytes=5120-", "bytes=7680-"]


def test_the_next_call_goes_on_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.cut = 1
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(UserError, match=r"cut off after 5120 of 10240 bytes.*try again.*by hand"):
        fetch(server.url, tmp_path / "file.zip", md5=MD5, advice="Or place it by hand.")
    assert os.listdir(tmp_path) == ["file.zip.part"]
    fetch(server.url, tmp_path / "file.zip", md5=MD5)
    assert whole(tmp_path / "file.zip")
    assert server.asked == [None, "bytes=5120-"]


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = 1, False
    fetch(server.url, tmp_path / "file.zip", md5=MD5)
    assert whole(tmp_path / "file.zip")
    assert server.asked == [None, "bytes=5120-"]


@pytest.mark.parametrize("held", [CONTENT, CONTENT + b"more"], ids=["whole", "too long"])
def test_a_part_with_nothing_left_to_send(server: Server, tmp_path: Path, held: bytes) -> None:
    (tmp_path / "file.zip.part").write_bytes(held)
    fetch(server.url, tmp_path / "file.zip", md5=MD5)
    assert whole(tmp_path / "file.zip")
    assert len(server.asked) == (1 if held == CONTENT else 2)


def test_a_corrupted_file_is_deleted(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(UserError, match=rf"sha256 {found}, expected {SHA256}"):
        fetch(server.url, tmp_path / "file.zip", sha256=SHA256)
    assert os.listdir(tmp_path) == []


def test_404_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"404.*Place it by hand"):
        fetch(server.url + "x", tmp_path / "file.zip", md5=MD5, advice="Place it by hand.")
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.refusals = 2
    fetch(server.url, tmp_path / "file.zip", md5=MD5)
    assert whole(tmp_path / "file.zip")


def test_no_network(server: Server, tmp_path: Path) -> None:
    closed = "http://127.0.0.1:1/file.zip"
    with pytest.raises(UserError, match=rf"after {download.ATTEMPTS} attempts.*Check the network.*by hand"):
        fetch(closed, tmp_path / "file.zip", md5=MD5, advice="Place it by hand.")


def test_no_space_is_said_before_anything_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(free=len(CONTENT) - 1))
    with pytest.raises(UserError, match=r"no disk space in the cache.*Set QUICKSTUDY_CACHE"):
        fetch(server.url, tmp_path / "file.zip", md5=MD5)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"no disk space in the cache.*Set QUICKSTUDY_CACHE"):
        fetch(server.url, tmp_path / "file.zip", md5=MD5)


def test_a_cache_that_cannot_be_a_folder(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write the cache.*Set QUICKSTUDY_CACHE"):
        fetch(server.url, tmp_path / "cache" / "file.zip", md5=MD5)


def test_data_folder_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path / "typo"))
    with pytest.raises(UserError, match=r"QUICKSTUDY_DATA is .*typo.*not a folder"):
        places.data_folder()
    monkeypatch.setenv("QUICKSTUDY_DATA", "")
    assert places.data_folder() is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="fire"):
        places.replace_file(target, fail)
    assert target.read_text() == "old"

    def succeed(path: Path) -> None:
        path.write_text("new")

    places.replace_file(target, succeed)
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_lock_lets_errors_through_and_does_not_need_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "lock", tmp_path / "file" / "lock"):
        with pytest.raises(OSError, match="inside"), places.lock(path):
            raise OSError("inside")
