"""Files of one's own patients: what they say, and the sentence for what they cannot mean."""

import math
from pathlib import Path

import pytest
import torch

from quickstudy.errors import UserError
from quickstudy.tasks.doses.dose_files import read
from quickstudy.tasks.doses.dosing import records
from quickstudy.tasks.doses.drugs import DRUGS

HEADER = "id,time,dose,level,weight,apgar"
GOOD = f"""{HEADER}
7,0,25,,1.4,7
7,2,,17.3,1.4,7
7,12.5,3.5,,1.4,7
7,24.5,3.5,20.1,1.4,7
7,60,,?,1.4,7
8,0,15,,1.5,3
8,4,,9.7,1.5,3
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    return path


def test_doses_levels_and_questions_are_read_in_units_of_the_drug(tmp_path: Path) -> None:
    found = read(written(tmp_path, GOOD), "phenobarbital")
    one, other = found.patients
    assert [patient.name for patient in found.patients] == ["7", "8"]
    assert one.doses[0] == (0.0, 2.5, 0.0, 0.0)
    assert [reading[0] * 24 for reading in one.readings] == pytest.approx([2, 24.5, 60])
    assert [reading[1] * 20 for reading in one.readings[:2]] == pytest.approx([17.3, 20.1])
    assert math.isnan(one.readings[2][1])
    assert other.readings[0][2] == pytest.approx((0.0, 1.0))
    assert found.lines["7"] == [3, 5, 6]
    drug = DRUGS["phenobarbital"]
    rows = records(found.patients, drug.fields, drug.slots)
    assert rows.readings.tolist() == [3, 1]
    trough = rows.x[0, 1]  # taken before the dose of the same time: two doses are known of it
    assert trough[4:8:2].tolist() == pytest.approx([0.35, 2.5])
    assert torch.isnan(rows.y[0, 2, 0])


def test_units_of_a_header_or_of_cells_are_converted(tmp_path: Path) -> None:
    plain = read(written(tmp_path, GOOD), "phenobarbital")
    header = GOOD.replace("time,dose,level", "time (min),dose (g),conc (ng/mL)")
    lines = [line.split(",") for line in header.splitlines()]
    for cells in lines[1:]:
        cells[1] = str(float(cells[1]) * 60)
        cells[2] = cells[2] and str(float(cells[2]) / 1000)
        cells[3] = cells[3] if cells[3] in ("", "?") else str(float(cells[3]) * 1000)
    other = read(written(tmp_path, "\n".join(map(",".join, lines))), "phenobarbital")
    for a, b in zip(plain.patients, other.patients, strict=True):
        assert [tuple(x) for x in a.doses] == [pytest.approx(x) for x in b.doses]
        assert [x[:2] for x in a.readings] == [pytest.approx(x[:2], nan_ok=True) for x in b.readings]
    cells = read(written(tmp_path, GOOD.replace("17.3", "17.3 ug/mL").replace("20.1", "20.1 ug/mL")), "phenobarbital")
    assert cells.patients[0].readings[0] == plain.patients[0].readings[0]


def test_what_is_known_of_a_patient_is_converted(tmp_path: Path) -> None:
    plain = read(written(tmp_path, GOOD), "phenobarbital").patients
    for unit, size in (("g", 1e3), ("lb", 2.2046226218), ("mg", 1e6)):
        text = GOOD.replace("weight", f"weight ({unit})")
        for weight in (1.4, 1.5):
            text = text.replace(f",{weight},", f",{weight * size:.9g},")
        found = read(written(tmp_path, text), "phenobarbital").patients
        for a, b in zip(plain, found, strict=True):
            assert [x[2] for x in a.readings] == [pytest.approx(x[2], abs=1e-6) for x in b.readings]
    cells = read(written(tmp_path, GOOD.replace(",1.4,", ",1400 g,")), "phenobarbital").patients
    assert cells[0].readings[0][2] == pytest.approx(plain[0].readings[0][2])


def test_durations_and_times_have_units_of_their_own(tmp_path: Path) -> None:
    text = "id,time (h),dose,level,duration (min),lean mass (lb),age (months),sex\na,0,500,,10,121.25,480,male\n"
    for header, lasts in (("duration (min)", 10), ("duration", 1 / 6), ("duration (s)", 600), ("duration [h]", 1 / 6)):
        own = text.replace("duration (min)", header).replace(",,10,", f",,{lasts},")
        (found,) = read(written(tmp_path, own + "a,00:05,,10,,121.25,480,male\n"), "remifentanil").patients
        assert found.doses == [pytest.approx((0.0, 0.5, 1.0, 0.0))]
        assert found.readings[0][0] == pytest.approx(0.5)
        assert found.readings[0][2] == pytest.approx((0, 0, 1), abs=1e-4)
    with pytest.raises(UserError, match=r"line 2: the duration is in mg, which is no unit of it\. Expected min"):
        read(written(tmp_path, text.replace("duration (min)", "duration (mg)")), "remifentanil")
    with pytest.raises(UserError, match=r"line 2: unknown unit of the age 'moons'.*months"):
        read(written(tmp_path, text.replace("(months)", "(moons)")), "remifentanil")


def test_commas_micrograms_and_clocks_are_understood(tmp_path: Path) -> None:
    plain = read(written(tmp_path, GOOD), "phenobarbital").patients
    text = GOOD.replace("12.5,3.5,", '12:30,"3,5 mg",').replace("17.3", "17.3 mcg/mL").replace("20.1", "20.1 mcg/mL")
    found = read(written(tmp_path, text), "phenobarbital").patients
    assert [tuple(x) for x in found[0].doses] == [pytest.approx(x) for x in plain[0].doses]
    small = GOOD.replace("dose", "dose (mcg)").replace(",25,", ",25000,").replace(",3.5,", ",3500,")
    found = read(written(tmp_path, small.replace(",15,", ",15000,")), "phenobarbital").patients
    assert [tuple(x) for x in found[0].doses] == [pytest.approx(x) for x in plain[0].doses]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("8,0,15,,1.5,3\n8,", "07,0,9,,1.4,7\n07,", r"line 7: '07' and '7' look like one patient"),
        (
            "8,0,15,,1.5,3\n8,4,,9.7,1.5,3",
            "a,0,9,,1.4,7\na,2,,5.1,1.4,7\nb,0,9,,1.4,7\nb,2,,5.1,1.4,7",
            r"line 9: 'b' and 'a' look like one patient.*Give one patient one id",
        ),
        ("8,0,15,,1.5,3", "8,-1,,12,1.5,3\n8,0,15,,1.5,3", r"line 7: this level .* before the first dose \(line 8\)"),
        ("7,12.5,3.5", "7,12.5,-3.5", r"line 4 has a dose of -3\.5; a dose is more than 0"),
        ("7,12.5,3.5", "7,12.5,0", r"line 4 has a dose of 0"),
        ("20.1", "20100 ug/L", r"line 5 gives the level in ug/L, and lines before it, or the header, in mg/L"),
        ("12.5,3.5,", "12.5,0.0035 g,", r"line 4 gives the dose in g, and lines before it, or the header, in mg"),
        ("17.3", "17300", r"line 3 has a level of 17300, and 20 mg/L is usual\. Is it in another unit"),
        ("time,dose", "time,dose (mcg)", r"line 2 has a dose of 25, and 10 mg is usual\. Is it in another unit"),
        ("17.3", "0", r"line 3 has a level of 0; it must be more than 0"),
        ("7,24.5,3.5,20.1", "7,1,3.5,20.1", r"line 5: the clock of patient 7 goes back, from line 4"),
        ("7,12.5,3.5,", "7,12.5,,", r"line 4 has neither dose nor level"),
        ("7,12.5,3.5,", "7,,3.5,", r"line 4 has no time"),
        ("7,12.5,3.5,", ",12.5,3.5,", r"line 4 has no id"),
        ("12.5,3.5", "12.5,much", r"line 4: the dose is 'much'; expected a number"),
        ("1.4,7\n7,2,", "1400,7\n7,2,", r"line 2: the weight is '1400'; expected kg, of which 1\.5 is usual"),
        ("1.4,7\n7,2,", ",7\n7,2,", r"line 2: the weight is ''; expected a number"),
        ("8,0,15,,1.5,3\n", "", r"patient 8 has no dose \(line 7\)"),
        ("weight,apgar", "weight,score", r"has no column 'apgar'; expected id, time, dose, level, weight, apgar"),
        ("level,weight", "level (furlong),weight", r"unknown unit of the level 'furlong'"),
        ("level,weight", "level (mg),weight", r"line 2: the level is in mg, which is no unit of it"),
        ("weight,apgar", "weight (stone),apgar", r"line 2: unknown unit of the weight 'stone'.*kg"),
        ("weight,apgar", "weight (cm),apgar", r"line 2: unknown unit of the weight 'cm'"),
        ("weight,apgar", "weight (mg/L),apgar", r"the weight is in mg/L, which is no unit of it\. Expected kg"),
        ("7,60,,?,1.4", "7,60,,?,3.9", r"line 6: the weight of patient 7 is quite another than in line 5\. .*two pat"),
        ("7,60,,?,1.4,7", "7,60,,?,1.4,2", r"line 6: the apgar of patient 7 is quite another than in line 5"),
        ("7,2,,17.3", '7,2,,"17,300"', r"line 3: the level is '17,300'; expected a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UserError, match=words) as error:
        read(path, "phenobarbital")
    assert str(path) in str(error.value)


def test_more_doses_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    doses = "\n".join(f"9,{hour},3,,1.5,7" for hour in range(21))
    with pytest.raises(UserError, match=r"patient 9 has 21 doses by line 29, and there is room for 20"):
        read(written(tmp_path, f"{GOOD}{doses}\n"), "phenobarbital")


def test_intervals_are_for_drugs_that_have_them(tmp_path: Path) -> None:
    text = "id,time,dose,level,interval,lean mass,age,sex\n1,0,1000,,6,55,40,male\n1,2,,10,,55,40,male\n"
    with pytest.raises(UserError, match="line 2 has a duration or interval"):
        read(written(tmp_path, text), "remifentanil")
    infused = read(written(tmp_path, text.replace("interval", "duration")), "remifentanil")
    assert infused.patients[0].doses == [pytest.approx((0.0, 1.0, 0.6, 0.0))]
    with pytest.raises(UserError, match="unknown drug"):
        read(written(tmp_path, text), "aspirin")
