"""Few-shot classification of one's own pictures: any folder, or zip archive, of class folders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.base import SPLITS, Spec, Split
from quickstudy.tasks.places import find
from quickstudy.tasks.pool import PoolFamily
from quickstudy.tasks.stored import Pictures, fingerprint, pools
from quickstudy.tasks.vision.folders import SPLIT_FOLDERS, Listing, listing
from quickstudy.tasks.vision.pictures import pictures

SMALLEST, LARGEST = 8, 1024
FRACTION = 0.2

Classes = dict[Split, list[str]]


class Images(PoolFamily):
    """Pictures x [n, 3, size, size] in [0, 1], or [n, 1, size, size] with ``grey``, of the classes below ``path``.

    ``path`` is a folder or a zip archive with one folder for each class; JPEG, PNG, WebP, GIF, BMP, TIFF and PPM of
    any size are resized as a whole to a square, once, and kept in the cache until a file changes. What is no picture
    is skipped, and counted in a notice. A relative ``path`` is looked up here and then in QUICKSTUDY_DATA. In a name,
    ``:``, ``+`` and ``,`` within a path are written %3A, %2B and %2C.

    Which classes train, val and test have is said by, in this order:

    * ``lists``: a text file with a line ``train sparrow`` for each class (split, then the folder's name);
    * folders or archives train, val and test above the class folders, unless ``split="fraction"``;
    * chance, fixed by the classes' names: the shares ``val`` and ``test`` of the classes, the rest being train. With
      ``test=1:val=0`` every class is a test class, to evaluate on pictures of which nothing is trained.

    Raises UserError for an option out of its range, for a folder that is not there or has no classes, and for splits
    with fewer than two classes or with a class in two of them.
    """

    def __init__(
        self,
        *,
        path: str = "",
        size: int = 84,
        grey: bool = False,
        split: Literal["auto", "fraction"] = "auto",
        lists: str = "",
        val: float = FRACTION,
        test: float = FRACTION,
    ) -> None:
        _check(path, size, split, lists, val, test)
        root = find(path)
        found = listing(root)
        fixed: Classes | None = None
        if lists:
            fixed = listed(find(lists), found)
        elif found.splits and split == "auto":
            fixed = by_folder(found, fractions=(val, test) != (FRACTION, FRACTION))
        divide = partial(divided, root, lambda known: by_fraction(known, val, test) if fixed is None else fixed)
        divide(set(found.labels))  # what is wrong with the classes is said before all of them are decoded
        options = {
            "path": (quote(str(root), "/\\ "), ""),
            "size": (size, 84),
            "grey": (str(grey).lower(), "false"),
            "split": (split, "auto"),
            "lists": (quote(str(find(lists)), "/\\ ") if lists else "", ""),
            "val": (f"{val:g}", f"{FRACTION:g}"),
            "test": (f"{test:g}", f"{FRACTION:g}"),
        }
        name = "images" + "".join(f":{key}={value}" for key, (value, default) in options.items() if value != default)
        made = pictures(found, size, grey)
        splits = divide(made.counts)
        super().__init__(spec_of(name, made, splits), pools(made, splits, namespace(root)))


def _check(path: str, size: int, split: str, lists: str, val: float, test: float) -> None:
    if not path:
        raise UserError("images needs a folder of class folders, for example images:path=/data/birds:size=64.")
    check_size("images", size)
    if split not in ("auto", "fraction"):
        raise unknown("value of images' split:", split, ("auto", "fraction"))
    if lists and (split == "fraction" or (val, test) != (FRACTION, FRACTION)):
        raise UserError("images' lists says which classes each split has; leave split, val and test out.")
    if not (val >= 0 and test >= 0 and val + test <= 1):
        raise UserError(f"images' val is {val} and test {test}; they are shares of the classes, at most 1 together.")


def check_size(name: str, size: int) -> None:
    """UserError unless pictures can be had at ``size``."""
    if not SMALLEST <= size <= LARGEST:
        raise UserError(f"{name}'s size is {size}; pictures can be had at {SMALLEST} to {LARGEST} pixels a side.")


def namespace(root: Path) -> str:
    """What the classes of ``root`` are known by, whether it is packed, or only one split of it is given."""
    return root.parent.name if root.stem.lower() in SPLIT_FOLDERS else root.stem


def by_folder(found: Listing, *, fractions: bool = False) -> Classes:
    """The classes of each split folder. Raises UserError where one class is in two of them."""
    if fractions:
        raise UserError(
            f"{found.root} has folders {', '.join(found.splits)}, which say what each split has. Leave val and test "
            "out, or add :split=fraction."
        )
    splits: Classes = {split: sorted(found.splits[split]) for split in SPLITS if split in found.splits}
    for one in splits:
        for other in splits:
            if one < other and (both := sorted(found.splits[one] & found.splits[other])):
                raise UserError(
                    f"{len(both)} classes of {found.root} are in {one} and in {other} ({both[0]}), but a split has "
                    "classes of its own here. Add :split=fraction to put each class whole into one of them."
                )
    return splits


def by_fraction(known: Collection[str], val: float, test: float) -> Classes:
    """Classes in the order of a hash of their names: the first are test, the next val, the others train."""
    hashed = sorted(known, key=lambda name: hashlib.sha256(name.encode()).digest())
    tests, validates = _share(test, len(known)), _share(val, len(known))
    splits: Classes = {
        "train": sorted(hashed[tests + validates :]),
        "val": sorted(hashed[tests : tests + validates]),
        "test": sorted(hashed[:tests]),
    }
    wanted = {"train": val + test < 1, "val": val > 0, "test": test > 0}
    return {split: splits[split] for split in SPLITS if wanted[split]}


def _share(fraction: float, classes: int) -> int:
    """Two classes at least, where there is a share at all."""
    return max(2, round(fraction * classes)) if fraction else 0


def listed(path: Path, found: Listing) -> Classes:
    """The splits that a text file says. Raises UserError for a line or a class that means nothing."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the class lists {path} cannot be read ({error}). Expected lines such as: train sparrow"
        ) from (error)
    return read_lists(lines, str(path), found)


