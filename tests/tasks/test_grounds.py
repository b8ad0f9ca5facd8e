"""Grounds and damages by name."""

import pytest

from quickstudy.errors import UserError
from quickstudy.sim.bodies import Condition
from quickstudy.tasks.robots.conditions import TRAINED
from quickstudy.tasks.robots.grounds import GROUNDS, LIMITS, condition, said, unlike

JOINTS = ("bthigh", "bshin", "FL_hip_joint")
WHOLE = (1.0, 1.0, 1.0)


def test_names_and_numbers_add_up() -> None:
    assert condition("flat", "", JOINTS) == Condition(strength=WHOLE)
    found = condition("slope, rough,payload=0.3", "bshin, FL_hip=0.4", JOINTS)
    assert found == Condition(slope=8.0, bumps=0.05, payload=0.3, strength=(1.0, 0.0, 0.4))
    assert condition("ice,friction=0.7", "", JOINTS).friction == 0.7
    assert said(found, JOINTS) == "8 degrees up, bumps of 5 cm, a load of 30 % of its mass, bshin dead, FL_hip at 40 %"
    assert said(condition("flat", "bshin", JOINTS), JOINTS) == "flat ground, bshin dead"


def test_every_name_and_number_changes_a_body_within_limits() -> None:
    assert set(LIMITS) == set(TRAINED)
    for name, changes in GROUNDS.items():
        made = condition(name, "", JOINTS)
        assert (made == Condition(strength=WHOLE)) == (name == "flat")
        for field, value in changes.items():
            assert getattr(made, field) == value
            assert LIMITS[field][0] <= value <= LIMITS[field][1]


def test_what_training_did_not_have_is_known() -> None:
    held = frozenset({0})
    assert unlike(condition("ice,slope", "bthigh", JOINTS), JOINTS, held) == [
        "its friction",
        "its slope",
        "a broken bthigh",
    ]
    assert unlike(condition("rough,downhill", "bshin", JOINTS), JOINTS, held) == []
    assert unlike(condition("flat", "bshin,FL_hip", JOINTS), JOINTS, held) == ["several broken joints"]


@pytest.mark.parametrize(
    ("ground", "broken", "words"),
    [
        ("icy", "", "unknown ground 'icy'. Did you mean ice"),
        ("moon", "", "Known: downhill, flat, ice"),
        ("gravity=2", "", "unknown number of a ground 'gravity'"),
        ("slope=steep", "", "--ground slope is 'steep'; expected a number from -45 to 45"),
        ("friction=nan", "", "--ground friction is 'nan'"),
        ("flat", "thigh", "unknown joint to --break 'thigh'. Did you mean bthigh"),
        ("flat", "bshin=2", "--break bshin is '2'; expected a number from 0 to 1"),
    ],
)
def test_what_is_no_ground_is_said(ground: str, broken: str, words: str) -> None:
    with pytest.raises(UserError) as said:
        condition(ground, broken, JOINTS)
    assert words in str(said.value)
