"""The worker process: looks for recordings on the bus and follows each of them."""

import asyncio
import logging

from decoders import kernels
from decoders.worker.following import Following
from decoders.worker.plan import WorkerPlan
from messaging.bus import ActiveRecording, Bus, BusError
from messaging.websocket import Refused
from recordings.errors import RecordingError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
RETRY_S = 0.5


class Worker:
    """Follows every announced recording that no other worker owns, until cancelled."""

    def __init__(self, plan: WorkerPlan) -> None:
        self._plan = plan
        self._bus = Bus(plan.bus_url)
        self._following: dict[str, asyncio.Task[None]] = {}
        self._given_up: set[str] = set()
        """Recordings whose file is damaged where it is needed."""

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        Refused
            The server refused the token.
        """
        kernels.warm_up()
        log.info("Decoder worker %s is ready.", self._plan.worker_id)
        away = False
        try:
            while True:
                try:
                    for recording in await self._bus.recordings():
                        self._follow(recording)
                    away = False
                except BusError as error:
                    if not away:
                        log.warning("%s", error)
                    away = True
                    await asyncio.sleep(RETRY_S)
                self._collect()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)
            await self._bus.close()

    def _follow(self, recording: ActiveRecording) -> None:
        if recording.recording_id not in self._following and recording.recording_id not in self._given_up:
            following = Following(self._plan, recording)
            self._following[recording.recording_id] = asyncio.create_task(following.run())

    def _collect(self) -> None:
        for recording_id, task in list(self._following.items()):
            if not task.done():
                continue
            del self._following[recording_id]
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Refused):
                raise error
            if isinstance(error, RecordingError):
                self._given_up.add(recording_id)
                log.error("%s Its labels stop before the damage. `rlhb relabel` decodes what can be read.", error)
                continue
            if error is not None:
                log.error("Recording %s: %s: %s. It is taken up again from its checkpoint.", recording_id, type(error).__name__, error, exc_info=error)
