"""What is sent to the server beside the page."""

import base64
import io
import json
import urllib.request
from typing import Any

from glyphs import Stroke
from PIL import Image, ImageDraw


def image(strokes: list[Stroke]) -> str:
    """Base64 of a picture of strokes."""
    paper, out = Image.new("L", (105, 105)), io.BytesIO()
    for stroke in strokes:
        ImageDraw.Draw(paper).line([(105 * x, 105 * y) for x, y in stroke], fill=255, width=3)
    paper.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def post(url: str, body: object) -> Any:
    """The JSON that a server answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
