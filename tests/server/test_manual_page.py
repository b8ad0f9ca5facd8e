"""/docs: every route, with an example that the server takes; nothing of it comes from elsewhere."""

import html
import re
import shlex

from drawn import example, file
from fastapi.testclient import TestClient


def commands(page: str) -> list[list[str]]:
    """The curl commands of the page, in words."""
    blocks = [html.unescape(block) for block in re.findall(r"<code>(curl .*?)</code>", page, re.S)]
    return [shlex.split(block.replace("\\\n", " ")) for block in blocks]


def test_it_has_every_route_and_needs_no_script_and_no_internet(client: TestClient) -> None:
    answer = client.get("/docs")
    page = answer.text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, told in methods.items():
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in page
            assert all(f"<dt><code>{given['name']}</code></dt>" in page for given in told.get("parameters", []))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "script" not in policy + page
    links = re.findall(r'(?:href|src)="(.*?)"', page)
    assert "/static/css/manual.css" in links
    for link in links:
        assert re.fullmatch("/|/[a-z].*", link)
        assert client.get(link).status_code == 200, link
    assert client.get("/redoc").status_code == 404


def test_its_examples_are_taken(pets: TestClient) -> None:
    page = pets.get("/docs").text
    asked = [words for words in commands(page) if re.search("/v1/(models/|watch)", " ".join(words))]
    assert len(asked) > 12
    # the pictures come before any example is taken away, and the model itself goes last
    for words in sorted(asked, key=lambda words: ("-X" in words, words[-1].endswith("/models/pets"))):
        assert pets.post("/v1/models/pets/examples", json={"examples": [example("cat", 1)]}).status_code == 201
        url = next(word for word in words if word.startswith("http"))
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if len(words) > 2 else "GET"
        if "--json" in words:
            body = words[words.index("--json") + 1]
            answer = pets.request(method, url, content=body, headers={"content-type": "application/json"})
        elif "-F" in words:
            fields = dict(words[at + 1].split("=") for at, word in enumerate(words) if word == "-F")
            fields.pop("files")
            answer = pets.post(url, files=[("files", file(1))], data=fields)
        elif "--data-binary" in words:  # a file of the reader's own
            continue
        else:
            answer = pets.request(method, url)
        assert answer.status_code < 300, (words, answer.text)
