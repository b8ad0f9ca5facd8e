"""Episodes of patients, and that nothing of what is asked leaks into what is learnt."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.diseases import components, phenotypes, synthetic_diseases, terms
from quickstudy.tasks.diseases.patients import Patients, side_by_side
from quickstudy.tasks.diseases.terms import Case
from quickstudy.tasks.places import find

SIMULATED = "phenotypes:simulated=true"
REAL = find(phenotypes.CASES).is_file() and find(phenotypes.ONTOLOGY).is_file()
FAMILIES = [
    SIMULATED,
    pytest.param("phenotypes", marks=pytest.mark.skipif(not REAL, reason="no phenopackets in QUICKSTUDY_DATA")),
]


def drawn(family: tasks.TaskFamily, shot: int = 2, **more: int) -> tasks.Task:
    asked = {"way": 6, "query": 3, "seed": 0} | more
    return family.sample("test", torch.arange(20), shot=shot, **asked)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_episode_has_the_same_queries_at_any_shot_and_its_support_grows(name: str) -> None:
    family = tasks.load(name)
    one, five = drawn(family, 1), drawn(family, 5)
    assert torch.equal(one.query.x, five.query.x)
    assert torch.equal(one.classes, five.classes)
    front = five.support.x.unflatten(1, (6, 5))[:, :, 0]
    assert torch.equal(one.support.x, front)
    assert five.support.mask.unflatten(1, (6, 5))[:, :, 0].all()
    assert family.sample("test", torch.tensor([3]), way=6, shot=1, query=3, seed=0).query.x.equal(one.query.x[3:4])


@pytest.mark.parametrize("name", FAMILIES)
def test_values_follow_the_ontology(name: str) -> None:
    family = tasks.load(name)
    x, parents = drawn(family).query.x, family.spec.parents
    assert set(x.unique().tolist()) == {-1.0, 0.0, 1.0}
    child, parent = torch.tensor([(at, one) for at, above in enumerate(parents) for one in above]).T
    assert (x[..., parent][x[..., child] == 1] == 1).all()
    assert (x[..., child][x[..., parent] == -1] == -1).all()
    assert len(family.spec.names) == len(parents) == x.shape[-1]


def numbered(papers: list[list[int]]) -> Patients:
    """Patients whose x is the number of their paper among all, and the one of their disease."""
    rows, at, x = [], 0, []
    for disease, own in enumerate(papers):
        rows.append(list(range(at, at + len(own))))
        at += len(own)
        x += [[disease, paper] for paper in own]
    return Patients(
        x=torch.tensor(x, dtype=torch.int8),
        rows=side_by_side(rows, -1),
        paper=side_by_side(papers, 0),
        names=tuple(map(str, range(len(papers)))),
    )


def test_support_and_query_are_of_different_papers() -> None:
    known = numbered([[0, 0, 1, 1, 2], [0, 1], [0, 0, 0], [0, 1, 1, 1, 1]])
    key = draw.keys(torch.arange(500), "test")
    classes = known.choose(key, 4)
    assert (classes[:, :3] != 2).all()  # a single paper: only when there are no others
    support, query = known.place(classes, key, 3, 3)

    def of(places: object) -> tuple[Tensor, Tensor]:
        x = known.x[places.at].masked_fill(~places.mask.unsqueeze(-1), -1)  # type: ignore[attr-defined]
        return x[..., 0], x[..., 1]

    (own, paper), (asked, other) = of(support), of(query)
    assert ((own == classes.unsqueeze(-1)) | (own == -1)).all()
    assert ((asked == classes.unsqueeze(-1)) | (asked == -1)).all()
    same = (paper.unsqueeze(-1) == other.unsqueeze(-2)) & (paper.unsqueeze(-1) >= 0)
    assert not same.any()
    assert support.mask.any(-1).all()
    assert (query.mask.any(-1) == (classes != 2)).all()
    assert not (other[classes == 3] == 0).all()  # either paper is asked about


@pytest.mark.parametrize("partition", [0, 1, 7, 13])
def test_splits_share_no_disease_no_gene_and_no_paper(partition: int) -> None:
    _, listed = synthetic_diseases.synthetic()
    names = components.splits(phenotypes.ties(listed), partition)
    phenotypes.check_apart(listed, names)
    assert sorted(chain(*names.values())) == sorted({case.label for case in listed})
    assert [len(names[split]) for split in ("train", "val", "test")] == [120, 20, 60]
    assert names == components.splits(phenotypes.ties(listed), partition)


def test_over_ten_partitions_each_disease_is_tested_three_times() -> None:
    ties = phenotypes.ties(synthetic_diseases.synthetic()[1])
    tested = [name for partition in range(10) for name in components.splits(ties, partition)["test"]]
    assert {tested.count(name) for name in ties} == {3}


@pytest.mark.parametrize("leak", ["disease", "gene", "paper"])
def test_purpose_made_leaks_are_caught(leak: str) -> None:
    listed = list(synthetic_diseases.synthetic()[1])
    names = components.splits(phenotypes.ties(listed), 0)
    train, test = names["train"][0], names["test"][0]
    if leak == "disease":
        names["train"] = [*names["train"], test]
    else:
        field = {"gene": "genes", "paper": "papers"}[leak]
        there = next(getattr(case, field) for case in listed if case.label == test)
        at = next(at for at, case in enumerate(listed) if case.label == train)
        listed[at] = replace(listed[at], **{field: there})
    with pytest.raises(AssertionError, match=f"{leak} .* is both in"):
        phenotypes.check_apart(listed, names)


def test_tied_diseases_stay_together() -> None:
    ties = {"a": ["gene 1"], "b": ["gene 2", "paper 1"], "c": ["gene 1", "paper 2"], "d": ["paper 1"], "e": []}
    assert components.components(ties) == [["a", "c"], ["b", "d"], ["e"]]


def test_no_word_of_gene_or_diagnosis_reaches_the_inputs_and_no_test_term_the_vocabulary() -> None:
    known, listed = synthetic_diseases.synthetic()
    spec = tasks.load(SIMULATED).spec
    train = set(components.splits(phenotypes.ties(listed), 0)["train"])
    used = {at for case in listed if case.label in train for at in sum(terms.numbers(case, known), ())}
    allowed = {known.ids[above] for at in used for above in known.above[at]}
    assert {name.split()[0] for name in spec.names} <= allowed
    other = [replace(case, genes=("X",), id=str(at)) for at, case in enumerate(listed)]
    assert torch.equal(terms.encode(other, spec.names, known), terms.encode(listed, spec.names, known))


def test_papers_that_one_patient_is_in_count_as_one() -> None:
    listed = [Case(str(at), "d", ("x",), papers=papers) for at, papers in enumerate([("1",), ("2", "1"), ("3",), ()])]
    first, second, third, fourth = phenotypes.paper_numbers(listed)
    assert first == second
    assert len({first, third, fourth}) == 3


def test_the_place_of_the_own_disease_is_scored() -> None:
    family = tasks.load(SIMULATED)
    task = family.sample("test", torch.arange(2), way=30, shot=1, query=2, seed=0)
    logits = torch.linspace(1, 0, 30).expand(2, 60, 30)  # class c takes place c + 1
    found = family.score(lambda x, mask: (logits,), task)  # type: ignore[arg-type,return-value]
    assert list(found) == ["accuracy", "top10", "mrr"]
    torch.testing.assert_close(found["accuracy"], torch.full((2,), 1 / 30))
    torch.testing.assert_close(found["top10"], torch.full((2,), 1 / 3))
    torch.testing.assert_close(found["mrr"], (1 / torch.arange(1.0, 31)).mean().expand(2))
    level = family.score(lambda x, mask: (torch.zeros(2, 60, 30),), task)  # type: ignore[arg-type,return-value]
    torch.testing.assert_close(level["accuracy"], torch.full((2,), 1 / 30))
    assert list(family.score(lambda x, mask: (torch.zeros(20, 18, 6),), drawn(family))) == ["accuracy"]  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phenotypes:partition=-1", "must be 0 or more"),
        ("phenotypes:cases=none.json", "phenotypes:simulated=true"),
        ("phenotypes:simulated=maybe", "expected true or false"),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)
    with pytest.raises(UserError, match="has 60 diseases"):
        drawn(tasks.load(SIMULATED), way=61)


def written(folder: Path, changed: Callable[[Case], Case]) -> str:
    """The invented ontology and its patients as files; the name of the family that reads them."""
    known, listed = synthetic_diseases.synthetic()
    stanzas = [
        f"[Term]\nid: {name}\nname: {label}\n" + "".join(f"is_a: {known.ids[at]}\n" for at in above)
        for name, label, above in zip(known.ids, known.labels, known.parents, strict=True)
    ]
    (folder / "hp.obo").write_text("\n".join(stanzas))
    rows = [
        {"id": one.id, "disease": one.label, "observed": one.observed, "excluded": one.excluded, "gene": one.genes}
        for one in map(changed, listed)
    ]
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return f"phenotypes:cases={folder}/cases.jsonl:hpo={folder}/hp.obo"


def learnt(family: tasks.TaskFamily, split: tasks.Split = "train") -> list[Tensor]:
    """All that learners take from training tasks without gradients, and the episodes that they are trained by."""
    episodes = family.sample("train", torch.arange(5), way=10, shot=3, query=3, seed=0)
    found = [episodes.support.x, episodes.query.x]
    for name in ("idf", "naivebayes", "bestmatch", "ensemble"):
        learner = learners.build(name, family.spec, learners.configure(name, {}), seed=0)
        learner.prepare(family.tasks(split))
        found += learner.state_dict().values()
    return found


def test_what_test_patients_have_changes_nothing_that_is_learnt(tmp_path: Path) -> None:
    """Files as a hospital has them; and a learner that does look at test patients is caught."""
    test = set(components.splits(phenotypes.ties(synthetic_diseases.synthetic()[1]), 0)["test"])
    other = synthetic_diseases.tree().ids[-5:]
    plain = tasks.load(written(tmp_path, lambda case: case))
    assert plain.spec.names == tasks.load(SIMULATED).spec.names
    assert all(torch.equal(a, b) for a, b in zip(learnt(plain), learnt(tasks.load(SIMULATED)), strict=True))
    changed = tasks.load(
        written(tmp_path, lambda case: replace(case, observed=other, excluded=()) if case.label in test else case)
    )
    assert changed.spec.names == plain.spec.names
    assert changed.spec.fingerprint != plain.spec.fingerprint
    assert all(torch.equal(a, b) for a, b in zip(learnt(plain), learnt(changed), strict=True))
    leaking = zip(learnt(plain, "test"), learnt(changed, "test"), strict=True)
    assert not all(torch.equal(a, b) for a, b in leaking)


def test_too_few_diseases_to_train_on_are_refused(tmp_path: Path) -> None:
    name = written(tmp_path, lambda case: replace(case, label="OMIM:1"))
    with pytest.raises(UserError, match=r"cases.jsonl has 1 diseases with patients; expected ten or more"):
        tasks.load(name)


@pytest.mark.skipif(not REAL, reason="no phenopackets in QUICKSTUDY_DATA")
def test_published_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read but the patients and the ontology, so no disease's annotations (phenotype.hpoa) are."""
    for path in (phenotypes.CASES, phenotypes.ONTOLOGY):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).symlink_to(find(path))
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    family = tasks.load("phenotypes:partition=3")
    assert tasks.load(family.spec.name).spec == family.spec
    sizes = {split: len(family.members(split) or ()) for split in family.splits}
    assert sum(sizes.values()) == 800
    assert sizes == {"train": 480, "val": 80, "test": 240}
    assert "HP:0001250 Seizure" in family.spec.names
    assert family.sample("test", torch.arange(1), way=240, shot=5, query=5, seed=0).query.mask.any()