def read_lists(lines: Iterable[str], where: str, found: Listing) -> Classes:
    """Lines ``split class`` as the classes of each split, every one of them once and among those ``found``."""
    known = set(found.labels)
    seen: set[str] = set()
    splits: Classes = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        split, _, name = (part.strip() for part in line.strip().replace("\t", " ").partition(" "))
        if split not in SPLITS or not name:
            raise UserError(
                f"{where}, line {number} is {line!r}; expected train, val or test, then the class's folder."
            )
        if name not in known:
            raise unknown(f"class in {where}, line {number}, that is not in {found.root}:", name, known)
        if name in seen:
            raise UserError(f"{where}, line {number}: class {name!r} is there twice. List each class once.")
        seen.add(name)
        splits.setdefault(SPLIT_FOLDERS[split], []).append(name)
    return {split: splits[split] for split in SPLITS if split in splits}


def divided(root: Path, divide: Callable[[Collection[str]], Classes], known: Collection[str]) -> Classes:
    """The classes of each split that are ``known``. Raises UserError for a split with fewer than two."""
    splits = {split: [name for name in names if name in known] for split, names in divide(known).items()}
    for split, names in splits.items():
        if len(names) < 2:
            raise UserError(
                f"{root} has {len(known)} classes, and {len(names)} of them for {split}; an episode needs two at "
                "least. Add classes, or leave splits out (:val=0:test=0 has train alone)."
            )
    if not splits:
        raise UserError(f"no class of {root} is listed. Expected lines such as: train sparrow")
    return splits


def spec_of(name: str, made: Pictures, splits: Classes) -> Spec:
    """What a learner has to know of the pictures."""
    return Spec(
        name=name,
        kind="classification",
        shape=tuple(made.images.shape[1:]),
        classes=len(splits.get("train", [])),
        metric="accuracy",
        form="photographs",
        fingerprint=fingerprint(made, splits),
    )
