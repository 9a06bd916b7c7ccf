"""The subject's key: how surprising and how wrong each word is, read from item files.

Only the simulated subject looks here. Marks never travel with events; the subject finds them by `response_id` and unit index.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acquisition.simulated_subject.errors import SubjectKeyError
from messaging.records import UnitShown


class _ResponseLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    response_id: str = Field(min_length=1)
    text: str
    surprisal_bits: tuple[float, ...] = ()
    wrong: frozenset[int] = frozenset()
    subtle: frozenset[int] = frozenset()


class _ItemLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    item_id: str = Field(min_length=1)
    responses: tuple[_ResponseLine, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class UnitKey:
    """What the subject would know of one unit."""

    surprisal_bits: float = 0.0
    wrong: bool = False
    subtle: bool = False
    """A wrong unit that is easily missed."""


@dataclass(frozen=True, slots=True)
class ResponseKey:
    """One response; units are its whitespace-separated words, counted from 0."""

    surprisal_bits: tuple[float, ...]
    wrong: frozenset[int] = frozenset()
    subtle: frozenset[int] = frozenset()

    def unit(self, index: int) -> UnitKey:
        """Key of one unit; an index outside the response has no surprisal and is not wrong."""
        if not 0 <= index < len(self.surprisal_bits):
            return UnitKey()
        subtle = index in self.subtle
        return UnitKey(self.surprisal_bits[index], subtle or index in self.wrong, subtle)


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """All responses that the subject can judge."""

    responses: Mapping[str, ResponseKey] = field(default_factory=dict)
    """By `response_id`."""

    def look_up(self, unit: UnitShown) -> UnitKey | None:
        """Key of a unit as shown; None where the response is unknown.

        A unit of several words is wrong if one of them is, and easily missed if all its wrong ones are. A sign has no surprisal of its own.
        """
        response = self.responses.get(unit.response_id) if unit.response_id is not None else None
        if response is None:
            return None
        if unit.words is None:
            key = response.unit(unit.index)
        else:
            words = [response.unit(word) for word in range(*unit.words)]
            wrong = [word for word in words if word.wrong]
            key = UnitKey(max((w.surprisal_bits for w in words), default=0.0), bool(wrong), bool(wrong) and all(w.subtle for w in wrong))
        return key if unit.marker is None else replace(key, surprisal_bits=0.0)


def load_subject_key(paths: str | Path | Iterable[str | Path]) -> SubjectKey:
    """Read item files.

    Parameters
    ----------
    paths : path or iterable of paths
        JSON Lines, one item a line, or one JSON array of items. Fields used: ``item_id``, ``responses`` with ``response_id``,
        ``text``, ``surprisal_bits`` (one per whitespace word; may be left out), ``wrong`` and ``subtle`` (word indices).

    Returns
    -------
    SubjectKey

    Raises
    ------
    SubjectKeyError
        A file cannot be read, a line is no item, a count or an index does not fit the text, or one `response_id` is given
        twice with different content. The message names file and line.
    """
    responses: dict[str, ResponseKey] = {}
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for place, raw in _items(Path(path)):
            for response_id, key in _responses(place, raw):
                if responses.setdefault(response_id, key) != key:
                    raise SubjectKeyError(
                        f"{place}: response '{response_id}' was given before with other marks or surprisal. Give every response an id of its own."
                    )
    return SubjectKey(responses)


def _items(path: Path) -> Iterator[tuple[str, object]]:
    """Items of one file, each with the words that say where it stands."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SubjectKeyError(f"Item file {path} cannot be read: {error}. Check the path and that it is UTF-8.") from error
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError as error:
            raise SubjectKeyError(f"Item file {path} is no JSON: {error}. Correct the file.") from error
        yield from ((f"{path}, item {number}", item) for number, item in enumerate(items, start=1))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                item = json.loads(line)
            except ValueError as error:
                raise SubjectKeyError(f"{path}, line {number}: no JSON: {error}. Give one item a line, or one array of items.") from error
            yield f"{path}, line {number}", item


def _responses(place: str, raw: object) -> Iterator[tuple[str, ResponseKey]]:
    try:
        item = _ItemLine.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field_name = ".".join(str(part) for part in first["loc"]) or "item"
        raise SubjectKeyError(f"{place}: field '{field_name}': {first['msg']}. Correct the item.") from error
    for response in item.responses:
        n_words = len(response.text.split())
        bits = response.surprisal_bits or (0.0,) * n_words
        if len(bits) != n_words:
            raise SubjectKeyError(f"{place}: response '{response.response_id}' has {n_words} words and {len(bits)} surprisal_bits. Give one number per word.")
        outside = sorted(i for i in response.wrong | response.subtle if not 0 <= i < n_words)
        if outside:
            raise SubjectKeyError(
                f"{place}: response '{response.response_id}' marks word {outside[0]}, but its {n_words} words are numbered 0 to {n_words - 1}. "
                "Correct 'wrong' and 'subtle'."
            )
        yield response.response_id, ResponseKey(bits, response.wrong, response.subtle)
