"""Natural images of 32 x 32 pixels: 160 classes of Tiny ImageNet, 300 pictures of each.

Le and Yang (2015), "Tiny ImageNet Visual Recognition Challenge", Stanford CS 231N; pictures of ImageNet (Russakovsky et
al. 2015), for non-commercial research and education. The data are not to be redistributed, so nothing is downloaded.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from quickstudy.errors import UserError
from quickstudy.tasks.places import cache_folder, data_folder
from quickstudy.tasks.pool import PoolFamily
from quickstudy.tasks.stored import pools
from quickstudy.tasks.vision.folders import listing
from quickstudy.tasks.vision.images import check_size, divided, read_lists, spec_of
from quickstudy.tasks.vision.pictures import pictures

NAME = "tiny_imagenet_32"


class TinyImageNet32(PoolFamily):
    """Photographs x [n, 3, size, size] in [0, 1], or one channel with ``grey``: 100 classes train, 20 val, 40 test.

    The folder tiny_imagenet_32 holds train.zip, val.zip and test.zip with a folder for each class, or the same
    unpacked. It is found in the folder QUICKSTUDY_DATA, then in the cache; UserError where it is not, or holds other
    classes.
    """

    def __init__(self, *, size: int = 32, grey: bool = False) -> None:
        check_size(NAME, size)
        found = listing(folder())
        lines = resources.files("quickstudy.tasks").joinpath(f"data/{NAME}.txt").read_text("utf-8").splitlines()
        listed = read_lists(lines, NAME, found)
        made = pictures(found, size, grey)
        splits = divided(found.root, lambda _: listed, made.counts)
        name = NAME + f":size={size}" * (size != 32) + ":grey=true" * grey
        super().__init__(spec_of(name, made, splits), pools(made, splits, NAME))


def folder() -> Path:
    """Where the pictures are. Raises UserError if they are nowhere."""
    own = data_folder()
    places = [*([own / NAME] if own else []), cache_folder() / NAME]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"{NAME} is not in {' or '.join(map(str, places))}, and its licence allows no download. Put its train.zip, "
        f"val.zip and test.zip into a folder {NAME} in the folder that QUICKSTUDY_DATA names, or use cifar_fs, or your "
        "own pictures (images:path=FOLDER)."
    )
