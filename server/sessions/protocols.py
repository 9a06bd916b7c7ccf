"""Protocols: how responses are put before a subject. One TOML file each; a lab puts its own beside the shipped ones."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from messaging.words import RatingScale
from server.errors import Conflict, NotFound, validation_sentence
from server.items import Identity
from server.sessions.units import UnitOf

DEFAULT = "token_rsvp"
"""What a new session begins with: named first in lists."""

LARGEST_FILE = 64_000
"""Bytes; a protocol is some ten lines."""

Milliseconds = Annotated[float, Field(ge=0, le=60_000)]


Share = Annotated[float, Field(ge=0, le=1)]
Sign = Annotated[str, Field(min_length=1, max_length=20)]


class Verdicts(BaseModel):
    """Verdict markers: each unit is read, the screen goes blank, and a sign accepts or rejects it. Windows are cut around the sign."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    accept: Sign = "✓"
    reject: Sign = "✗"
    delay_ms: Milliseconds = 400.0
    """Blank between unit and sign."""
    delay_jitter_ms: Milliseconds = 100.0
    first_word_ms: Milliseconds = 400.0
    word_ms: Milliseconds = 230.0
    """A unit is shown for `first_word_ms` and this much for each of its words."""
    reject_share: Share = 0.3
    """How often the sign rejects, drawn from the session's seed, where the items hold no verdict of a verifier."""
    wrong_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """While calibrating: how often the sign contradicts the items' marks."""

    @model_validator(mode="after")
    def _told_apart(self) -> "Verdicts":
        if self.accept == self.reject:
            raise ValueError(f"accept and reject are both {self.accept!r}: nobody could tell them apart")
        if self.delay_jitter_ms > self.delay_ms:
            raise ValueError(f"delay_jitter_ms is {self.delay_jitter_ms:g}, more than delay_ms ({self.delay_ms:g})")
        return self


class Ratings(BaseModel):
    """A question about each response, after its units."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: RatingScale = RatingScale.SLIDER
    question: Annotated[str, Field(min_length=1, max_length=300)] = "How good is this answer?"
    low: Annotated[str, Field(max_length=60)] = "very bad"
    high: Annotated[str, Field(max_length=60)] = "very good"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of the responses that are asked about, drawn from the session's seed."""


class Shows(BaseModel):
    """What of a response is one unit, and what is shown with it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    units: UnitOf = UnitOf.WORD
    phrase_words: int = 4
    verdict: Verdicts | None = None
    rating: Ratings | None = None


class Protocol(BaseModel):
    """A protocol with the values that a new session begins with."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Identity
    task: Identity
    """What a decoder must have been calibrated with."""
    title: Annotated[str, Field(min_length=1, max_length=200)]
    item_set: Identity
    soa_ms: Annotated[float, Field(ge=50, le=10_000)] = 450.0
    """From one unit's onset to the next's."""
    jitter_ms: Milliseconds = 50.0
    """Each SOA is lengthened or shortened by up to this much, drawn from the session's seed."""
    prompt_ms: Milliseconds | None = None
    """How long the prompt is shown; None: by its length."""
    fixation_ms: Milliseconds = 500.0
    blank_ms: Milliseconds = 800.0
    """After the last unit: its window has to end before the screen changes."""
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Probability of the positive class before any EEG."""
    trials_per_block: Annotated[int, Field(ge=1, le=1000)] = 10
    n_trials: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """None: every response of the items once."""
    units: UnitOf = UnitOf.WORD
    """What is shown and decoded as one."""
    phrase_words: Annotated[int, Field(ge=1, le=50)] = 4
    """Words of a phrase at most; it ends earlier at a punctuation mark or a line's end."""
    verdict: Verdicts | None = None
    rating: Ratings | None = None
    instruction: Annotated[str, Field(max_length=2000)] = ""
    """What the subject reads before the first trial: a heading, then paragraphs, one a line."""
    catch_share: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Catch trials among the texts: as many more, of items whose errors are known."""
    catch_items: Identity = "calibration_sentences"
    """Where catch trials come from; its words are marked."""
    calibrates: bool = False
    """Its items carry marks, and a decoder for `task` is fitted on them."""

    @property
    def shows(self) -> Shows:
        """What its trials are made of."""
        return Shows(units=self.units, phrase_words=self.phrase_words, verdict=self.verdict, rating=self.rating)

    @model_validator(mode="after")
    def _verdicts_fit(self) -> "Protocol":
        contradicts = self.verdict is not None and self.verdict.wrong_share is not None
        if self.verdict is not None and contradicts != self.calibrates:
            raise ValueError("verdict.wrong_share belongs to a protocol that calibrates, and to no other")
        return self

    @model_validator(mode="after")
    def _something_is_asked(self) -> "Protocol":
        if self.units is UnitOf.NONE and (self.rating is None or self.rating.share < 1 or self.verdict is not None):
            raise ValueError('units = "none" needs a [rating] of every response (share = 1) and no [verdict]: else nothing is shown')
        return self

    @model_validator(mode="after")
    def _jitter_fits(self) -> "Protocol":
        if self.jitter_ms > self.soa_ms / 2:
            raise ValueError(f"jitter_ms is {self.jitter_ms:g}, more than half of soa_ms ({self.soa_ms:g}): units would change places")
        return self


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file of the lab's that is no protocol, with the reason."""

    name: str
    reason: str


