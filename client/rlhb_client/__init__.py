"""Labels of an rlhb session server, for programs that learn from them: typed rows, followed without loss or repeats."""

from rlhb_client.client import Client
from rlhb_client.errors import (
    ClientError,
    DamagedError,
    GoneError,
    MissingExtraError,
    RefusedError,
    UnreachableError,
    UnreadableError,
)
from rlhb_client.files import read_ndjson
from rlhb_client.following import LabelStream
from rlhb_client.retrying import Patience
from rlhb_client.rows import Decoder, Generator, Label, Marker, Pair, Quality, Rating, Row, Selection, Step, Superseded, Unit, read_row, row_json
from rlhb_client.snapshots import Snapshot, SnapshotFile

__all__ = [
    "Client",
    "ClientError",
    "DamagedError",
    "Decoder",
    "Generator",
    "GoneError",
    "Label",
    "LabelStream",
    "Marker",
    "MissingExtraError",
    "Pair",
    "Patience",
    "Quality",
    "Rating",
    "RefusedError",
    "Row",
    "Selection",
    "Snapshot",
    "SnapshotFile",
    "Step",
    "Superseded",
    "Unit",
    "UnreachableError",
    "UnreadableError",
    "read_ndjson",
    "read_row",
    "row_json",
]
