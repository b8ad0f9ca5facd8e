"""Reading an ontology, and patients in its terms."""

import gzip
from pathlib import Path

import pytest
import torch

from quickstudy.errors import UserError
from quickstudy.tasks.diseases import ontology, terms
from quickstudy.tasks.places import find

SMALL = """format-version: 1.2
data-version: small

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001 ! All

[Term]
id: HP:0000707
name: Abnormality of the nervous system
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0001275
synonym: "Epileptic fit" EXACT layperson []
synonym: "Spell" RELATED []
is_a: HP:0000707 ! Abnormality of the nervous system

[Term]
id: HP:0002373
name: Febrile seizure
is_a: HP:0001250 {source="x"} ! Seizure

[Term]
id: HP:0000006
name: Autosomal dominant inheritance
is_a: HP:0000001 ! All

[Term]
id: HP:0000009
name: obsolete Fits
is_obsolete: true
replaced_by: HP:0000010

[Term]
id: HP:0000010
name: obsolete Convulsions
is_obsolete: true
replaced_by: HP:0001275

[Term]
id: HP:0000011
name: obsolete Nerves
is_obsolete: true
consider: HP:0000707

[Typedef]
id: part_of
name: part of
"""


def made(tmp_path: Path, text: str = SMALL, name: str = "hp.obo") -> ontology.Ontology:
    path = tmp_path / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return ontology.read(path)


@pytest.mark.parametrize("name", ["hp.obo", "hp.obo.gz"])
def test_a_term_is_found_by_id_old_id_name_and_synonym(tmp_path: Path, name: str) -> None:
    known = made(tmp_path, name=name)
    assert known.version == "small"
    words = ["HP:0001250", "hp_0001250", "HP:0001275", "HP:0000009", "HP:0000010", "seizure", " Epileptic fit "]
    assert {known.ids[at] for at in map(known.find, words) if at is not None} == {"HP:0001250"}
    assert None not in map(known.find, words)
    assert known.find("Spell") is None  # not the same thing
    assert [known.ids[at] for at in sorted(known.described)] == ["HP:0000707", "HP:0001250", "HP:0002373"]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("HP:0000011", "obsolete and nothing replaces it. Consider HP:0000707"),
        ("HP:7777777", r"HP:7777777 is not in the ontology \(small\)"),
        ("siezure", "Did you mean seizure"),
    ],
)
def test_an_unknown_term_is_named_with_its_place(tmp_path: Path, word: str, says: str) -> None:
    case = terms.Case("p1", None, ("Seizure", word), source="x.csv, line 3")
    with pytest.raises(UserError, match=f"x.csv, line 3: .*{says}"):
        terms.numbers(case, made(tmp_path))
    assert len(terms.numbers(case, made(tmp_path), strict=False)[0]) == 1


def test_a_case_without_terms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="p1 has no observed term"):
        terms.numbers(terms.Case("p1", None, ("HP:0000006",), ("HP:0001250",)), made(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("is_a: HP:0000118 ! Pheno", "is_a: HP:0002373 ! Febrile", "circle .*HP:0000707 is a HP:0002373"),
        (SMALL[SMALL.index("[Term]\nid: HP:0000118") :], "[Term]\nid: HP:00001", "line 8: this .Term. has no name"),
        ("is_a: HP:0000707", "is_a: HP:0000708", "line 24: HP:0001250 is a kind of HP:0000708, .*cut off"),
        ("id: HP:0002373", "id: HP:0001250", r"line \d+: HP:0001250 is also in line"),
        (SMALL, "nothing", "has no .Term."),
    ],
)
def test_an_ontology_that_is_none_is_refused_with_file_and_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in SMALL
    with pytest.raises(UserError, match=f"hp.obo.*{says}"):
        made(tmp_path, SMALL.replace(old, new))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hp.obo.gz"
    path.write_bytes(gzip.compress(SMALL.encode())[:-40])
    with pytest.raises(UserError, match="cannot be read after line"):
        ontology.read(path)
    with pytest.raises(UserError, match="there is no file"):
        ontology.read(tmp_path / "none.obo")


def test_what_is_observed_holds_upwards_and_what_is_excluded_downwards(tmp_path: Path) -> None:
    known = made(tmp_path)
    cases = [
        terms.Case("a", None, ("Febrile seizure",)),
        terms.Case("b", None, ("HP:0000707",), ("HP:0001250",)),
        terms.Case("c", None, ("HP:0001250",), ("HP:0000707", "HP:0002373")),
    ]
    names = [f"{known.ids[at]} {known.labels[at]}" for at in sorted(known.described)]
    expected = torch.tensor([[1.0, 1, 1], [1, -1, -1], [1, 1, -1]])
    assert torch.equal(terms.encode(cases, names, known), expected)
    alone = terms.ontology_of(names, terms.parents_of(sorted(known.described), known))
    assert torch.equal(terms.encode(cases, names, alone), expected)
    # a term beyond the vocabulary counts as those above it
    assert torch.equal(terms.encode(cases, names[:2], known), expected[:, :2])
    with pytest.raises(UserError, match="does not have the term HP:0000001"):
        terms.encode(cases, ["HP:0000001 All"], alone)


def test_closures_are_those_of_a_plain_search() -> None:
    generator = torch.Generator().manual_seed(0)
    parents = [()] + [
        tuple(torch.randint(at, (int(torch.randint(3, (), generator=generator)),), generator=generator).tolist())
        for at in range(1, 60)
    ]

    def search(at: int) -> set[int]:
        return {at}.union(*(search(one) for one in parents[at]))

    assert ontology.closures(parents) == tuple(frozenset(search(at)) for at in range(60))
    turned = [tuple(59 - one for one in parents[59 - at]) for at in range(60)]  # parents after their children
    assert ontology.closures(turned)[0] == frozenset(59 - one for one in search(59))


def test_the_human_phenotype_ontology() -> None:
    path = find("hpo/hp.obo.gz")
    if not path.is_file():
        pytest.skip("no hpo/hp.obo.gz in QUICKSTUDY_DATA")
    known = ontology.read(path)
    assert known.version.startswith("hp/releases/")
    assert len(known.ids) > 15_000
    seizure = known.find("Seizures")
    assert seizure == known.find("HP:0001250")
    assert seizure is not None
    assert known.ids.index("HP:0000707") in known.above[seizure]
    assert known.find("Autosomal dominant inheritance") not in known.described
