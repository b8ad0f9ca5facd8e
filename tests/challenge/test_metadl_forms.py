"""The forms of MetaDL's starting kit are told apart, and each gets what its kit gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quickstudy.challenge.inside import metadl_forms
from quickstudy.challenge.inside.__main__ import advice
from quickstudy.challenge.inside.metadl import config_of
from quickstudy.errors import UserError


@pytest.mark.parametrize(
    ("meta_learner", "form"),
    [
        (lambda train_classes: None, "earlier"),
        (lambda train_classes, width=8, depth=2: None, "earlier"),
        (lambda train_classes, total_classes, logger: None, "later"),
        (lambda classes, total, log: None, "later"),
        (lambda train_classes, total_classes=None, logger=None: None, "later"),
        (lambda *given: None, "later"),
        (lambda N_ways, total_train_classes: None, "draft"),
        (lambda N_ways, total_train_classes, iterations=500, size=28: None, "draft"),
    ],
)
def test_the_form_of_an_entry_is_seen_in_what_its_meta_learner_asks_for(meta_learner: object, form: str) -> None:
    assert metadl_forms.form_of(meta_learner) == form


def test_a_draft_gets_bytes_with_the_colours_last_and_the_others_the_tensor_itself() -> None:
    x = torch.zeros(2, 3, 4, 5)
    x[1, 2, 3, 4], x[0, 1, 0, 0] = 1.0, 0.5
    found = metadl_forms.pictures("draft", x)
    assert (found.shape, found.dtype) == ((2, 4, 5, 3), np.uint8)
    assert (found[1, 3, 4, 2], found[0, 0, 0, 1], int(found.sum())) == (255, 128, 383)
    assert metadl_forms.pictures("earlier", x) is x is metadl_forms.pictures("later", x)


def test_settings_of_a_draft_are_read_with_their_remarks(tmp_path: Path) -> None:
    text = "data_format: episode # or batch\nnum_ways: 3 # of which\n   # more: 4\nmax_s: 5\nquery_size: 10"
    (tmp_path / "config.yaml").write_text(text)
    found = config_of(tmp_path, "draft")
    train, valid = found["train"], found["valid"]
    assert (found["form"], train["N"], train["min_k"], train["max_k"]) == ("task", 3, 1, 5)
    assert (train["query_images_per_class"], valid["N"], valid["min_N"], valid["max_k"]) == (3, None, 2, 5)
    (tmp_path / "config.yaml").write_text("num_ways: many\n")
    with pytest.raises(UserError, match=r"config.yaml is not right \(invalid literal"):
        config_of(tmp_path, "draft")


@pytest.mark.parametrize(
    ("error", "advised"),
    [
        (ModuleNotFoundError("No module named 'torchvision'"), "Install it where the challenge is run."),
        (RuntimeError("operator torchvision::nms does not exist"), "torchvision does not fit torch "),
        (AssertionError("Torch not compiled with CUDA enabled"), "Entries see no GPU"),
        (RuntimeError("Found no NVIDIA driver on your system."), "Entries see no GPU"),
        (RuntimeError("mine"), ""),
    ],
)
def test_what_an_entry_lacks_here_comes_with_what_to_do(error: Exception, advised: str) -> None:
    assert advice(error).strip().startswith(advised)
    assert bool(advice(error)) == bool(advised)
