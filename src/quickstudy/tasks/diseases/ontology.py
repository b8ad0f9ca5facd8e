"""The Human Phenotype Ontology, or another in the OBO 1.4 format: terms, what they are a kind of, and their old names.

An ontology is a directed graph without cycles: a patient with a term has every term above it as well, and one in whom
a term was looked for and not found has none of those below it. Köhler et al. (2021), "The Human Phenotype Ontology in
2021"; the format: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from quickstudy.errors import UserError, unknown

ROOT = "HP:0000118"
"""Phenotypic abnormality: what is not below it (inheritance, onset, frequency) says nothing of what a patient has."""
ID = re.compile(r"[A-Za-z]+[:_]\d+")
TAGS = ("id", "name", "is_a", "alt_id", "synonym", "is_obsolete", "replaced_by", "consider")
"""What is read of a term."""
SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)" EXACT')


@dataclass(frozen=True)
class Ontology:
    """Terms in the order of the file, obsolete ones left out."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    """Numbers of the terms right above each."""
    others: dict[str, int]
    """Number of the term that each alternative or replaced id now stands for."""
    synonyms: dict[str, int]
    """Likewise for names in lower case, those of ``labels`` included."""
    gone: dict[str, tuple[str, ...]]
    """Obsolete ids without a replacement: the ids that the ontology advises to consider instead."""
    version: str = ""

    @cached_property
    def number(self) -> dict[str, int]:
        """Of each id, old ones included."""
        return self.others | {name: at for at, name in enumerate(self.ids)}

    @cached_property
    def above(self) -> tuple[frozenset[int], ...]:
        """Of each term the numbers of all terms above it, itself included."""
        return closures(self.parents)

    @cached_property
    def described(self) -> frozenset[int]:
        """Terms that describe a patient: those below ``ROOT``, or all but the tops where there is no such term."""
        root = self.number.get(ROOT)
        if root is None:
            return frozenset(at for at, parents in enumerate(self.parents) if parents)
        return frozenset(at for at, above in enumerate(self.above) if root in above and at != root)

    def find(self, word: str) -> int | None:
        """Number of the term with this id, old id, name or synonym; None where there is none."""
        if (at := self.number.get(word)) is not None:
            return at
        word = word.strip()
        if ID.fullmatch(word):
            return self.number.get(word.upper().replace("_", ":"))
        return self.synonyms.get(word.lower())

    def missing(self, word: str, where: str) -> UserError:
        """The error for a word that ``find`` does not know, found at ``where``."""
        plain = word.strip().upper().replace("_", ":")
        if plain in self.gone:
            advice = ", ".join(self.gone[plain])
            return UserError(
                f"{where}: the term {plain} is obsolete and nothing replaces it. "
                + (f"Consider {advice} instead." if advice else "Leave it out.")
            )
        if ID.fullmatch(word.strip()):
            made = f" ({self.version})" if self.version else ""
            return UserError(
                f"{where}: the term {plain} is not in the ontology{made}. Correct it, or use a newer hp.obo."
            )
        return UserError(f"{where}: {unknown('term', word.strip().lower(), self.synonyms)}")


def closures(parents: Sequence[tuple[int, ...]]) -> tuple[frozenset[int], ...]:
    """Of each node of a graph without cycles all that are above it, itself included."""
    found: dict[int, frozenset[int]] = {}
    for start in range(len(parents)):
        waiting = [start]
        while waiting:
            at = waiting[-1]
            if at not in found and (todo := [one for one in parents[at] if one not in found]):
                waiting += todo
                continue
            found.setdefault(at, frozenset([at]).union(*(found[one] for one in parents[at])))
            waiting.pop()
    return tuple(found[at] for at in range(len(parents)))


def plain(value: str) -> str:
    """A value without what only people read: modifiers in braces, and what stands after an exclamation mark."""
    return value.partition(" !")[0].partition(" {")[0].strip()


@dataclass
class _Stanza:
    """A [Term] as it stands in the file; ``lines`` say where."""

    line: int
    tags: dict[str, list[tuple[int, str]]]

    def values(self, tag: str) -> list[str]:
        return [plain(value) for _, value in self.tags.get(tag, ())]

    def first(self, tag: str) -> str:
        return next(iter(self.values(tag)), "")


def read(path: Path) -> Ontology:
    """The ontology in the file ``path`` (.obo or .obo.gz).

    Raises UserError, with the line, for a file that is absent, damaged or cut off, and for terms that stand in a cycle.
    """
    version, stanzas = _stanzas(path)
    living = [one for one in stanzas if one.first("is_obsolete") != "true"]
    ids = tuple(one.first("id") for one in living)
    number = {name: at for at, name in enumerate(ids)}
    parents = []
    for one in living:
        above = one.tags.get("is_a", [])
        for line, value in above:
            if plain(value) not in number:
                raise UserError(
                    f"{path}, line {line}: {one.first('id')} is a kind of {plain(value)}, which the file does not "
                    "have. Is it cut off? Fetch it again."
                )
        parents.append(tuple(number[value] for value in one.values("is_a")))
    _check_cycles(path, living, parents)
    others = {other: number[one.first("id")] for one in living for other in one.values("alt_id")}
    old = {one.first("id"): one for one in stanzas if one.first("is_obsolete") == "true"}
    replaced = {name: one.first("replaced_by") for name, one in old.items()}
    for name in replaced:
        target = _follow(name, replaced)
        if (at := number.get(target, others.get(target))) is not None:
            others[name] = at
    return Ontology(
        ids=ids,
        labels=tuple(one.first("name") for one in living),
        parents=tuple(parents),
        others={name: at for name, at in others.items() if name not in number},
        synonyms=_synonyms(living),
        gone={name: tuple(one.values("consider")) for name, one in old.items() if name not in others},
        version=version,
    )


def _follow(name: str, replaced: dict[str, str]) -> str:
    """What ``name`` is replaced by in the end."""
    for _ in range(len(replaced)):
        if not replaced.get(name):
            break
        name = replaced[name]
    return name


def _synonyms(living: list[_Stanza]) -> dict[str, int]:
    """Names of terms, and exact synonyms that belong to one term alone and are no other's name."""
    found: dict[str, int] = {}
    twice = set()
    for at, one in enumerate(living):
        for _, value in one.tags.get("synonym", ()):
            if exact := SYNONYM.match(value):
                word = exact[1].replace("\\", "").lower()
                twice |= {word} if found.setdefault(word, at) != at else set()
    return {word: at for word, at in found.items() if word not in twice} | {
        one.first("name").lower(): at for at, one in enumerate(living)
    }


