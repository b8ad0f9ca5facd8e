"""Patients from files: GA4GH phenopackets (JSON, version 2 or 1), tables of HPO terms (CSV), or lines of JSON.

    .json            a phenopacket, a list of them, or a cohort with ``members``
    .csv             columns patient, disease (optional), observed, excluded (optional), terms with ; or | between them;
                     or a term a row in a column ``term``, with ``excluded`` true or false
    .jsonl           a phenopacket or {"id", "disease", "observed": [...], "excluded": [...]} a line
    folder           all of these in it; a phenopacket without a diagnosis has the name of the folder inside it

Any of them may end in .gz. Jacobsen et al. (2022), "The GA4GH Phenopacket schema defines a computable representation of
clinical data"; https://phenopacket-schema.readthedocs.io.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from quickstudy.errors import UserError
from quickstudy.tasks.diseases import case_tables, packet
from quickstudy.tasks.diseases.terms import Case
from quickstudy.tasks.places import notice

ALIKE = 5
"""Observed terms that two patients hardly share by chance, all of them and no other."""
ENDINGS = (".json", ".jsonl", ".csv")


def cases(path: Path | str) -> list[Case]:
    """The patients in a file, or in all files of a folder in alphabetical order.

    Raises UserError for what cannot be read, for a file without patients, and for an id that two patients have.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if _ending(one) in READERS and not one.name.startswith("."))
        found = [_in_folder(case, one, path) for one in files for case in _read(one)]
    elif path.is_file():
        found = _read(path)
    else:
        raise UserError(f"there is no {path}. Give a phenopacket (.json), a table (.csv), or a folder of them.")
    if not found:
        raise UserError(f"{path} has no patients. Expected phenopackets (.json), or tables (.csv) with HPO terms.")
    _check_ids(found)
    return found


def _in_folder(case: Case, file: Path, folder: Path) -> Case:
    if case.label is not None or file.parent == folder:
        return case
    return Case(**(vars(case) | {"label": file.parent.name}))


def _check_ids(found: Sequence[Case]) -> None:
    places: dict[str, str] = {}
    for case in found:
        if case.id in places:
            raise UserError(
                f"{case.source}: the patient {case.id} is also in {places[case.id]}. Give each patient one id, and all "
                "terms of a patient in one place."
            )
        places[case.id] = case.source


def notice_twins(found: Sequence[Case]) -> None:
    """One notice that names patients who seem to be the same one under two ids."""
    alike: dict[tuple[Any, ...], list[Case]] = {}
    for case in found:
        alike.setdefault((case.label, frozenset(case.observed), frozenset(case.excluded)), []).append(case)
    twins = [same for (_, observed, _), same in alike.items() if len(same) > 1 and len(observed) >= ALIKE]
    if twins:
        notice(
            f"{sum(map(len, twins))} patients have the very terms of another one, for example {twins[0][0].id} and "
            f"{twins[0][1].id}. If that is one patient under two ids, remove one of them."
        )


def _ending(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _read(path: Path) -> list[Case]:
    reader = READERS.get(_ending(path))
    if reader is None:
        raise UserError(f"{path} ends in {path.suffix!r}; expected one of {', '.join(ENDINGS)}.")
    try:
        found = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = found.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}). Is it whole, and in UTF-8?") from error
    return list(reader(text, path))


def _json(text: str, path: Path) -> Iterator[Case]:
    value = _parsed(text, str(path))
    if isinstance(value, dict) and "members" in value:
        value = value["members"]
    many = isinstance(value, list)
    for at, one in enumerate(value if many else [value]):
        yield packet.case(one, f"{path}, number {at + 1}" if many else str(path))


def _json_lines(text: str, path: Path) -> Iterator[Case]:
    for line, content in enumerate(text.splitlines(), 1):
        if content.strip():
            where = f"{path}, line {line}"
            value = _parsed(content, where)
            plain = isinstance(value, dict) and "observed" in value
            yield packet.plain(value, where) if plain else packet.case(value, where)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UserError(f"{where} has lists in lists without end. Expected a phenopacket.") from error
    except ValueError as error:  # also for a number of thousands of digits
        raise UserError(f"{where} is no JSON ({error}). Is it cut off?") from error


READERS: dict[str, Callable[[str, Path], Iterator[Case]]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".csv": case_tables.rows,
}
