"""What readers have said so far about a text: for search and decoding loops that want the neural value while they run."""

import json
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import LabelKind
from server.labels.query import read_head
from server.snapshots.evidence import Counted, ResponseEvidence, label_of, responses_of
from server.snapshots.request import Correlation, RowFilter
from server.snapshots.selection import CALIBRATION, fitting, read_texts
from server.tables import labels, texts

MOST_RESPONSES = 1000


class ScoreRequest(RowFilter):
    """A text, and which labels count."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    text: Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$")]
    """Exactly as it was shown, code point for code point."""
    prompt: Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*$")] | None = None
    """None: whatever it answered."""
    prefix: bool = False
    """`text` is how far a response has come: all responses that begin with it count, with the units that lie inside it."""
    kind: Annotated[LabelKind, Field(description="unit, response or step.")] = LabelKind.UNIT
    correlation: Correlation = Correlation()


async def score(connection: AsyncConnection, asked: ScoreRequest) -> dict[str, Any]:
    """Put together what all readers said about a text.

    Parameters
    ----------
    connection : AsyncConnection
    asked : ScoreRequest

    Returns
    -------
    dict
        ``responses``: one for each response and signal with ``score`` (sum of the units' rewards) and ``units``, combined over repeats and
        readers as in snapshots (`server.snapshots.evidence`); ``high_watermark``: the log's end that this speaks of; ``truncated``: more
        than `MOST_RESPONSES` texts begin so.
    """
    end = (await read_head(connection))[0]
    until = end if asked.until is None else min(asked.until, end)
    shown = sa.func.substr(texts.c.response, 1, len(asked.text)) == asked.text if asked.prefix else texts.c.response == asked.text
    query = sa.select(texts.c.text_id).where(shown).order_by(texts.c.text_id).limit(MOST_RESPONSES + 1)
    if asked.prompt is not None:
        query = query.where(texts.c.prompt == asked.prompt)
    text_ids = list((await connection.execute(query)).scalars())
    rows = sa.select(labels.c.row, labels.c.text_id).where(labels.c.text_id.in_(text_ids[:MOST_RESPONSES]), fitting(asked, until)).order_by(labels.c.seq)
    found = [(json.loads(row), text_id) for row, text_id in await connection.execute(rows)]
    used = [label_of(row, text_id) for row, text_id in found if asked.include_calibration or not row["protocol"].startswith(CALIBRATION)]
    if asked.prefix:
        used = [label for label in used if label.char_end is not None and label.char_end <= len(asked.text)]
    known = await read_texts(connection, {label.text_id for label in used if label.text_id is not None})
    evidence = responses_of(used, known, asked.kind.value, per_subject=False, correlation=asked.correlation, counted=Counted())
    return {"responses": [_shown(response) for response in evidence], "high_watermark": end, "truncated": len(text_ids) > MOST_RESPONSES}


def _shown(response: ResponseEvidence) -> dict[str, Any]:
    units = [
        {
            "index": unit.index, "char_start": unit.char_start, "char_end": unit.char_end, "text": unit.text, "llr": unit.llr, "p_error": unit.p_error,
            "reward": unit.reward, "weight": unit.weight, "labels": len(unit.label_ids),
        }
        for unit in response.units
    ]  # fmt: skip
    return {
        "item_id": response.item_id, "response_id": response.response_id, "prompt": response.prompt, "response": response.response,
        "signal": response.signal, "kind": response.kind, "subjects": list(response.subjects), "source": response.source, "simulated": response.simulated,
        "score": response.score, "llr": response.llr, "units": units,
    }  # fmt: skip
