"""Weights by name, by path, and from a hub that stands in for the real one."""

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from quickstudy import FewShotClassifier, FewShotRegressor, UserError, runs
from quickstudy.weights import bundled


class Hub(types.ModuleType):
    """``huggingface_hub`` with one entry, that remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__("huggingface_hub")
        self.folder, self.asked = folder, list[tuple[str, str | None, tuple[str, ...]]]()

    def snapshot_download(self, repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append((repo_id, revision, tuple(allow_patterns)))
        if repo_id != "someone/letters":
            raise OSError("404: no such entry\nand more")
        return str(self.folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = bundled("characters")
    assert made is not None
    folder = tmp_path / "cache"
    shutil.copytree(made, folder)
    found = Hub(folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", found)
    return found


@pytest.mark.filterwarnings("ignore:these examples are unlike")
def test_an_entry_of_the_hub_is_fetched_and_learns(hub: Hub) -> None:
    found = FewShotClassifier.from_pretrained("someone/letters@v2", device="cpu")
    assert hub.asked == [("someone/letters", "v2", (runs.CARD, runs.WEIGHTS, "confidence.safetensors"))]
    drawings = np.random.default_rng(0).random((4, 48, 48))
    same = FewShotClassifier.from_pretrained("characters", device="cpu").fit(drawings, list("abab"))
    np.testing.assert_allclose(
        found.fit(drawings, list("abab")).predict_proba(drawings), same.predict_proba(drawings), atol=1e-6
    )
    assert len(hub.asked) == 1


def test_what_is_here_is_not_looked_for_there(hub: Hub) -> None:
    path = bundled("characters")
    assert FewShotClassifier.from_pretrained(str(path)).weights == str(path)
    assert not hub.asked


def test_what_cannot_be_had_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"someone/else cannot be fetched .*404: no such entry\)"):
        FewShotClassifier.from_pretrained("someone/else")
    with pytest.raises(UserError, match="FewShotClassifier takes it"):
        FewShotRegressor.from_pretrained("someone/letters")
    with pytest.raises(UserError, match="nowhere is not a run folder"):
        FewShotClassifier.from_pretrained("nowhere")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install huggingface-hub"):
        FewShotClassifier.from_pretrained("someone/letters")
