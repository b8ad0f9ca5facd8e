"""Patients through the estimator: what is read, what is explained."""

from pathlib import Path

import numpy as np
import pytest
import torch

import quickstudy as qs
from quickstudy import runs
from quickstudy.errors import UserError
from quickstudy.estimator import FewShotClassifier
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.differential import differential, shared
from quickstudy.tasks import load
from quickstudy.tasks.diseases import phenopackets
from quickstudy.tasks.diseases.phenotypes import Phenotypes
from quickstudy.tasks.diseases.terms import Case


@pytest.fixture(autouse=True)
def no_ontology(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run stands alone."""
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return qs.train("idf", "phenotypes:simulated=true", out=tmp_path_factory.mktemp("runs") / "idf")


@pytest.fixture(scope="module")
def patients() -> tuple[list[Case], list[str]]:
    """Four patients of each of three diseases that the run has not met, as lists of terms."""
    family = load("phenotypes:simulated=true")
    assert isinstance(family, Phenotypes)
    task = family.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0)
    x = torch.cat([task.support.x[0], task.query.x[0]])
    y = torch.cat([task.support.y[0], task.query.y[0]]).argmax(-1).tolist()
    mask = torch.cat([task.support.mask[0], task.query.mask[0]]).tolist()
    names = family.spec.names

    def case(at: int) -> Case:
        return Case(
            f"patient {at}",
            f"disease {y[at]}",
            tuple(names[column].partition(" ")[0] for column in torch.nonzero(x[at] == 1)[:, 0].tolist()),
            tuple(names[column].partition(" ")[2] for column in torch.nonzero(x[at] == -1)[:, 0].tolist()),
        )

    found = [case(at) for at in range(len(x)) if mask[at]]
    return found, [str(one.label) for one in found]


def test_ids_names_and_vectors_are_the_same(run: runs.Run, patients: tuple[list[Case], list[str]]) -> None:
    found, labels = patients
    made = FewShotClassifier(weights=run.path, device="cpu").fit(found, labels)
    assert made.example == "case"
    again = FewShotClassifier(weights=run.path, device="cpu").fit(made.examples_, labels)
    np.testing.assert_array_equal(again.predict_proba(made.examples_), made.predict_proba(found))
    reads = Cases(run.spec)
    plain = [{"observed": list(case.observed), "excluded": list(case.excluded)} for case in found]
    np.testing.assert_array_equal(reads.read(plain, made, True), made.examples_)
    named = [[run.spec.names[at].partition(" ")[2] for at in reads.specific(row)] for row in made.examples_]
    np.testing.assert_array_equal(reads.read(named, made, True), np.maximum(made.examples_, 0))


def test_what_is_no_case_is_said(run: runs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    reads, made = Cases(run.spec), FewShotClassifier()
    known = run.spec.names[-1].partition(" ")[0]
    assert reads.read([[known, "HP:9999999"]], made, True).sum() > 0
    assert "1 of 2 terms are unknown and left out, for example HP:9999999 (case 1)" in capsys.readouterr().err
    for odd, words in (
        ([["HP:9999999"]], "no observed term that the run knows"),
        (["HP:0000001"], "expected a list of HPO terms"),
        (np.ones((2, 3), dtype=int), "X has shape"),
        (np.full((2, len(run.spec.names)), 2), "of 1 .observed."),
        (Path("/nowhere"), "there is no /nowhere"),
    ):
        with pytest.raises(UserError, match=words):
            reads.read(odd, made, True)


def test_a_patient_without_a_term_is_one_who_never_had_it(
    run: runs.Run, patients: tuple[list[Case], list[str]]
) -> None:
    reads, made = Cases(run.spec), FewShotClassifier()
    for row in reads.read(patients[0], made, True):
        terms = reads.specific(row)
        ids = [run.spec.names[at].partition(" ")[0] for at in terms]
        absent = [run.spec.names[at].partition(" ")[0] for at in np.flatnonzero(row == -1)]
        for number, changed in enumerate(reads.without(row, terms)):
            others = [one for at, one in enumerate(ids) if at != number]
            if others:
                anew = reads.read([{"observed": others, "excluded": absent}], made, True)[0]
                np.testing.assert_array_equal(changed, anew)


def test_a_patient_of_whom_an_exclusion_is_open(run: runs.Run, patients: tuple[list[Case], list[str]]) -> None:
    reads, made = Cases(run.spec), FewShotClassifier()
    looked_for = 0
    for row in reads.read(patients[0], made, True):
        observed = [run.spec.names[at].partition(" ")[0] for at in np.flatnonzero(row == 1)]
        out = reads.ruled_out(row)
        ids = [run.spec.names[at].partition(" ")[0] for at in out]
        for number, changed in enumerate(reads.not_ruled_out(row, out)):
            others = [one for at, one in enumerate(ids) if at != number]
            anew = reads.read([{"observed": observed, "excluded": others}], made, True)[0]
            np.testing.assert_array_equal(changed, anew)
            looked_for += 1
    assert looked_for > 10


def test_what_was_excluded_is_among_the_reasons(tmp_path: Path) -> None:
    """Of the patient nothing is known that tells the two diseases apart, but for one exclusion."""
    known = qs.train("naivebayes", "phenotypes:simulated=true", out=tmp_path / "bayes")
    common, decides = (known.spec.names[at].partition(" ")[0] for at in (10, 100))
    told = [{"observed": [common], "excluded": [decides]}, {"observed": [common, decides]}]
    made = FewShotClassifier(weights=known.path, device="cpu").fit(told * 3, ["without", "with"] * 3)
    row = made._reader.read([{"observed": [common], "excluded": [decides]}], made, False)[0]
    first, second = differential(made, row, most=None)
    assert (first.label, second.label) == ("without", "with")
    ((term, weight),) = first.speaks_for
    assert term == f"not {known.spec.names[100]}"
    open_ = made.predict_proba([{"observed": [common]}])[0]
    own = made.predict_proba(row[None])[0]
    assert weight == pytest.approx(np.log(own[1] / own[0]) - np.log(open_[1] / open_[0]), rel=1e-3)
    assert second.speaks_against == [(term, pytest.approx(-weight, rel=1e-3))]


def family_of_terms(run: runs.Run) -> tuple[str, str, str]:
    """Ids of a term, and of two right below it."""
    parents = run.spec.parents
    at = next(at for at in range(len(parents)) if sum(above == (at,) for above in parents) > 1)
    below = [one for one, above in enumerate(parents) if above == (at,)]
    first, second, third = (run.spec.names[one].partition(" ")[0] for one in (at, *below[:2]))
    return first, second, third


def test_what_is_observed_and_excluded_counts_as_observed(run: runs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    reads, made = Cases(run.spec), FewShotClassifier()
    above, had, sibling = family_of_terms(run)
    plain = reads.read([[had]], made, True)
    assert not capsys.readouterr().err
    for out, said in (
        (above, f"{above} is excluded, and {had} observed, which is or implies it"),
        (had, "observed too"),
    ):
        case = Case("p7", None, (had,), (out,), "t.csv, line 3")
        np.testing.assert_array_equal(reads.read([case], made, True), plain)
        err = capsys.readouterr().err
        assert "t.csv, line 3: in the case p7" in err
        assert said in err
    fine = reads.read([Case("p7", None, (above,), (had, sibling))], made, True)
    assert (fine == -1).any(), "an exclusion below what was observed is no contradiction"
    assert not capsys.readouterr().err


def test_ids_are_kept(run: runs.Run, patients: tuple[list[Case], list[str]], tmp_path: Path) -> None:
    found, labels = patients
    made = FewShotClassifier(weights=run.path, device="cpu").fit(found[:-1], labels[:-1])
    made.partial_fit(found[-1:], labels[-1:])
    assert made.names_.tolist() == [case.id for case in found]
    terms = [*found[0].observed]
    (tmp_path / "t.csv").write_text(f"id,observed\nann,{';'.join(terms)}\n")
    made.partial_fit(tmp_path / "t.csv", labels[:1]).partial_fit([terms], labels[:1])
    assert made.names_[-2:].tolist() == ["ann", ""]


def test_a_file_beside_labels_of_ones_own_is_read_once(
    run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.csv").write_text("patient,observed\nanna,HP:9000040\nben,HP:9000061\n")
    read = []
    monkeypatch.setattr("quickstudy.estimator.cases.cases", lambda path: read.append(path) or phenopackets.cases(path))
    made = FewShotClassifier(weights=run.path, device="cpu").fit(str(tmp_path / "all.csv"), ["a", "b"])
    assert read == [tmp_path / "all.csv"]
    assert made.names_.tolist() == ["anna", "ben"]


def test_who_has_nothing_in_common_is_not_alike(run: runs.Run) -> None:
    sides = [[name.partition(" ")[0]] for name in (run.spec.names[-1], run.spec.names[2])]
    made = FewShotClassifier(weights=run.path, device="cpu").fit(sides, ["a", "b"])
    listed = differential(made, made.examples_[0], most=None)
    common = shared(made.examples_[0], made.examples_)
    assert common.tolist() == [1, 0], "they have no term above both"
    assert [len(one.alike) for one in listed] == [1, 0]


def test_a_list_is_in_order_and_weights_are_changes_of_the_odds(
    run: runs.Run, patients: tuple[list[Case], list[str]]
) -> None:
    found, labels = patients
    made = FewShotClassifier(weights=run.path, device="cpu").fit(found[:-1], labels[:-1])
    reads = Cases(run.spec)
    row = reads.read(found[-1:], made, True)[0]
    listed = differential(made, row, most=0.5)
    chances = made.predict_proba(row[None])[0]
    assert [one.probability for one in listed] == sorted(chances, reverse=True)
    assert [one.within for one in listed] == [one.probability >= 0.5 for one in listed]
    term, weight = (listed[0].speaks_for + listed[0].speaks_against)[0]
    at = int(chances.argmax())
    changed = made.predict_proba(reads.without(row, [run.spec.names.index(term)]))[0, at]
    expected = np.log(chances[at] / (1 - chances[at])) - np.log(changed / (1 - changed))
    assert weight == pytest.approx(expected, rel=1e-4)
    assert all(weight > 0 for one in listed for _, weight in one.speaks_for)
    assert all(weight < 0 for one in listed for _, weight in one.speaks_against)


def test_alike_is_the_share_of_terms_in_common() -> None:
    row, others = np.array([1, 1, 0, -1, 0]), np.array([[1, 1, 0, 0, 0], [1, 0, 1, 1, 0], [0, 0, 0, 1, 0]])
    assert shared(row, others).tolist() == [1, 0.25, 0]
