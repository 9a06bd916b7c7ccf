"""Withdrawal of consent and erasure: in steps that can be done again, so that one that was cut short is brought to its end."""

import asyncio
import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server import clock
from server.audit import audit
from server.errors import Conflict, NotFound
from server.labels.withdrawal import erase_labels, revoke_labels
from server.registry_files import retire_decoders_of
from server.service import Service
from server.sessions.commands import count_rows
from server.sessions.states import LIVE
from server.snapshots.request import SnapshotRequest
from server.snapshots.selection import fitting
from server.snapshots.store import SnapshotStore
from server.subjects.files import erase_files
from server.tables import consents, labels, outbox, recordings, session_events, sessions, snapshots, subjects, trials

log = logging.getLogger(__name__)

ERASED = "the subject's data were erased"


async def subject_row(connection: AsyncConnection, subject: str) -> dict[str, Any]:
    """Read a subject.

    Raises
    ------
    NotFound
        Nobody has this pseudonym.
    """
    row = (await connection.execute(sa.select(subjects).where(subjects.c.subject == subject))).mappings().first()
    if row is None:
        raise NotFound(f"There is no subject '{subject[:128]}'.", "GET /api/v1/subjects lists them.")
    return dict(row)


async def withdraw(service: Service, subject: str, reason: str, who: str) -> dict[str, Any]:
    """Take a subject's consent back: all labels of all their sessions so far are revoked, snapshots that held one are gone.

    Parameters
    ----------
    service : Service
    subject : str
    reason : str
        Stands in the revoked rows; "" writes that the consent was withdrawn.
    who : str

    Returns
    -------
    dict
        ``labels`` revoked, ``snapshots`` retired.

    Raises
    ------
    NotFound, Conflict
        Nobody has this pseudonym; a session of theirs is running.
    """
    why = f"consent withdrawn{': ' + reason if reason else ''}"
    now = clock.utc_now()
    async with service.database.write() as connection:
        await subject_row(connection, subject)
        await _refuse_running(connection, service, subject)
        await connection.execute(sa.update(subjects).where(subjects.c.subject == subject).values(withdrawn_at=now))
        given = sa.update(consents).where(consents.c.subject == subject, consents.c.withdrawn_at.is_(None))
        await connection.execute(given.values(withdrawn_at=now))
        await _close_sessions(connection, subject, why)
        await audit(connection, who, "consent withdrawn", subject, reason)
    n_labels = await _revoke(service, subject, why)
    return {"subject": subject, "labels": n_labels, "snapshots": await _retire_snapshots(service, subject, why, who)}


async def erase(service: Service, subject: str, who: str) -> dict[str, Any]:
    """Erase what is kept of a subject: recordings, checkpoints, exports, contents of labels, what was shown when, journals' texts.

    Returns
    -------
    dict
        ``recordings`` (identities), ``files`` removed here, ``labels`` erased, ``snapshots`` and ``decoders`` retired. Doing it again is
        harmless, and removes what has come since.

    Raises
    ------
    NotFound, Conflict
        Nobody has this pseudonym; a session of theirs is running, or a file cannot be removed.
    """
    async with service.database.write() as connection:
        row = await subject_row(connection, subject)
        await _refuse_running(connection, service, subject)
        if row["erasing_since"] is None:
            await audit(connection, who, "erasure asked for", subject)
        asked = {"erasing_since": row["erasing_since"] or clock.utc_now(), "erased_at": None}
        await connection.execute(sa.update(subjects).where(subjects.c.subject == subject).values(asked))
        await _close_sessions(connection, subject, ERASED)
    try:
        return await _carry_out(service, subject, who)
    except OSError as error:
        raise Conflict(f"{error.filename or 'A file'} cannot be removed: {error.strerror}.", "Mend that and ask again: the erasure then goes on.") from error


async def finish_erasures(service: Service) -> None:
    """Bring erasures to their end that a server did not finish before it stopped."""
    async with service.database.read() as connection:
        query = sa.select(subjects.c.subject).where(subjects.c.erasing_since.is_not(None), subjects.c.erased_at.is_(None))
        waiting = list((await connection.execute(query)).scalars())
    for subject in waiting:
        try:
            await _carry_out(service, subject, "server, at its start")
        except (OSError, sa.exc.SQLAlchemyError) as error:
            log.error("The erasure of subject %s could not be finished: %s. Ask for it again when that is mended.", subject, error)


