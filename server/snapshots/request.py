"""What a snapshot shall hold: the body of `POST /snapshots`."""

import hashlib
import json
import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from messaging.words import LabelKind, Signal, Source

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
SplitName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
_MOST_NAMES = 500
_Names = Annotated[tuple[Name, ...], Field(max_length=_MOST_NAMES)]


class Format(StrEnum):
    """Forms in which labels are given to a training program."""

    LABELS = "labels"
    TRL_PREFERENCE = "trl-preference"
    TRL_UNPAIRED = "trl-unpaired"
    TOKEN_REWARDS = "token-rewards"  # noqa: S105 - a format's name
    VERL = "verl"
    STEPWISE = "stepwise"
    COTHB_TREE = "cothb-tree"


class Container(StrEnum):
    """Kind of file, and the ending of its name."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class SplitBy(StrEnum):
    """What must not be on both sides of a split."""

    ITEM = "item"
    SUBJECT = "subject"
    BOTH = "both"


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Correlation(_Asked):
    """How far evidence about the same unit is the same evidence again (rho in w = 1/(1 + (k-1) rho))."""

    repeats: float = Field(default=1.0, ge=0, le=1)
    """Between showings to one subject; 1 = the mean of the llr counts, 0 = their sum."""
    readers: float = Field(default=1.0, ge=0, le=1)
    """Between subjects. The default 1 never claims more than one reading says; a lab puts its own held-out estimate here."""


class RowFilter(_Asked):
    """Which rows of the label log go in; an empty list or null = all."""

    sessions: _Names = ()
    subjects: _Names = ()
    signals: tuple[Signal, ...] = ()
    kinds: tuple[LabelKind, ...] = ()
    sources: tuple[Source, ...] = ()
    generator_models: Annotated[tuple[Name, ...], Field(max_length=_MOST_NAMES)] = ()
    decoder: Name | None = None
    """``NAME``, ``NAME@VERSION`` or a SHA-256; null = the current decoder of each session and signal."""
    release: Literal["ok"] = "ok"
    """Held and revoked labels never go into a snapshot."""
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    created_from: datetime | None = None
    created_to: datetime | None = None
    until: int | None = Field(default=None, ge=0)
    """Last `seq` to look at; null = the end of the log when the building begins."""
    include_catch: bool = False
    include_calibration: bool = False


class SnapshotRequest(RowFilter):
    """What a snapshot holds, how it is split, and in which forms it is written."""

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = (Format.LABELS,)
    containers: Annotated[tuple[Container, ...], Field(min_length=1)] = (Container.JSONL, Container.PARQUET)
    """Format `verl` is Parquet whatever stands here."""
    split_by: SplitBy = SplitBy.ITEM
    fractions: Annotated[dict[SplitName, float], Field(min_length=1, max_length=8)] = Field(default={"train": 0.8, "validation": 0.1, "test": 0.1})
    salt: Name | None = None
    """Null = the server's own, the same in every snapshot. Servers that shall split alike are given the same one."""
    include_generator: bool = False
    """Put the generator's arrays into format `labels`."""
    pool: Literal["all", "subject"] = "all"
    """Put the evidence of all readers of a response together, or make a row for each."""
    correlation: Correlation = Correlation()
    pair_slope: float | None = Field(default=None, gt=0)
    """Slope of rated choices on the difference of summed llr, as a lab estimated it (at least 50 rated pairs); null = 1, not calibrated."""
    step_labels: Literal["float", "bool"] = "float"
    tokenizer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")] | None = None
    """Name of a ``NAME.json`` in the folder ``tokenizers`` of the data folder: adds token-aligned arrays to `token-rewards`."""
    licence: Annotated[str, StringConstraints(max_length=2000)] | None = None
    """Stands in the manifest as it is given."""

    @field_validator("sessions", "subjects", "signals", "kinds", "sources", "generator_models", "formats", "containers", mode="after")
    @classmethod
    def _ordered(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # The same content asked for in another order is the same snapshot.
        return tuple(sorted(set(value)))

    @field_validator("fractions", mode="after")
    @classmethod
    def _sum_to_one(cls, value: dict[str, float]) -> dict[str, float]:
        if any(part < 0 for part in value.values()) or not math.isclose(math.fsum(value.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"the fractions {value} must not be negative and must sum to 1")
        rest = sorted(name for name in value if name != "train")
        return {name: value[name] for name in (["train"] if "train" in value else []) + rest}

    @property
    def sha256(self) -> str:
        """Hash of the request, to recognise the same one."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def stated(self) -> dict[str, Any]:
        """Say what was asked for, apart from what the manifest says elsewhere."""
        return self.model_dump(mode="json", exclude={"split_by", "fractions", "salt", "licence", "until"})
