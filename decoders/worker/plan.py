"""What one worker needs to know."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from decoders.fitted import FittedDecoder
from messaging.records import DecoderRef


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What one worker needs to know."""

    data_dir: Path
    server_url: str
    token: str
    bus_url: str
    load_decoder: Callable[[DecoderRef], FittedDecoder]
    fit_command: tuple[str, ...] = ()
    """Program and first arguments that fit a decoder on a recording; empty: this worker fits none."""
    worker_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