async def _carry_out(service: Service, subject: str, who: str) -> dict[str, Any]:
    # Snapshots are looked for while the rows still tell which of them held something; so the contents go after that.
    revoked = await _revoke(service, subject, ERASED)
    retired = await _retire_snapshots(service, subject, ERASED, who)
    settings = service.settings
    async with service.database.read() as connection:
        session_ids = await _sessions_of(connection, subject)
        query = sa.select(recordings.c.recording_id).join(sessions, sessions.c.session_id == recordings.c.session_id).where(sessions.c.subject == subject)
        recording_ids = sorted((await connection.execute(query)).scalars())
    decoders = await asyncio.to_thread(
        retire_decoders_of, subject, settings.decoders_dir, settings.data_dir / "reports", f"it was fitted on {subject}, whose data were erased"
    )
    files = await asyncio.to_thread(erase_files, settings.data_dir, subject, recording_ids)
    n_labels = 0
    for session_id in session_ids:
        async with service.database.write() as connection:
            n_labels += await erase_labels(connection, session_id)
            await connection.execute(sa.delete(outbox).where(outbox.c.session_id == session_id))
            await connection.execute(sa.delete(trials).where(trials.c.session_id == session_id))
            await connection.execute(sa.update(session_events).where(session_events.c.session_id == session_id).values(text=""))
    await service.database.forget_deleted()
    found = {"subject": subject, "recordings": recording_ids, "files": files, "labels": n_labels, "snapshots": retired, "decoders": decoders}
    async with service.database.write() as connection:
        await connection.execute(sa.update(consents).where(consents.c.subject == subject).values(note=""))
        await connection.execute(sa.update(subjects).where(subjects.c.subject == subject).values(erased_at=clock.utc_now()))
        told = f"{n_labels} labels ({revoked} revoked now), {len(files)} files, {len(retired)} snapshots, {len(decoders)} decoders"
        await audit(connection, who, "erased", subject, told)
    service.switchboard.changed.ring()
    return found


async def _sessions_of(connection: AsyncConnection, subject: str) -> list[str]:
    query = sa.select(sessions.c.session_id).where(sessions.c.subject == subject).order_by(sessions.c.created_at)
    return list((await connection.execute(query)).scalars())


async def _close_sessions(connection: AsyncConnection, subject: str, reason: str) -> None:
    await connection.execute(sa.update(sessions).where(sessions.c.subject == subject).values(withdrawn=reason))


async def _refuse_running(connection: AsyncConnection, service: Service, subject: str) -> None:
    """Refuse while something of the subject is being recorded.

    Raises
    ------
    Conflict
        A session runs, or its recording has not ended.
    """
    link = service.switchboard.lab
    own = link.own_session if link is not None else None
    live = sa.and_(sessions.c.state.in_([s.value for s in LIVE]), sa.or_(~sessions.c.self_run, sessions.c.session_id == (own or "")))
    ending = sa.and_(sessions.c.recording == "stopping", sa.true() if link is not None else sa.false())
    query = sa.select(sessions.c.session_id).where(sessions.c.subject == subject, sa.or_(live, ending))
    running = (await connection.execute(query)).scalars().first()
    if running is not None:
        raise Conflict(f"The session {running} of '{subject}' is running, or its recording has not ended.", "Finish or abort it, then ask again.")


async def _revoke(service: Service, subject: str, reason: str) -> int:
    async with service.database.read() as connection:
        session_ids = await _sessions_of(connection, subject)
    n_labels = 0
    for session_id in session_ids:
        async with service.database.write() as connection:
            rows = await revoke_labels(connection, session_id, reason)
        count_rows(service, rows)
        await service.switchboard.tell_rows(rows)
        n_labels += len(rows)
    return n_labels


async def _retire_snapshots(service: Service, subject: str, reason: str, who: str) -> list[dict[str, Any]]:
    """Retire every snapshot that held a label of the subject; the same request at the log's end now succeeds it."""
    folder = service.settings.data_dir
    store = SnapshotStore(service.database, folder / "snapshots", folder / "tokenizers", service.builds)
    async with service.database.read() as connection:
        whole = (await connection.execute(sa.select(snapshots).where(snapshots.c.gone_at.is_(None)).order_by(snapshots.c.created_at))).mappings().all()
        held = []
        for row in whole:
            request = SnapshotRequest.model_validate(row["request"])
            inside = sa.select(labels.c.seq).where(fitting(request, row["until"]), labels.c.subject == subject).limit(1)
            if (await connection.execute(inside)).first() is not None:
                held.append((str(row["snapshot_id"]), request))
    retired = []
    for snapshot_id, request in held:
        successor, _ = await store.make(request.model_copy(update={"until": None}), None, who)
        await store.retire(snapshot_id, successor, reason)
        retired.append({"snapshot_id": snapshot_id, "successor": successor})
    return retired
