"""Small pictures in folders and archives, for tests."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

KIND = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".gif": "GIF", ".bmp": "BMP", ".webp": "WEBP", ".tif": "TIFF"}


def picture(name: str, colour: tuple[int, int, int] = (0, 0, 0), side: tuple[int, int] = (12, 10)) -> bytes:
    """A picture of one colour, of the kind that the ending of ``name`` says."""
    file = io.BytesIO()
    Image.new("RGB", side, colour).save(file, KIND["." + name.rpartition(".")[2].lower()])
    return file.getvalue()


def coloured(classes: int, each: int = 3, prefix: str = "", first: int = 0) -> dict[str, bytes]:
    """``each`` pictures of each of the classes kind00, kind01, ...: class number in red, picture number in green."""
    return {
        f"{prefix}kind{number:02}/{at}.png": picture(".png", (number, 10 * at, 50))
        for number in range(first, first + classes)
        for at in range(each)
    }


def write(root: Path, content: Mapping[str, bytes]) -> Path:
    """A folder of files, or a zip archive where ``root`` is called so."""
    if root.suffix == ".zip":
        root.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in reversed(content.items()):  # the order in the archive must not matter
                archive.writestr(name, data)
        return root
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root
