"""Appending to the label log: gapless, commit-ordered `seq`; the same content again is no new row."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.identity import digest
from messaging.rewards import Reward
from messaging.words import ReleaseState
from server import clock
from server.database import insert_new, tell_other_servers
from server.labels.catch import catch_of, catch_words
from server.labels.row import RatingRow, row_of
from server.tables import current_decoders, labels, log_head, responses, sessions, subjects, texts, trials

DECODER_HOLD = "hold: "
"""How a decoder's reason begins when it passes an operator's hold on."""
_AT_ONCE = 500
"""Values of one IN list; SQLite's limit was 999 for long."""


@dataclass(slots=True)
class _Known:
    revision: int = 0
    has_decoder: bool = False
    contents: set[tuple[str | None, str]] = field(default_factory=set)
    """(decoder, content) of every revision."""


@dataclass(frozen=True, slots=True)
class _Text:
    text_id: str
    item_set: str
    item_id: str
    response_id: str
    generator_model: str | None


def content_sha256(reward: Reward) -> str:
    """Hash of everything a reward says except `late`, which only tells how it was come by."""
    fields = reward.model_dump(mode="json", exclude={"late"})
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


async def append_rewards(connection: AsyncConnection, rewards: Sequence[Reward], ratings: Mapping[str, RatingRow] | None = None) -> list[dict[str, Any]]:
    """Append what is new in a batch, inside the caller's transaction.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    rewards : sequence of Reward
    ratings : mapping, optional
        Ratings to stand in the rows, by `label_id`.

    Returns
    -------
    list of dict
        The new rows of `rlhb.label.v1`, in `seq` order; without prompt, response and generator.

    Notes
    -----
    Of a subject whose data were erased nothing is kept, whatever still comes from a worker.
    """
    await lock_log(connection)
    known = await _known(connection, {r.label_id for r in rewards})
    shown = await _texts(connection, {r.presentation for r in rewards})
    withdrawn, erased = await _taken_back(connection, rewards)
    rewards = [r for r in rewards if r.subject not in erased]
    holds = await _operator_holds(connection, {r.session_id for r in rewards})
    currents = await _current_decoders(connection, rewards)
    places = {(r.session_id, shown[r.presentation]) for r in rewards if r.presentation in shown}
    caught = await catch_words(connection, {(session_id, text.item_set, text.response_id) for session_id, text in places})
    created_at = clock.utc_now()
    fresh: list[dict[str, Any]] = []
    for reward in rewards:
        label = known[reward.label_id]
        decoder = reward.decoder
        content = (decoder.sha256 if decoder else None, content_sha256(reward))
        if content in label.contents:
            continue
        current = not label.has_decoder if decoder is None else currents.get((reward.session_id, reward.signal.value)) == decoder.sha256
        label.revision += 1
        label.contents.add(content)
        label.has_decoder |= decoder is not None
        values = _values(reward, label.revision, current, content[1], shown.get(reward.presentation), holds.get(reward.session_id), created_at)
        if values["text_id"] is not None and (reward.session_id, values["row"]["response_id"]) in caught:
            values["catch"] = values["row"]["catch"] = catch_of(reward.unit, caught[reward.session_id, values["row"]["response_id"]])
        if reward.session_id in withdrawn:
            values |= {"release": ReleaseState.REVOKED.value, "release_reason": withdrawn[reward.session_id]}
            values["row"] |= {"release": ReleaseState.REVOKED.value, "release_reason": withdrawn[reward.session_id]}
        if ratings is not None and reward.label_id in ratings:
            values["row"]["rating"] = ratings[reward.label_id].model_dump(mode="json")
        fresh.append(values)
    return await append_revisions(connection, fresh)


def _values(reward: Reward, revision: int, current: bool, content: str, text: _Text | None, hold: str | None, created_at: str) -> dict[str, Any]:
    base_release, base_reason = own_verdict(reward)
    release, reason = with_hold(base_release, base_reason, hold)
    row = row_of(reward, seq=1, revision=revision, current=current, release=release, reason=reason, created_at=created_at)
    if text is not None and row["response_id"] is None:  # a label of the whole response
        row |= {"item_id": text.item_id, "response_id": text.response_id}
    return {
        "label_id": reward.label_id,
        "revision": revision,
        "current": current,
        "session_id": reward.session_id,
        "subject": reward.subject,
        "kind": reward.kind.value,
        "signal": reward.signal.value,
        "source": reward.source.value,
        "decoder_sha256": reward.decoder.sha256 if reward.decoder else None,
        "decoder_name": reward.decoder.name if reward.decoder else None,
        "decoder_version": reward.decoder.version if reward.decoder else None,
        "release": release.value,
        "release_reason": reason,
        "operator_hold": hold,
        "base_release": base_release.value,
        "base_reason": base_reason,
        "confidence": reward.confidence,
        "catch": row["catch"],
        "generator_model": text.generator_model if text else None,
        "content_sha256": content,
        "text_id": text.text_id if text else None,
        "created_at": created_at,
        "row": row,
    }


def own_verdict(reward: Reward) -> tuple[ReleaseState, str | None]:
    """Say what the decoder thinks of a reward, apart from an operator's hold that it only passes on.

    Notes
    -----
    Hold and release reach the decoder in the log and the rows here at once. Rewards that are under way in between would stay held
    for ever after a release; so the server alone says which labels an operator's hold covers.
    """
    if reward.release is ReleaseState.HELD and reward.release_reason is not None and reward.release_reason.startswith(DECODER_HOLD):
        return ReleaseState.OK, None
    return reward.release, reward.release_reason