@cache
def shipped_protocols() -> dict[str, Protocol]:
    """Protocols that come with the server, by name."""
    folder = files("server") / "protocols"
    texts = {f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".toml")}
    found = [Protocol.model_validate(tomllib.loads(texts[name])) for name in sorted(texts)]
    return {p.name: p for p in sorted(found, key=lambda p: (p.calibrates, p.name != DEFAULT))}


def all_protocols(folder: Path) -> dict[str, Protocol | Damaged]:
    """Shipped protocols and those of a lab's folder, by name; a file that is none is named with its reason, and hides nothing."""
    found: dict[str, Protocol | Damaged] = dict(shipped_protocols())
    for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
        read = read_protocol(path)
        found.setdefault(read.name, read)
    return found


def read_protocol(path: Path) -> Protocol | Damaged:
    """Read a lab's protocol; its name is the file's."""
    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_FILE:
            return Damaged(path.stem, f"{path.name} has {len(raw)} bytes, a protocol at most {LARGEST_FILE}.")
        found = Protocol.model_validate(tomllib.loads(raw.decode("utf-8")))
    except OSError as error:
        return Damaged(path.stem, f"{path.name} cannot be read: {error.strerror or error}.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Damaged(path.stem, f"{path.name} is no TOML: {error}.")
    except ValidationError as error:
        return Damaged(path.stem, f"{path.name}: {validation_sentence(error)}")
    if found.name != path.stem:
        return Damaged(path.stem, f"{path.name} calls itself '{found.name}'. Give file and protocol the same name.")
    if found.name in shipped_protocols():
        return Damaged(path.stem, f"{path.name} has the name of a shipped protocol, which counts. Give it a name of its own.")
    return found


def protocol(name: str, folder: Path) -> Protocol:
    """Look a protocol up.

    Raises
    ------
    NotFound
        There is none of this name.
    Conflict
        Its file is wrong.
    """
    known = all_protocols(folder)
    found = known.get(name)
    if found is None:
        raise NotFound(f"There is no protocol '{name[:128]}'.", f"Protocols of this server: {', '.join(known)}.")
    if isinstance(found, Damaged):
        raise Conflict(f"The protocol '{name}' cannot be used. {found.reason}", f"Correct the file in {folder}.")
    return found


def calibration_for(task: str, folder: Path | None = None) -> Protocol:
    """Return the protocol that calibrates for a task: a shipped one, else the first of the lab's.

    Raises
    ------
    NotFound
        There is none.
    """
    known = shipped_protocols() if folder is None else all_protocols(folder)
    for found in known.values():
        if isinstance(found, Protocol) and found.task == task and found.calibrates:
            return found
    raise NotFound(f"No protocol calibrates for the task '{task}'.", "Name a decoder for the session instead, or add a protocol with `calibrates = true`.")
