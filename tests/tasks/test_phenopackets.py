"""Patients from phenopackets and tables."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from quickstudy.errors import UserError
from quickstudy.tasks.diseases import phenopackets


def packet(name: str = "p1", **more: Any) -> dict[str, Any]:
    """A phenopacket as version 2 of the schema has it."""
    return {
        "id": name,
        "subject": {"id": "proband", "sex": "MALE", "timeAtLastEncounter": {"age": {"iso8601duration": "P3Y"}}},
        "phenotypicFeatures": [
            {"type": {"id": "HP:0001250", "label": "Seizure"}, "onset": {"age": {"iso8601duration": "P1Y"}}},
            {"type": {"id": "HP:0000252", "label": "Microcephaly"}, "excluded": True},
            {"type": {"label": "Hypotonia"}},
        ],
        "interpretations": [
            {
                "id": "i",
                "diagnosis": {
                    "disease": {"id": "OMIM:1", "label": "One disease"},
                    "genomicInterpretations": [
                        {"variantInterpretation": {"variationDescriptor": {"geneContext": {"symbol": "GENE1"}}}}
                    ],
                },
            }
        ],
        "metaData": {"externalReferences": [{"id": "PMID:12345"}], "phenopacketSchemaVersion": "2.0"},
    } | more


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_phenopacket(tmp_path: Path) -> None:
    (case,) = phenopackets.cases(write(tmp_path / "p.json", packet()))
    assert (case.id, case.label) == ("p1", "OMIM:1")
    assert case.observed == ("HP:0001250", "Hypotonia")
    assert case.excluded == ("HP:0000252",)
    assert case.papers == ("PMID_12345",)
    assert case.genes == ("GENE1",)
    assert case.source == str(tmp_path / "p.json")


def test_diseases_without_interpretations_and_those_that_are_ruled_out(tmp_path: Path) -> None:
    said = [{"term": {"id": "OMIM:2"}, "excluded": True}, {"term": {"label": "Another"}}]
    (case,) = phenopackets.cases(write(tmp_path / "p.json", packet(interpretations=[], diseases=said)))
    assert case.label == "Another"


def test_a_folder_a_cohort_and_lines(tmp_path: Path) -> None:
    bare = packet("p2", interpretations=[])
    write(tmp_path / "Noonan" / "a.json", bare)
    write(tmp_path / "b.json", {"id": "cohort", "members": [packet("p3"), packet("p4")]})
    (tmp_path / "c.jsonl.gz").write_bytes(
        gzip.compress(b'{"id": "PMID_7_x", "disease": "D", "observed": ["HP:0001250"], "gene": ["G"]}\n\n')
    )
    write(tmp_path / "notes.txt", "not looked at")
    found = phenopackets.cases(tmp_path)
    assert [(case.id, case.label) for case in found] == [
        ("p2", "Noonan"),
        ("p3", "OMIM:1"),
        ("p4", "OMIM:1"),
        ("PMID_7_x", "D"),
    ]
    assert found[3].papers == ("PMID_7",)
    assert found[3].source.endswith("c.jsonl.gz, line 1")


@pytest.mark.parametrize(
    "text",
    [
        "patient,disease,observed,excluded\np1,D,HP:0001250;Hypotonia, HP:0000252\n",
        "id\tdiagnosis\tterms\tabsent\np1\tD\tHP:0001250|Hypotonia\tHP:0000252\n",
        "id,label,hpo_id,excluded\np1,D,HP:0001250,\np1,,HP:0000252,TRUE\n\np1,D,Hypotonia,false\n",
    ],
)
def test_tables_with_a_patient_or_a_term_a_row(tmp_path: Path, text: str) -> None:
    (case,) = phenopackets.cases(write(tmp_path / "t.csv", "\ufeff" + text))
    assert (case.id, case.label, case.observed, case.excluded) == (
        "p1",
        "D",
        ("HP:0001250", "Hypotonia"),
        ("HP:0000252",),
    )
    assert case.source.endswith("t.csv, line 2")


def test_ids_may_have_commas_or_spaces_between_them_and_names_may_not(tmp_path: Path) -> None:
    text = 'patient,observed\na,"HP:0001250, HP_0000252"\nb,HP:1 HP:2\nc,"Atrial septal defect, secundum type"\n'
    found = phenopackets.cases(write(tmp_path / "t.csv", text))
    assert [case.observed for case in found] == [
        ("HP:0001250", "HP_0000252"),
        ("HP:1", "HP:2"),
        ("Atrial septal defect, secundum type",),
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.json", "{", "p.json is no JSON .*cut off"),
        ("p.json", {"id": "x"}, "no list phenotypicFeatures"),
        ("p.json", packet(phenotypicFeatures=[{"type": {}}]), r"phenotypicFeatures\[0\] has no type"),
        ("p.json", [packet(), packet()], "number 2: the patient p1 is also in .*number 1"),
        ("p.json", packet(diseases=["OMIM:1"]), r"p.json: diseases\[0\] is 'OMIM:1'; expected an object"),
        ("p.json", packet(diseases=[{"term": "OMIM:1"}]), r"p.json: diseases\[0\]: term is 'OMIM:1'; expected an obj"),
        ("p.json", packet(diseases={"term": {}}), "p.json: diseases is .*; expected a list"),
        ("p.json", packet(interpretations=[None]), r"p.json: interpretations\[0\] is None; expected an object"),
        ("p.json", packet(interpretations=[{"diagnosis": {"genomicInterpretations": ["x"]}}]), "genomic.* is 'x'; exp"),
        ("p.json", packet(metaData="x"), "p.json: metaData is 'x'; expected an object"),
        ("p.json", packet(metaData={"externalReferences": ["PMID:1"]}), r"externalReferences\[0\] is 'PMID:1'; exp"),
        ("p.json", packet("", subject="Bob"), "p.json: subject is 'Bob'; expected an object"),
        ("p.json", packet({"a": 1}), "p.json: id is {'a': 1}; expected a word"),
        ("p.json", [packet(), packet({})], "p.json, number 2: id is {}; expected a word"),
        ("p.json", "[" * 200_000, "p.json has lists in lists without end"),
        ("p.json", '{"id": ' + "1" * 5000 + "}", "p.json is no JSON"),
        ("p.jsonl", '{"id": "a", "observed": "HP:1"}', "line 1: observed is 'HP:1'; expected a list"),
        (
            "p.jsonl",
            '\n{"id": "a", "observed": [], "disease": {"id": "D"}}',
            "line 2: disease is {'id': 'D'}; expected",
        ),
        ("t.csv", "id,terms\np1," + "H" * 200_000 + "\n", "t.csv, line 2: this is no row of a table .field larger"),
        ("t.csv", "id,term\np1,HP:1\np1,\n", "line 3: there is no term for the patient p1"),
        ("t.csv", "a,b\n1,2\n", "line 1: there is no column of terms among a, b"),
        ("t.csv", "id,terms\np1,HP:1,HP:2\n", "line 2: there are 3 cells, and the header has 2"),
        ("t.csv", "id,terms\np1,HP:1\np2,HP:1\np1,HP:2\n", "line 4: the patient p1 is also in .*line 2"),
        ("t.csv", "id,label,term\np1,D,HP:1\np1,E,HP:2\n", r"line 3: the patient p1 has two diseases \(D, E\)"),
        ("t.csv", "id,term\n,HP:1\n", "line 2: there is no patient"),
        ("t.csv", "id,terms\n", "has no patients"),
        ("t.xlsx", "x", "ends in '.xlsx'; expected one of .json"),
        ("t.csv.gz", "x", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str, content: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        phenopackets.cases(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("true", "TRUE", "yes", "Y", "1", "x", "absent", "negated", "not present", "not_observed"), True),
        (("", "false", "No", "n", "0", "present", "observed"), False),
    ],
)
def test_yes_and_no_in_many_words(tmp_path: Path, words: tuple[str, ...], out: bool) -> None:
    text = "id,term,excluded\n" + "".join(f"{at},HP:1,{word}\n" for at, word in enumerate(words))
    found = phenopackets.cases(write(tmp_path / "t.csv", text))
    features = [[{"type": {"id": "HP:1"}, field: word} for word in words] for field in ("excluded", "negated")]
    found += phenopackets.cases(
        write(tmp_path / "p.json", [packet(str(n), phenotypicFeatures=one) for n, one in enumerate(features)])
    )
    for case in found:
        assert {*case.excluded} == ({"HP:1"} if out else set())
        assert {*case.observed} == (set() if out else {"HP:1"})


@pytest.mark.parametrize("word", ["ja", "n/a", "-", "maybe", "unknown", "2"])
def test_a_word_that_says_neither_yes_nor_no_is_refused(tmp_path: Path, word: str) -> None:
    path = write(tmp_path / "t.csv", f"id,term,excluded\np1,HP:1,no\np1,HP:2,{word}\n")
    with pytest.raises(
        UserError, match=f"t.csv, line 3: excluded is '{word}'; expected true for a term that was looked"
    ):
        phenopackets.cases(path)
    features = [{"type": {"id": "HP:1"}, "excluded": word}]
    with pytest.raises(UserError, match=rf"p.json: phenotypicFeatures\[0\]: excluded is '{word}'"):
        phenopackets.cases(write(tmp_path / "p.json", packet(phenotypicFeatures=features)))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        phenopackets.cases(tmp_path / "none")
    with pytest.raises(UserError, match="has no patients"):
        phenopackets.cases(tmp_path)


def test_one_patient_under_two_ids_is_noticed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "id,label,terms\n" + "".join(f"{name},D,{';'.join(f'HP:{at}' for at in range(6))}\n" for name in "ab")
    phenopackets.notice_twins(phenopackets.cases(write(tmp_path / "t.csv", text + "c,D,HP:1\nd,D,HP:1\n")))
    assert "2 patients have the very terms of another one, for example a and b" in capsys.readouterr().err
