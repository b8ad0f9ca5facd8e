"""Challenges are read, and what is wrong with one is said with its line."""

from pathlib import Path

import pytest

from quickstudy.app.challenge_new import TEMPLATE
from quickstudy.challenge import check, suite
from quickstudy.errors import UserError
from quickstudy.tasks.base import Spec

GOOD = TEMPLATE.format(name="mine")


@pytest.mark.parametrize("name", sorted(suite.shipped()))
def test_what_comes_along_can_be_read(name: str) -> None:
    found = suite.load(name)
    assert found.name == name
    assert found.about
    assert list(found.examples) == [1, 2, 5, 10, 20]


def test_the_sprint_needs_no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path))
    blocks = check.opened(suite.load("sprint"))
    assert {block.test.spec.kind for block in blocks} == {"classification", "regression"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'family = "glyphs"',
            'family = "glyps"',
            "mine.toml, line 8: unknown task family 'glyps'. Did you mean glyphs",
        ),
        ("episodes = 50", 'metric = "acuracy"', "line 11: unknown metric of glyphs 'acuracy'. Did you mean accuracy"),
        ("cpu = 2.0", "cpu = 0", "mine.toml, line 3: cpu is 0"),
        ("cpu = 2.0", "cpu = -1", "a budget must be more than 0"),
        ("memory = 3.0", 'memory = "much"', "mine.toml, line 4: memory is 'much'; expected a finite number"),
        ("memory = 3.0", "memorie = 3.0", "line 4: unknown setting 'memorie'. Did you mean memory"),
        ("ways = [2, 10]", "ways = [10, 2]", "mine.toml, line 9: ways is [10, 2]; expected one number, or the least"),
        ("ways = [2, 10]", "ways = 1", "ways is [1]"),
        ("episodes = 50", "episodes = 0", "mine.toml, line 11: episodes is 0"),
        ('family = "glyphs"', "", "family is missing"),
        ("[[tasks]]", "[tasks]", "write [[tasks]]"),
        ("training = 60.0", "training = ", "is no TOML"),
        ('family = "glyphs"', 'family = "glyphs"\ntrain = "functions"', "line 9: inputs of functions are regression"),
        ('family = "glyphs"', 'family = "csv:path=nosuch.csv:target=a"', "line 8: "),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        check.opened(suite.load(file))
    assert said in str(error.value)
    assert "mine.toml" in str(error.value)


def test_a_suite_that_trains_on_its_test_is_refused_and_the_members_are_named() -> None:
    class Family:
        splits = ("train", "test")
        spec = Spec(name="leaky", kind="classification", shape=(1,))

        def members(self, split: str) -> frozenset[str]:
            return frozenset({"anna", "ben"} if split == "train" else {"ben", "carl"})

    with pytest.raises(UserError, match=r"line 8: 1 members of the test of leaky are in train of leaky \(ben\)"):
        check.check_apart(Family(), Family(), "mine.toml, line 8")  # type: ignore[arg-type]


def test_a_leak_between_two_families_of_the_same_data_is_found(data_of_ten_classes: Path) -> None:
    root = data_of_ten_classes
    text = GOOD.replace('"glyphs"', f'"images:path={root}:size=8"').replace("ways = [2, 10]", "ways = 2")
    check.opened(suite.read(text, "mine"))
    leaky = suite.read(text.replace("ways = 2", f'ways = 2\ntrain = "images:path={root}:size=8:val=0:test=0"'), "mine")
    with pytest.raises(UserError, match="members of the test of images"):
        check.opened(leaky)


def test_the_hash_is_of_what_is_asked_not_of_what_is_said() -> None:
    one = suite.read(GOOD, "here")
    assert suite.read(GOOD.replace("nobody has seen", "are new"), "there").hash == one.hash
    assert suite.read(GOOD.replace("episodes = 50", "episodes = 51"), "here").hash != one.hash
