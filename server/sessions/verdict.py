"""The outcome of a calibration: taken from the worker once, shown to the operator, and carried out where it needs no decision."""

from messaging.rewards import CalibrationResult, CalibrationTaken
from server.service import Service
from server.sessions.calibrating import course_of, keep, wish_of
from server.sessions.commands import apply_command
from server.sessions.store import note, session_row
from server.tables import recordings


async def take_result(service: Service, result: CalibrationResult) -> CalibrationTaken:
    """Take what a fit came to; one that is wanted no more is only confirmed.

    Notes
    -----
    A decoder that passed the gate becomes the session's, and the session is ready. One that did not leaves the decision to the operator: calibrate
    again, or go on with labels that are held.
    """
    async with service.database.write() as connection:
        found = (await connection.execute(recordings.select().where(recordings.c.recording_id == result.recording_id))).mappings().first()
        row = await session_row(connection, found["session_id"]) if found is not None else None
        course = course_of(row) if row is not None else None
        if row is None or course is None or wish_of(row, result.recording_id) is None:
            return CalibrationTaken(recording_id=result.recording_id)
        columns = {"decoder_name": result.name, "decoder_version": result.version}
        await keep(connection, row, course.model_copy(update={"result": result}), **columns)
        await note(connection, row["session_id"], "verdict", result.sentence, "worker")
        if result.released:
            await apply_command(connection, row["session_id"], "accept", f"{result.name}@{result.version} passed the gate", "server")
    service.switchboard.fits.pop(result.recording_id, None)
    service.switchboard.changed.ring()
    service.switchboard.outbox_grew.ring()
    return CalibrationTaken(recording_id=result.recording_id)
