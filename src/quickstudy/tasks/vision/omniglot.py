"""Characters of fifty alphabets: few-shot image classification.

Lake, Salakhutdinov, Tenenbaum (2015), "Human-level concept learning through probabilistic program induction", Science;
class lists of Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra (2016), "Matching Networks for One Shot Learning".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import Literal

import torch
from torch import Tensor

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.base import Spec, Split
from quickstudy.tasks.pool import Pool, PoolFamily
from quickstudy.tasks.vision.omniglot_files import SIDE, Drawings, drawings

VALIDATION_ALPHABETS = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")
"""Of the background set, for ``classes=alphabets``: the five that Vinyals' lists validate on too, with 22 to 46
characters each and 34 on average, as in the evaluation set."""
PUBLISHED_SYMMETRIES = {"vinyals": 4, "alphabets": 1}
SMALLEST = 8

Characters = dict[Split, list[str]]


class Omniglot(PoolFamily):
    """1,623 handwritten characters, 20 drawings of each, as images x [n, 1, size, size] in [0, 1] with ink 1.

    ``classes`` chooses the split:

    * ``vinyals``: the class lists behind the published 5- and 20-way numbers: 1,028 characters train, 172 val, 423
      test, each in four rotations that are classes of their own (4,112 / 688 / 1,692 classes). Characters of one
      alphabet may be in train and in test.
    * ``alphabets``: Lake's background alphabets train (25) and val (5), evaluation alphabets test (20). In val and test
      all classes of an episode come from one alphabet, which is harder and nearer to the original question.

    ``train="trainval"`` trains on the val classes too; there is then no val split. ``symmetries`` is how many of the
    square's symmetries (1, 4 rotations, 8 with mirror images) each training character gets as classes of its own; 0 is
    4 for ``vinyals`` and 1 for ``alphabets``. ``narrow`` is the share of training episodes whose classes come from one
    to three alphabets (a rotated or mirrored alphabet counts as another), or from more where they have too few; -1 is
    0 for ``vinyals``, and every episode from one alphabet for ``alphabets``. val and test depend on neither.

    The data are found in the folder QUICKSTUDY_DATA, then in the cache, then downloaded (16 MB). Raises UserError for
    an option out of its range, and for data that are not to be had, damaged or foreign.
    """

    def __init__(
        self,
        *,
        classes: Literal["vinyals", "alphabets"] = "vinyals",
        size: int = 28,
        symmetries: int = 0,
        train: Literal["train", "trainval"] = "train",
        narrow: float = -1,
    ) -> None:
        _check(classes, size, symmetries, train, narrow)
        published = PUBLISHED_SYMMETRIES[classes]
        copies = symmetries or published
        options = {
            "classes": (classes, "vinyals"),
            "size": (size, 28),
            "symmetries": (copies, published),
            "train": (train, "train"),
            "narrow": (_shortest(classes, narrow), -1),
        }
        data = drawings(size)
        characters = split_characters(classes, data, trainval=train == "trainval")
        chosen = "".join(f":{key}={value}" for key, (value, default) in options.items() if value != default)
        spec = Spec(
            name="omniglot" + chosen,
            kind="classification",
            shape=(1, size, size),
            classes=len(characters["train"]) * copies,
            metric="accuracy",
            form="drawings",
            fingerprint=_fingerprint(data, characters),
        )
        episodes = _training_episodes(classes, narrow)
        tests = (1.0, (1, 1)) if classes == "alphabets" else (0.0, (1, 1))
        pools: dict[Split, Callable[[], Pool]] = {}
        for split, names in characters.items():
            count, (share, groups) = (copies, episodes) if split == "train" else (published, tests)
            pools[split] = partial(make_pool, data, names, symmetries=count, narrow=share, groups=groups)
        super().__init__(spec, pools)


def _check(classes: str, size: int, symmetries: int, train: str, narrow: float) -> None:
    if classes not in PUBLISHED_SYMMETRIES:
        raise unknown("value of omniglot's classes:", classes, PUBLISHED_SYMMETRIES)
    if train not in ("train", "trainval"):
        raise unknown("value of omniglot's train:", train, ("train", "trainval"))
    if not SMALLEST <= size <= SIDE:
        raise UserError(f"omniglot's size is {size}; the drawings can be had at {SMALLEST} to {SIDE} pixels a side.")
    if symmetries not in (0, 1, 4, 8):
        raise UserError(f"omniglot's symmetries is {symmetries}; it must be 1, 4 (rotations) or 8 (mirrored too).")
    if classes == "vinyals" and symmetries == 1:
        raise UserError(
            "omniglot's symmetries is 1, but with classes=vinyals the rotations are classes as published. Leave it at "
            "4, or choose classes=alphabets."
        )
    if not (narrow == -1 or 0 <= narrow <= 1):
        raise UserError(f"omniglot's narrow is {narrow}; it is a share of episodes, from 0 to 1 (-1: as published).")


def _training_episodes(classes: str, narrow: float) -> tuple[float, tuple[int, int]]:
    """The share of training episodes from few alphabets, and from how few."""
    if narrow == -1:
        return (0.0, (1, 3)) if classes == "vinyals" else (1.0, (1, 1))
    return float(narrow), (1, 3)


def _shortest(classes: str, narrow: float) -> float:
    """``narrow`` as it stands in the name: equal families have equal names."""
    if classes == "vinyals" and narrow == 0:
        return -1
    return int(narrow) if narrow == int(narrow) else narrow


def _alphabet(character: str) -> str:
    return character.partition("/")[0]


def vinyals_lists() -> Characters:
    """The published class lists without the rotations: split -> ``Greek/character05``, in order."""
    lists: Characters = {"train": [], "val": [], "test": []}
    text = resources.files("quickstudy.tasks").joinpath("data/omniglot_vinyals.txt").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        split, alphabet, span = line.split()
        first, last = map(int, span.split("-"))
        for known, characters in lists.items():
            if known == split:
                characters += [f"{alphabet}/character{number:02}" for number in range(first, last + 1)]
    return lists


def split_characters(classes: str, data: Drawings, *, trainval: bool = False) -> Characters:
    """Which characters train, val and test have; with ``trainval`` those of val are at the end of train.

    Raises UserError if the data lack a character of Omniglot.
    """
    lists = vinyals_lists()
    absent = sorted(set().union(*lists.values()).difference(*data.names))
    if absent:
        raise UserError(
            f"these are not Omniglot's alphabets: {len(absent)} characters are absent ({', '.join(absent[:3])} ...). "
            "Replace images_background and images_evaluation with the originals."
        )
    if classes == "alphabets":
        background, evaluation = data.names
        held_out = [name for name in background if _alphabet(name) in VALIDATION_ALPHABETS]
        lists = {"train": sorted({*background} - {*held_out}), "val": held_out, "test": [*evaluation]}
    if trainval:
        return {"train": lists["train"] + lists["val"], "test": lists["test"]}
    return lists


def _fingerprint(data: Drawings, characters: Characters) -> str:
    listed = "".join(f"{split} {name}\n" for split, names in characters.items() for name in names)
    return hashlib.sha256((data.fingerprint + "\n" + listed).encode()).hexdigest()[:16]


def make_pool(data: Drawings, chosen: list[str], *, symmetries: int, narrow: float, groups: tuple[int, int]) -> Pool:
    """The pool of the ``chosen`` characters; an alphabet's symmetric copies are further alphabets."""
    row = {name: at for at, name in enumerate(name for names in data.names for name in names)}
    base = data.images[torch.tensor([row[name] for name in chosen])]
    alphabets = {name: at for at, name in enumerate(sorted({_alphabet(name) for name in chosen}))}
    group = torch.tensor([alphabets[_alphabet(name)] for name in chosen])
    suffixes = [f"{mirror}rot{90 * quarter:03}" for mirror in ("", "mirror-") for quarter in range(4)][:symmetries]
    classes, each = len(chosen) * symmetries, base.shape[1]
    return Pool(
        x=symmetric_copies(base, symmetries).flatten(0, 2).unsqueeze(1),
        start=torch.arange(classes) * each,
        count=torch.full((classes,), each),
        # told apart are characters that stand the same way up: an alphabet and its mirror image are easy together
        group=(group + len(alphabets) * torch.arange(symmetries).unsqueeze(1)).flatten(),
        names=tuple(f"omniglot/{name}/{suffix}" for suffix in suffixes for name in chosen),
        narrow=narrow,
        groups=groups,
    )


def symmetric_copies(images: Tensor, symmetries: int) -> Tensor:
    """[C, n, s, s] -> [symmetries, C, n, s, s]: rotated counter-clockwise by 0, 90, 180, 270 degrees, then mirrored.

    The mirror image (left and right exchanged) is taken first and then rotated.
    """
    copies = images.new_empty((symmetries, *images.shape))
    for at in range(symmetries):
        copies[at] = torch.rot90(images if at < 4 else images.flip(-1), at % 4, (-2, -1))
    return copies