def _check_cycles(path: Path, living: list[_Stanza], parents: list[tuple[int, ...]]) -> None:
    """UserError if some term is above itself: from the tops downwards, everything must be reached."""
    below: list[list[int]] = [[] for _ in parents]
    waits = [len(above) for above in parents]
    for at, above in enumerate(parents):
        for one in above:
            below[one].append(at)
    ready = [at for at, count in enumerate(waits) if count == 0]
    reached = 0
    while ready:
        reached += 1
        for at in below[ready.pop()]:
            waits[at] -= 1
            ready += [at] * (waits[at] == 0)
    if reached < len(parents):
        at = next(at for at, count in enumerate(waits) if count)
        seen: list[int] = []
        while at not in seen:  # upwards, and never out of the part that was not reached
            seen.append(at)
            at = next(one for one in parents[at] if waits[one])
        ring = [living[one] for one in (*seen[seen.index(at) :], at)]
        line = ring[0].tags["is_a"][0][0]
        circle = " is a ".join(one.first("id") for one in ring)
        raise UserError(
            f"{path}, line {line}: the ontology goes round in a circle ({circle}). A term cannot be above itself: "
            "remove one of these is_a lines, or fetch the file again."
        )


def _stanzas(path: Path) -> tuple[str, list[_Stanza]]:
    """The version that the file states, and its [Term]s, each with an id of its own and a name unless obsolete."""
    version, found, current, inside = "", list[_Stanza](), None, False
    for line, text in _lines(path):
        if text.startswith("["):
            inside = True
            current = _Stanza(line, {}) if text.startswith("[Term]") else None
            found += [current] if current else []
        elif current is not None and ": " in text:
            tag, _, value = text.partition(": ")
            if tag in TAGS:
                current.tags.setdefault(tag, []).append((line, value))
        elif not inside and text.startswith("data-version: "):
            version = text.removeprefix("data-version: ")
    if not found:
        raise UserError(f"{path} has no [Term]. Expected an ontology in OBO format, for example hp.obo.")
    lines: dict[str, int] = {}
    for one in found:
        name = one.first("id")
        if not name or not (one.first("name") or one.first("is_obsolete")):
            raise UserError(
                f"{path}, line {one.line}: this [Term] has no {'name' if name else 'id'}. Is the file cut off? "
                "Fetch it again."
            )
        if name in lines:
            raise UserError(f"{path}, line {one.line}: {name} is also in line {lines[name]}. Keep one of the two.")
        lines[name] = one.line
    return version, found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line."""
    if not path.is_file():
        raise UserError(f"there is no file {path}. Fetch hp.obo from https://hpo.jax.org, and give its path.")
    line = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for line, text in enumerate(file, 1):
                yield line, text.strip()
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read after line {line} ({error}). Fetch it again.") from error