def with_hold(release: ReleaseState, reason: str | None, hold: str | None) -> tuple[ReleaseState, str | None]:
    """Lay an operator's hold over what the decoder says; what is held or revoked anyway keeps its own reason."""
    if hold is None or release is not ReleaseState.OK:
        return release, reason
    return ReleaseState.HELD, f"operator: {hold}"


async def lock_log(connection: AsyncConnection) -> None:
    """Let no other writer between what is read and what is appended (SQLite: the transaction holds the lock already)."""
    await connection.execute(sa.select(log_head.c.seq).with_for_update())


async def append_revisions(connection: AsyncConnection, fresh: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rows their `seq` and write them; the log must be locked.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    fresh : list of dict
        Values of the table ``labels``; `row` still as a dict, `seq` not yet right.

    Returns
    -------
    list of dict
        The rows, with their `seq`.
    """
    if not fresh:
        return []
    step = sa.update(log_head).values(seq=log_head.c.seq + len(fresh)).returning(log_head.c.seq)
    last = int((await connection.execute(step)).scalar_one())
    rows = []
    for seq, values in enumerate(fresh, start=last - len(fresh) + 1):
        values["row"]["seq"] = seq
        rows.append(values["row"])
        values |= {"seq": seq, "row": json.dumps(values["row"], ensure_ascii=False, separators=(",", ":"))}
    await connection.execute(sa.insert(labels), fresh)
    await tell_other_servers(connection)
    return rows


async def _known(connection: AsyncConnection, label_ids: set[str]) -> defaultdict[str, _Known]:
    known: defaultdict[str, _Known] = defaultdict(_Known)
    for part in _parts(label_ids):
        query = sa.select(labels.c.label_id, labels.c.revision, labels.c.decoder_sha256, labels.c.content_sha256).where(labels.c.label_id.in_(part))
        for label_id, revision, decoder, content in await connection.execute(query):
            label = known[label_id]
            label.revision = max(label.revision, revision)
            label.has_decoder |= decoder is not None
            label.contents.add((decoder, content))
    return known


async def _operator_holds(connection: AsyncConnection, session_ids: set[str]) -> dict[str, str]:
    query = sa.select(sessions.c.session_id, sessions.c.operator_hold).where(sessions.c.session_id.in_(session_ids), sessions.c.operator_hold.is_not(None))
    return {row.session_id: row.operator_hold for row in await connection.execute(query)}


async def _taken_back(connection: AsyncConnection, rewards: Sequence[Reward]) -> tuple[dict[str, str], frozenset[str]]:
    """Find the sessions whose labels were withdrawn, with the reason, and the subjects whose data were erased."""
    query = sa.select(sessions.c.session_id, sessions.c.withdrawn).where(
        sessions.c.session_id.in_({r.session_id for r in rewards}), sessions.c.withdrawn.is_not(None)
    )
    withdrawn = {row.session_id: row.withdrawn for row in await connection.execute(query)}
    gone = sa.select(subjects.c.subject).where(subjects.c.subject.in_({r.subject for r in rewards}), subjects.c.erasing_since.is_not(None))
    return withdrawn, frozenset((await connection.execute(gone)).scalars())


async def _current_decoders(connection: AsyncConnection, rewards: Sequence[Reward]) -> Mapping[tuple[str, str], str]:
    """Find the current decoder (sha256) per session and signal; the first one that fits the session's plan becomes it."""
    ids = {r.session_id for r in rewards}
    query = sa.select(sessions.c.session_id, sessions.c.decoder_name, sessions.c.decoder_version).where(sessions.c.session_id.in_(ids))
    planned = {session_id: (name, version) for session_id, name, version in await connection.execute(query)}
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for reward in rewards:
        decoder = reward.decoder
        plan = planned.get(reward.session_id, (None, None))
        if decoder is not None and plan in ((None, None), (decoder.name, decoder.version)):
            values = {
                "session_id": reward.session_id,
                "signal": reward.signal.value,
                "sha256": decoder.sha256,
                "name": decoder.name,
                "version": decoder.version,
            }
            first.setdefault((reward.session_id, reward.signal.value), values)
    await insert_new(connection, current_decoders, list(first.values()))
    rows = await connection.execute(sa.select(current_decoders).where(current_decoders.c.session_id.in_(ids)))
    return {(r["session_id"], r["signal"]): r["sha256"] for r in rows.mappings()}


async def _texts(connection: AsyncConnection, presentations: set[str]) -> dict[str, _Text]:
    """Texts of the responses that were shown, entered once per response."""
    found: dict[str, _Text] = {}
    for part in _parts(presentations):
        query = (
            sa.select(
                trials.c.presentation,
                trials.c.item_set,
                responses.c.item_id,
                responses.c.response_id,
                responses.c.prompt,
                responses.c.text,
                responses.c.generator,
            )
            .join(responses, sa.and_(responses.c.item_set == trials.c.item_set, responses.c.response_id == trials.c.response_id))
            .where(trials.c.presentation.in_(part))
        )
        for presentation, item_set, item_id, response_id, prompt, text, generator in (await connection.execute(query)).all():
            text_id = digest("text", response_id, prompt, text, generator)
            found[presentation] = _Text(text_id, item_set, item_id, response_id, json.loads(generator)["model"] if generator else None)
            await insert_new(connection, texts, [{"text_id": text_id, "prompt": prompt, "response": text, "generator": generator}])
    return found


def _parts(names: set[str]) -> Iterable[list[str]]:
    ordered = sorted(names)
    return (ordered[k : k + _AT_ONCE] for k in range(0, len(ordered), _AT_ONCE))
