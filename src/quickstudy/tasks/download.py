"""Fetching a file over HTTP."""
from pathlib import Path


def fetch(url: str, target: Path, *, md5: str = "", sha256: str = "", size: int | None = None, advice: str = "") -> None:
    raise NotImplementedError
