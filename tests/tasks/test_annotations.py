"""Patients drawn from annotations, and that what is annotated of a disease that is held out is never among them."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_annotation_files import line, written
from test_phenotypes import written as patients_written

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.tasks.diseases import components, drawn_patients, phenotypes, synthetic_diseases, teachable
from quickstudy.tasks.diseases.annotation_files import Annotated
from quickstudy.tasks.diseases.terms import Case, numbers
from quickstudy.tasks.places import find

REAL = all(find(path).is_file() for path in (phenotypes.CASES, phenotypes.ONTOLOGY, phenotypes.ANNOTATIONS))
SIMULATED = "phenotypes:simulated=true"


def test_patients_are_drawn_by_frequency_made_less_precise_and_given_strange_findings() -> None:
    known = synthetic_diseases.tree()
    leaves = synthetic_diseases.lowest(known).tolist()
    always, often, never = (known.ids[at] for at in leaves[:3])
    strange = leaves[-1]
    told = [Annotated(f"d{at}", "", {often: 0.4, always: 1.0, "HP:404": 1.0}, frozenset()) for at in range(400)]
    made = drawn_patients.drawn(told, 2, 6, known, [strange])
    assert made == drawn_patients.drawn(told, 2, 6, known, [strange])  # nothing but its name decides
    assert made[:12] == drawn_patients.drawn(told[:1], 2, 6, known, [strange])
    assert len(made) == 400 * 2 * 6
    assert [len(case.papers) for case in made] == [1] * len(made)
    assert len({case.papers for case in made}) == 800

    def share(word: str, field: str = "observed") -> float:
        return sum(word in getattr(case, field) for case in made) / len(made)

    kept = drawn_patients.MENTIONED * (1 - drawn_patients.GENERAL)
    assert share(often) == pytest.approx(0.4 * kept, abs=0.02)
    assert share(always) > kept
    assert share(never) == 0
    assert share(often, "excluded") == pytest.approx(0.6 * drawn_patients.ABSENT, abs=0.02)
    assert share(always, "excluded") == 0
    assert share(known.ids[strange]) == pytest.approx(1 - (2 / 3) ** drawn_patients.NOISE, abs=0.02)
    general = {known.ids[one] for at in leaves[:2] for one in known.above[at]} - {always, often}
    assert sum(bool(general & set(case.observed)) for case in made) / len(made) > drawn_patients.GENERAL / 2
    assert all(numbers(case, known)[0] for case in made)
    assert drawn_patients.drawn([Annotated("d", "", {"HP:404": 1.0}, frozenset())], 1, 6, known, [strange]) == []


def parts(
    partition: int = 0,
) -> tuple[list[Annotated], dict[str, set[str]], Mapping[tasks.Split, list[str]], teachable.Ties]:
    told, genes = synthetic_diseases.synthetic_annotations()
    tied = phenotypes.ties(synthetic_diseases.synthetic()[1])
    return told, genes, components.splits(tied, partition), tied


def test_training_diseases_and_others_of_no_gene_that_is_held_out_are_taught() -> None:
    told, genes, names, tied = parts()
    ours = {one.disease for one in teachable.teachable(told, names, tied, genes, others=False)}
    assert ours == set(names["train"])
    every = {one.disease for one in teachable.teachable(told, names, tied, genes, others=True)} - ours
    held = set().union(*(genes[one] for one in (*names["val"], *names["test"])))
    alone = {one.disease for one in told if one.disease not in tied}
    assert every == {one for one in alone if not genes[one] & held}
    assert every != alone
    known = teachable.teachable(told, names, tied, {}, others=True)  # no genes, so nothing says which could be
    assert {one.disease for one in known} == ours
    foreign = [replace(one, disease=one.disease.replace("OMIM", "ORPHA")) for one in told]
    theirs = {one.disease: {"A"} for one in foreign}
    assert teachable.teachable(foreign, names, tied, theirs, others=True) == []


@pytest.mark.parametrize("leak", ["disease", "gene", "gene of patients", "paper", "paper of annotations", "name"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_purpose_made_leaks_are_left_out_and_caught(leak: str, split: tasks.Split) -> None:
    told, genes, names, tied = parts()
    held, train = names[split][0], names["train"][0]
    at = next(at for at, one in enumerate(told) if one.disease == train)
    its = next(one for one in told if one.disease == held)
    if leak == "disease":
        planted = its
    elif leak == "gene":
        planted, genes = told[at], genes | {train: genes[train] | genes[held]}
    elif leak == "gene of patients":
        planted, genes = told[at], genes | {train: {"X"}}
        tied = {**tied, held: tied[held] | {"gene X"}}
    elif leak == "paper":
        paper = next(one for one in sorted(tied[held]) if one.startswith("paper"))
        planted = replace(told[at], papers=frozenset([paper.removeprefix("paper ")]))
    elif leak == "paper of annotations":
        planted = replace(told[at], papers=frozenset(["PMID_7"]))
        told = [replace(one, papers=frozenset(["PMID_7"])) if one is its else one for one in told]
    else:
        planted = replace(told[at], name=its.name.upper())
    told = [planted if one.disease == planted.disease else one for one in told]
    found = teachable.teachable(told, names, tied, genes, others=True)
    assert planted not in found
    teachable.check_untold(found, told, names, tied, genes)
    with pytest.raises(AssertionError, match=rf"{planted.disease} is annotated for training, and .* is held out"):
        teachable.check_untold([*found, planted], told, names, tied, genes)


@pytest.mark.parametrize("annotated", ["training", "all"])
def test_drawn_reports_are_in_training_episodes_alone(annotated: str) -> None:
    plain, family = tasks.load(SIMULATED), tasks.load(f"{SIMULATED}:annotated={annotated}")
    assert isinstance(plain, phenotypes.Phenotypes)
    assert isinstance(family, phenotypes.Phenotypes)
    assert tasks.load(family.spec.name).spec == family.spec
    assert family.spec.names == plain.spec.names
    which = {"way": 9, "shot": 2, "query": 2, "seed": 0}
    for split in ("val", "test"):
        ours, theirs = (one.sample(split, torch.arange(5), **which) for one in (family, plain))
        assert torch.equal(ours.support.x, theirs.support.x)
        assert torch.equal(ours.query.x, theirs.query.x)
        assert family.members(split) == plain.members(split)
    more = {one.removeprefix("phenotypes/") for one in (family.members("train") or set()) - plain.members("train")}  # type: ignore[operator]
    assert bool(more) == (annotated == "all")
    assert family.spec.classes == len(family.members("train") or ())
    known, train = family.patients("train"), plain.patients("train")
    assert known.papers[: len(train.names)].tolist() == (train.papers + 1).tolist()
    assert (known.papers[len(train.names) :] == 2).all()
    learnt = [
        learners.build("naivebayes", one.spec, learners.configure("naivebayes", {}), 0) for one in (plain, family)
    ]
    for learner, one in zip(learnt, (plain, family), strict=True):
        learner.prepare(one.tasks("train"))
    first, second = (learner.state_dict().values() for learner in learnt)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_what_is_annotated_of_diseases_that_are_held_out_changes_no_training_episode() -> None:
    told, genes, names, tied = parts()
    known, listed = synthetic_diseases.synthetic()
    own = [numbers(case, known) for case in listed if case.label in set(names["train"])]
    alone = {one.disease for one in told if one.disease not in tied}
    held = set().union(*(genes[one] for one in (*names["val"], *names["test"])))
    other = {known.ids[-1]: 1.0}

    def made(changed: bool) -> list[Case]:
        spoilt = [
            replace(one, terms=other)
            if changed
            and (one.disease in (*names["val"], *names["test"]) or (one.disease in alone and genes[one.disease] & held))
            else one
            for one in told
        ]
        return teachable.reports((spoilt, genes), names, tied, known, own, others=True)

    assert made(False) == made(True)


def test_of_files_too_only_what_is_annotated_of_training_diseases_is_drawn_from(tmp_path: Path) -> None:
    family = patients_written(tmp_path, lambda case: case) + f":hpoa={tmp_path}/a.hpoa:annotated=training"
    told, _, names, _ = parts()

    def episodes(spoilt: Collection[str]) -> torch.Tensor:
        lines = [
            line(one.disease, "HP:9000002" if one.disease in spoilt else term, f"{100 * share:.3f}%", paper="OMIM")
            for one in told
            for term, share in one.terms.items()
        ]
        written(tmp_path / "a.hpoa", *lines)
        return tasks.load(family).sample("train", torch.arange(20), way=20, shot=3, query=3, seed=0).support.x

    plain = episodes(())
    assert torch.equal(plain, episodes([*names["val"], *names["test"], "OMIM:900201"]))
    assert not torch.equal(plain, episodes(names["train"]))


def test_without_genes_no_other_diseases_are_taught(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*none.txt.* take annotated=training"):
        teachable.told(str(tmp_path / "a.hpoa"), str(tmp_path / "none.txt"), others=True)
    with pytest.raises(UserError, match="value of phenotypes:annotated"):
        tasks.load(f"{SIMULATED}:annotated=some")


@pytest.mark.skipif(not REAL, reason="no phenopackets or annotations in QUICKSTUDY_DATA")
def test_annotations_of_published_diseases() -> None:
    family = tasks.load("phenotypes:partition=3:annotated=training")
    assert isinstance(family, phenotypes.Phenotypes)
    known = family.patients("train")
    drawn = known.papers - family._published["train"].papers
    assert 300 < int((drawn == 1).sum()) <= 480
    assert set(drawn.tolist()) == {0, 1}
    assert sorted(family.members("train") or ()) == sorted(tasks.load("phenotypes:partition=3").members("train") or ())
