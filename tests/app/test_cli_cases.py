"""``fit``, ``predict`` and ``add`` for patients."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import quickstudy as qs
from quickstudy.tasks import load


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any]) -> Path:
    """A run, phenopackets of three diseases, and a new patient of the first."""
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    qs.train("idf", "phenotypes:simulated=true", out="idf")
    family = load("phenotypes:simulated=true")
    task = family.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=1)
    (tmp_path / "cases").mkdir()
    for part, examples in (("known", task.support), ("new", task.query)):
        rows = zip(examples.x[0], examples.y[0].argmax(-1).tolist(), examples.mask[0].tolist(), strict=True)
        for number, (row, label, there) in enumerate(rows):
            if not there:
                continue
            packet: dict[str, Any] = {
                "id": f"{part}{number}",
                "phenotypicFeatures": [
                    {"type": {"id": name.partition(" ")[0]}, "excluded": value < 0}
                    for name, value in zip(family.spec.names, row.tolist(), strict=True)
                    if value
                ],
            }
            if part == "known":
                packet["diseases"] = [{"term": {"id": f"OMIM:{label}"}}]
                (tmp_path / "cases" / f"{number}.json").write_text(json.dumps(packet))
            elif label == 0:
                (tmp_path / "patient.json").write_text(json.dumps(packet))
    assert cli("fit", "cases", "--weights", "idf", "-o", "rare.qs").code == 0
    return tmp_path


@pytest.mark.usefixtures("hospital")
def test_a_patient_gets_a_ranked_list_with_reasons(cli: Callable[..., Any]) -> None:
    answer = cli("predict", "rare.qs", "patient.json", "--json")
    assert answer.code == 0, answer.err
    assert "research software" in answer.err
    (line,) = answer.out.splitlines()
    found = json.loads(line)
    chances = [one["probability"] for one in found["diseases"]]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)
    assert {one["disease"] for one in found["diseases"]} == {"OMIM:0", "OMIM:1", "OMIM:2"}
    assert found["diseases"][0]["for"][0]["term"].startswith("HP:")
    assert found["diseases"][0]["alike"][0]["case"].startswith("known")
    words = cli("predict", "rare.qs", "patient.json")
    assert f"1.  {found['diseases'][0]['disease']}" in words.out
    table = list(csv.reader(io.StringIO(cli("predict", "rare.qs", "patient.json", "--csv").out)))
    assert [row[2] for row in table[1:]] == [one["disease"] for one in found["diseases"]]


def test_more_patients_can_be_added(hospital: Path, cli: Callable[..., Any]) -> None:
    answer = cli("add", "rare.qs", "patient.json", "--label", "OMIM:7", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["labels"]["OMIM:7"]["examples"] == 1
    assert json.loads(cli("predict", "rare.qs", "patient.json", "--json").out)["diseases"][0]["disease"] == "OMIM:7"
    assert cli("add", "rare.qs", "patient.json").code == 2, "it has no diagnosis"
    again = cli("add", "rare.qs", "cases/0.json", "--json")
    assert again.code == 0
    assert "1 of 1 cases are known already" in again.err


def test_an_added_patient_keeps_the_id(hospital: Path, cli: Callable[..., Any]) -> None:
    own = json.loads((hospital / "patient.json").read_text())["id"]
    assert cli("add", "rare.qs", "patient.json", "--label", "OMIM:7").code == 0
    assert f"OMIM:7: most like {own} (100% of terms)" in cli("predict", "rare.qs", "patient.json").out


def test_patients_without_a_term_are_skipped(hospital: Path, cli: Callable[..., Any]) -> None:
    packet = json.loads((hospital / "patient.json").read_text())
    bare = {"id": "bare", "phenotypicFeatures": [{"type": {"id": "HP:0000118"}}]}
    (hospital / "two.json").write_text(json.dumps([bare, packet]))
    (hospital / "bare.json").write_text(json.dumps(bare))
    answer = cli("predict", "rare.qs", "two.json", "--json")
    assert answer.code == 0
    assert "skipped: two.json, number 1: the case bare has no observed term" in answer.err
    assert [json.loads(line)["case"] for line in answer.out.splitlines()] == [packet["id"]]
    answer = cli("predict", "rare.qs", "bare.json", "--csv")
    assert (answer.code, answer.out) == (2, "")
    assert "the case bare has no observed term that the run knows. Give one" in answer.err
    answer = cli("add", "rare.qs", "two.json", "--label", "OMIM:7", "--json")
    assert json.loads(answer.out)["labels"]["OMIM:7"]["examples"] == 1
    assert "skipped: two.json, number 1" in answer.err
    assert cli("add", "rare.qs", "bare.json", "--label", "OMIM:7").code == 2
    (hospital / "cases" / "bare.json").write_text(json.dumps(bare | {"diseases": [{"term": {"id": "OMIM:1"}}]}))
    answer = cli("fit", "cases", "--weights", "idf", "-o", "again.qs")
    assert answer.code == 0
    assert "the case bare has no observed term" in answer.err


@pytest.mark.usefixtures("hospital")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("predict", "rare.qs"), "say which cases to look at: phenopackets"),
        (("add", "rare.qs"), "say which cases to add: phenopackets"),
        (("predict", "rare.qs", "patient.json", "--abstain", "0.9"), "quickstudy calibrate RUN"),
        (("predict", "rare.qs", "nobody.json"), "there is no nobody.json"),
        (("fit", "patient.json", "--weights", "idf"), "no case in patient.json says which disease it is"),
    ],
)
def test_what_is_not_right_is_said(cli: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    answer = cli(*args)
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.usefixtures("hospital")
def test_none_of_these_has_a_stated_coverage(cli: Callable[..., Any]) -> None:
    assert cli("calibrate", "idf", "--episodes", "20").code == 0
    assert cli("fit", "cases", "--weights", "idf", "-o", "rare.qs").code == 0
    found = json.loads(cli("predict", "rare.qs", "patient.json", "--abstain", "0.9", "--json").out)
    assert found["none_of_these"] == (not found["answer_set"])
    sure = json.loads(cli("predict", "rare.qs", "patient.json", "--abstain", "0.01", "--json").out)
    assert len(sure["answer_set"]) <= len(found["answer_set"])
