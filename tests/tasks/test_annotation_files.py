"""Files of annotations: what is read of them, and what is wrong with them."""

import gzip
from pathlib import Path

import pytest

from quickstudy.errors import UserError
from quickstudy.tasks.diseases import annotation_files

HEADER = (
    "database_id\tdisease_name\tqualifier\thpo_id\treference\tevidence\tonset\tfrequency\tsex\tmodifier\taspect\tbio"
)


def line(
    disease: str, term: str, frequency: str = "", qualifier: str = "", paper: str = "PMID:1", part: str = "P"
) -> str:
    return "\t".join([disease, f"Name of {disease}", qualifier, term, paper, "PCS", "", frequency, "", "", part, "me"])


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#version: invented", HEADER, *lines, ""]))
    return path


def test_annotations_are_read_with_their_frequencies_and_papers(tmp_path: Path) -> None:
    lines = [
        line("OMIM:1", "HP:1", "3/7"),
        line("OMIM:1", "HP:2", "45%", paper="PMID:2;PMID:3"),
        line("OMIM:1", "HP:3", "HP:0040282"),
        line("OMIM:1", "HP:4"),
        line("OMIM:1", "HP:5", "0/9"),
        line("OMIM:1", "HP:6", "9/9", qualifier="NOT"),
        line("OMIM:1", "HP:7", part="I"),
        line("OMIM:1", "HP:1", "HP:0040285", paper="OMIM:1"),
        line("OMIM:2", "HP:1", "1/1"),
    ]
    first, second = annotation_files.read(written(tmp_path / "a.hpoa", *lines))
    assert first.disease == "OMIM:1"
    assert first.papers == {"PMID_1", "PMID_2", "PMID_3"}
    assert list(first.terms) == ["HP:1", "HP:2", "HP:3", "HP:4"]
    expected = [3.5 / 8 * 7 / 8, 0.45, 0.55, 0.5]  # of eight patients, one of whom is in no count
    assert list(first.terms.values()) == pytest.approx(expected)
    assert second.terms == pytest.approx({"HP:1": 0.75})
    packed = tmp_path / "b.hpoa.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.hpoa").read_bytes()))
    assert annotation_files.read(packed) == [first, second]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line("OMIM:1", "HP:1", "often")], "line 3: the frequency is 'often'; expected patients as in 3/7"),
        ([line("OMIM:1", "HP:1", "9/7")], "line 3: the frequency is '9/7'"),
        ([line("OMIM:1", "HP:1", "0/0")], "line 3: the frequency is '0/0'"),
        ([line("OMIM:1", "HP:1"), "OMIM:1\tcut"], "line 4: there are 2 cells, and the header has 12. Is it cut off"),
    ],
)
def test_damaged_annotations_are_named_with_their_line(lines: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        annotation_files.read(written(tmp_path / "a.hpoa", *lines))


def test_files_that_are_no_annotations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*none.hpoa. Fetch it"):
        annotation_files.read(tmp_path / "none.hpoa")
    (tmp_path / "a.hpoa").write_text("# only this\n")
    with pytest.raises(UserError, match="has no header"):
        annotation_files.read(tmp_path / "a.hpoa")
    (tmp_path / "a.hpoa").write_text("database_id\tdisease_name\n")
    with pytest.raises(UserError, match="line 1: the header has no column qualifier"):
        annotation_files.read(tmp_path / "a.hpoa")
    (tmp_path / "a.hpoa.gz").write_bytes(gzip.compress(b"database_id" * 999)[:20])
    with pytest.raises(UserError, match="cannot be read after line 0"):
        annotation_files.read(tmp_path / "a.hpoa.gz")
    (tmp_path / "genes.txt").write_text("ncbi_gene_id\tgene_symbol\tdisease_id\n1\tA\tOMIM:1\n2\tB\tOMIM:1\n")
    assert annotation_files.genes(tmp_path / "genes.txt") == {"OMIM:1": {"A", "B"}}
