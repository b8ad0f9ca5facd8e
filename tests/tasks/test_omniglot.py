"""The Omniglot family over made-up drawings, and over the real ones where they are."""

import os
from collections.abc import Callable

import pytest
import torch

from quickstudy.errors import UserError
from quickstudy.tasks.vision import omniglot
from quickstudy.tasks.vision.omniglot import VALIDATION_ALPHABETS, Omniglot, symmetric_copies, vinyals_lists
from quickstudy.tasks.vision.omniglot_files import PARTS, Drawings, drawings

EVALUATION = {
    *("Angelic", "Atemayar_Qelisayer", "Atlantean", "Aurek-Besh", "Avesta", "Ge_ez", "Glagolitic", "Gurmukhi"),
    *("Kannada", "Keble", "Malayalam", "Manipuri", "Mongolian", "Old_Church_Slavonic_(Cyrillic)", "Oriya", "Sylheti"),
    *("Syriac_(Serto)", "Tengwar", "Tibetan", "ULOG"),
}

real = pytest.mark.skipif(
    not os.environ.get("QUICKSTUDY_DATA"), reason="the real drawings are needed: set QUICKSTUDY_DATA to their folder"
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Drawings:
    listed = sorted(name for names in vinyals_lists().values() for name in names)
    background = tuple(name for name in listed if name.partition("/")[0] not in EVALUATION)
    evaluation = tuple(name for name in listed if name.partition("/")[0] in EVALUATION)
    noise = torch.randint(0, 256, (len(listed), 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made = Drawings(noise, (background, evaluation), "made up")
    monkeypatch.setattr(omniglot, "drawings", lambda size: made)
    return made


def alphabets(family: Omniglot, split: str, classes: torch.Tensor) -> list[set[str]]:
    names = family.pool(split).names
    return [{names[at].split("/")[1] for at in row} for row in classes.tolist()]


def sizes(family: Omniglot) -> dict[str, int]:
    return {split: len(family.pool(split).names) for split in family.splits}


def check_disjoint(family: Omniglot) -> None:
    seen: set[str] = set()
    for split in family.splits:
        characters = {name.rpartition("/")[0] for name in family.members(split) or ()}
        assert characters
        assert not seen & characters
        seen |= characters


def test_lists_are_those_of_vinyals() -> None:
    lists = vinyals_lists()
    assert {split: len(names) for split, names in lists.items()} == {"train": 1028, "val": 172, "test": 423}
    assert len({name for names in lists.values() for name in names}) == 1623
    assert {name.partition("/")[0] for name in lists["val"]} == set(VALIDATION_ALPHABETS)


@pytest.mark.parametrize(
    ("family", "expected", "name"),
    [
        (lambda: Omniglot(size=8), (4112, 688, 1692), "omniglot:size=8"),
        (lambda: Omniglot(size=8, symmetries=8), (8224, 688, 1692), "omniglot:size=8:symmetries=8"),
        (lambda: Omniglot(train="trainval"), (4800, 1692), "omniglot:train=trainval"),
        (lambda: Omniglot(symmetries=4, narrow=0), (4112, 688, 1692), "omniglot"),
        (lambda: Omniglot(classes="alphabets"), (792, 172, 659), "omniglot:classes=alphabets"),
        (
            lambda: Omniglot(classes="alphabets", train="trainval", symmetries=4, narrow=1.0),
            (3856, 659),
            "omniglot:classes=alphabets:symmetries=4:train=trainval:narrow=1",
        ),
    ],
)
def test_sizes_and_names(
    made_up: Drawings, family: Callable[[], Omniglot], expected: tuple[int, ...], name: str
) -> None:
    made = family()
    assert tuple(sizes(made).values()) == expected
    assert made.spec.name == name
    assert made.spec.classes == expected[0]
    check_disjoint(made)


def test_fingerprint_follows_data_and_lists(made_up: Drawings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Omniglot().spec.fingerprint
    assert first == Omniglot(symmetries=8).spec.fingerprint
    assert first != Omniglot(classes="alphabets").spec.fingerprint
    monkeypatch.setattr(omniglot, "drawings", lambda size: Drawings(made_up.images, made_up.names, "another"))
    assert first != Omniglot().spec.fingerprint


def test_classes_have_their_own_drawings_turned(made_up: Drawings) -> None:
    pool = Omniglot(symmetries=8).pool("train")
    row = [name for names in made_up.names for name in names].index("Greek/character05")
    drawn = made_up.images[row]
    for suffix, expected in {
        "rot000": drawn,
        "rot090": drawn.rot90(1, (-2, -1)),
        "rot270": drawn.rot90(3, (-2, -1)),
        "mirror-rot000": drawn.flip(-1),
        "mirror-rot090": drawn.flip(-1).rot90(1, (-2, -1)),
    }.items():
        at = pool.names.index(f"omniglot/Greek/character05/{suffix}")
        start, count = int(pool.start[at]), int(pool.count[at])
        assert torch.equal(pool.x[start : start + count, 0], expected)


def test_rotation_is_counter_clockwise() -> None:
    upper_left = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    upper_left[..., 0, 0] = 255
    where = [copy[0, 0].nonzero().tolist()[0] for copy in symmetric_copies(upper_left, 8)]
    assert where == [[0, 0], [7, 0], [7, 7], [0, 7], [0, 7], [0, 0], [7, 0], [7, 7]]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_alphabets_episodes_come_from_one_alphabet(made_up: Drawings, split: str) -> None:
    family = Omniglot(classes="alphabets")
    task = family.sample(split, torch.arange(200), way=20, shot=1, query=1, seed=1)  # type: ignore[arg-type]
    found = alphabets(family, split, task.classes)
    assert {len(each) for each in found} == {1}
    assert len(set.union(*found)) >= 5


def test_narrow_is_a_share_of_training_episodes_only(made_up: Drawings) -> None:
    family = Omniglot(classes="alphabets", symmetries=8, narrow=0.5)
    classes = family.sample("train", torch.arange(400), way=20, shot=1, query=1, seed=0).classes
    few = sum(len(each) <= 3 for each in alphabets(family, "train", classes))
    assert 150 < few < 250
    classes = family.sample("test", torch.arange(100), way=20, shot=1, query=1, seed=0).classes
    assert {len(each) for each in alphabets(family, "test", classes)} == {1}
    assert Omniglot(narrow=1).pool("val").narrow == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Omniglot(classes="vinyal"), "Did you mean vinyals"),  # type: ignore[arg-type]
        (lambda: Omniglot(train="all"), "train"),  # type: ignore[arg-type]
        (lambda: Omniglot(size=7), "size is 7"),
        (lambda: Omniglot(size=106), "size is 106"),
        (lambda: Omniglot(symmetries=2), "symmetries is 2"),
        (lambda: Omniglot(symmetries=1), "rotations are classes"),
        (lambda: Omniglot(narrow=1.5), "narrow is 1.5"),
        (lambda: Omniglot(narrow=float("nan")), "narrow is nan"),
        (lambda: Omniglot(train="trainval").members("val"), "no split 'val'"),
        (lambda: Omniglot(classes="alphabets").sample("test", torch.arange(1), way=48, shot=1, query=1, seed=0), "47"),
    ],
)
def test_bad_options_are_user_errors(made_up: Drawings, make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_foreign_alphabets_are_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = Drawings(
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8), (("Elvish/character01",), ("Klingon/character01",)), ""
    )
    monkeypatch.setattr(omniglot, "drawings", lambda size: foreign)
    with pytest.raises(UserError, match="1623 characters are absent"):
        Omniglot()


@pytest.fixture(scope="module")
def original() -> Drawings:
    return drawings(28)


@real
def test_real_drawings_are_the_published_ones(original: Drawings) -> None:
    assert [len(names) for names in original.names] == [part.characters for part in PARTS] == [964, 659]
    assert original.images.shape == (1623, 20, 28, 28)
    assert {name.partition("/")[0] for name in original.names[1]} == EVALUATION
    assert original.fingerprint == "fd1ac609c6337ae401411c561941a8528221acdacf9fab63fa487faf13e90a2e"
    assert 0.03 < float(original.images.float().mean()) / 255 < 0.15


@real
def test_real_splits(original: Drawings) -> None:
    for family, expected in (
        (Omniglot(), (4112, 688, 1692)),
        (Omniglot(train="trainval"), (4800, 1692)),
        (Omniglot(classes="alphabets"), (792, 172, 659)),
    ):
        assert tuple(sizes(family).values()) == expected
        check_disjoint(family)


@real
def test_real_episodes(original: Drawings) -> None:
    task = Omniglot().sample("test", torch.arange(4), way=20, shot=1, query=5, seed=0)
    assert task.support.x.shape == (4, 20, 1, 28, 28)
    assert task.query.x.shape == (4, 100, 1, 28, 28)
    assert float(task.query.x.amax((-1, -2)).min()) > 0.3
    assert bool(task.query.mask.all())
    one = Omniglot(classes="alphabets")
    classes = one.sample("test", torch.arange(50), way=20, shot=1, query=1, seed=0).classes
    assert {len(each) for each in alphabets(one, "test", classes)} == {1}
