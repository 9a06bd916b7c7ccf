"""Following one recording: lease, records from the bus or the file, decoding, rewards until committed, checkpoints."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from decoders.online import OnlineDecoder
from decoders.spec import DecoderError
from decoders.worker.calibrating import fit_calibration_of
from decoders.worker.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from decoders.worker.outbox import Outbox
from decoders.worker.plan import WorkerPlan
from messaging.bus import ActiveRecording, Bus, BusError
from messaging.records import End, LogOrder, Record, decode_record
from messaging.rewards import (
    CalibrationProgress,
    CalibrationTaken,
    CalibrationWish,
    Fenced,
    Refusal,
    Reward,
    RewardAck,
    RewardsDown,
    WorkerHello,
    WorkerWelcome,
)
from messaging.tasks import side_by_side
from messaging.websocket import ReconnectingSocket
from recordings.log import LogReader

log = logging.getLogger(__name__)

LEASE_MS = 3000
BLOCK_MS = 500
RETRY_S = 0.2
CHECKPOINT_EVERY_S = 5.0
TELL_EVERY_S = 1.0
TELL_AGAIN_S = 3.0
BACKFILL_RECORDS = 256


class LeaseLost(Exception):  # noqa: N818 - an expected turn, not a fault
    """Another worker owns the recording now."""


class LogCut(Exception):  # noqa: N818 - a power cut at the daemon's, not a fault of ours
    """The log ends before what was decoded: the disk of the recording lost its last records, and other ones follow."""


class Following:
    """Owns one recording from its lease to its end.

    Parameters
    ----------
    plan : WorkerPlan
    recording : ActiveRecording
    """

    def __init__(self, plan: WorkerPlan, recording: ActiveRecording) -> None:
        self._plan, self._recording = plan, recording
        self._bus = Bus(plan.bus_url)
        self._decoder = OnlineDecoder(plan.load_decoder)
        self._order = LogOrder()
        self._outbox = Outbox(recording.recording_id)
        self._epoch = 0
        url = plan.server_url.replace("http", "ws", 1).rstrip("/") + "/ws/v1/rewards"
        self._socket = ReconnectingSocket(url, plan.token, self._open, self._message)
        self._checkpoint_file = checkpoint_path(plan.data_dir, recording.recording_id)
        self._waiting_checkpoint: tuple[int, Checkpoint] | None = None
        self._checkpointed_s = time.monotonic()
        self._acknowledged = asyncio.Event()
        self._ended = False
        self._welcomed = False
        self._told_progress = -1
        self._told_s = 0.0
        self._looked_s = 0.0
        self._calibration: CalibrationWish | None = None
        """What is to be fitted when the recording has ended."""
        self._result_taken = asyncio.Event()
        self._heard = asyncio.Event()
        """The server has said at least once what it wants of this recording."""
        self._cut: str | None = None
        """The last cut of the log that what we have decoded stands behind."""

    async def run(self) -> None:
        """Follow until the end is committed, or another worker took over."""
        try:
            if not await self._take_lease():
                await asyncio.sleep(LEASE_MS / 1e3 / 6)
                return
            self._cut = await self._bus.cut(self._recording.recording_id)
            self._restore()
            await side_by_side(self._socket.run(), self._keep_lease(), self._consume())
            if self._ended:
                await self._bus.forget(self._recording.recording_id)
                self._checkpoint_file.unlink(missing_ok=True)
                log.info("Recording %s is decoded and committed to its end.", self._recording.recording_id)
            await self._bus.drop_lease(self._recording.recording_id, self._plan.worker_id)
        except LogCut as cut:
            log.warning("%s", cut)
            self._checkpoint_file.unlink(missing_ok=True)
            await self._bus.drop_lease(self._recording.recording_id, self._plan.worker_id)
        except LeaseLost:
            log.warning("Recording %s is followed by another worker now.", self._recording.recording_id)
        finally:
            await self._bus.close()

    # ------------------------------------------------------------ lease

    async def _take_lease(self) -> bool:
        found = load_checkpoint(self._checkpoint_file)
        epoch = await self._bus.take_lease(self._recording.recording_id, self._plan.worker_id, found.epoch if found else 0, LEASE_MS)
        self._epoch = epoch or 0
        return epoch is not None

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 1e3 / 3)
            try:
                if not await self._bus.renew_lease(self._recording.recording_id, self._plan.worker_id, LEASE_MS):
                    await self._retake_lease(self._epoch)
            except BusError as error:
                log.debug("%s", error)

    async def _retake_lease(self, at_least: int) -> None:
        """The lease is gone: expired while we were stopped, or the bus lost it. Whoever comes first has it."""
        epoch = await self._bus.take_lease(self._recording.recording_id, self._plan.worker_id, at_least, LEASE_MS)
        if epoch is None:
            raise LeaseLost
        self._epoch = epoch

    # ------------------------------------------------------------ records in

    def _restore(self) -> None:
        found = load_checkpoint(self._checkpoint_file)
        if found is None:
            return
        if self._cut is not None and found.cut != self._cut:
            log.warning("The checkpoint of recording %s was taken before a power cut. It is decoded again from its start.", self._recording.recording_id)
            return
        try:
            self._decoder.restore(found.values, found.arrays)
        except DecoderError as error:
            log.warning("The checkpoint of recording %s cannot be used (%s). It is decoded again from its start.", self._recording.recording_id, error)
            self._decoder = OnlineDecoder(self._plan.load_decoder)
            return
        self._order = LogOrder(found.ordinal)
        self._outbox.put([], found.ordinal)
        log.info("Recording %s goes on after record %d.", self._recording.recording_id, found.ordinal)

    async def _consume(self) -> None:
        while not self._ended:
            if time.monotonic() - self._told_s > TELL_EVERY_S:
                self._told_progress = -1  # a bus that was started again has forgotten it
            await self._tell_progress()
            try:
                if time.monotonic() - self._looked_s > TELL_EVERY_S:
                    self._looked_s = time.monotonic()
                    await self._check_not_cut()
                rows = await self._bus.read(self._recording.recording_id, self._order.last, BLOCK_MS)
            except BusError:
                await asyncio.sleep(RETRY_S)
                continue
            if rows and rows[0][0] > self._order.last + 1:
                await self._backfill(before=rows[0][0])
            await self._feed([decode_record(raw) for _, raw in rows], late=False)
        while not self._outbox.is_empty:
            self._acknowledged.clear()
            await self._acknowledged.wait()
        await self._tell_progress()
        await self._heard.wait()  # a worker that took over at the very end does not know yet whether a fit is wanted
        if self._calibration is not None:
            await self._calibrate(self._calibration)

    async def _calibrate(self, wish: CalibrationWish) -> None:
        """Fit the decoder that the server asked for, and tell until it has taken the outcome; killed before that, it is fitted anew."""

        async def tell(progress: CalibrationProgress) -> None:
            await self._socket.send(progress.model_dump_json())

        result = await fit_calibration_of(self._plan.fit_command, Path(self._recording.path), wish, tell)
        while not self._result_taken.is_set():
            await self._socket.send(result.model_dump_json())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._result_taken.wait(), TELL_AGAIN_S)

    async def _check_not_cut(self) -> None:
        cut = await self._bus.cut(self._recording.recording_id)
        if cut is not None and cut != self._cut:
            raise LogCut(f"A power cut took the last records of recording {self._recording.recording_id}: it is decoded again from its file.")

    async def _backfill(self, before: int) -> None:
        """Decode from the recording what the bus no longer has: same kernel, marked late."""
        log.info("Recording %s: records %d to %d are read from the file.", self._recording.recording_id, self._order.last + 1, before - 1)
        with LogReader(Path(self._recording.path), after_ordinal=self._order.last) as reader:
            while self._order.last + 1 < before:
                records = [r for r in reader.read_new(BACKFILL_RECORDS) if r.ordinal < before]
                if not records:
                    break
                await self._feed(records, late=True)
                await asyncio.sleep(0)

    async def _feed(self, records: list[Record], late: bool) -> None:
        self._decoder.late = late
        rewards: list[Reward] = []
        for record in records:
            if self._order.take(record):
                rewards += self._decoder.receive(record)
                self._ended = isinstance(record, End)
        if records:
            self._outbox.put(rewards, self._order.last)
            await self._send()
            await self._maybe_checkpoint()
            await self._tell_progress()

    # ------------------------------------------------------------ rewards out

    async def _open(self, socket: ReconnectingSocket) -> None:
        self._welcomed = False
        hello = WorkerHello(
            worker_id=self._plan.worker_id,
            recording_id=self._recording.recording_id,
            session_id=self._recording.session_id,
            decoders=self._decoder.statements,
        )
        await socket.send(hello.model_dump_json())

    async def _message(self, raw: str | bytes) -> None:
        try:
            message = RewardsDown.validate_json(raw)
        except ValidationError:
            log.error("The server sent a message this worker does not know; check that both are of one version.")
            return
        match message:
            case WorkerWelcome():
                self._calibration = message.calibration
                self._heard.set()
                await self._welcome(message.epoch)
            case CalibrationTaken():
                self._result_taken.set()
            case RewardAck():
                self._outbox.acknowledge(message.batch)
                self._acknowledged.set()
                await self._send()
                await self._maybe_checkpoint()
                await self._tell_progress()
            case Fenced():
                raise LeaseLost
            case Refusal():
                log.error("The server refused: %s %s", message.reason, message.remedy)
            case _:
                pass

    async def _welcome(self, seen_epoch: int) -> None:
        """Go above every epoch that the server has seen, but only as the owner of the lease; then send what is not committed."""
        if seen_epoch >= self._epoch:
            if not await self._bus.renew_lease(self._recording.recording_id, self._plan.worker_id, LEASE_MS):
                await self._retake_lease(seen_epoch)
            self._epoch = max(self._epoch, seen_epoch + 1)
        self._outbox.send_again()
        self._welcomed = True
        await self._send()

    async def _send(self) -> None:
        """Send what may be sent; the rest follows the acknowledgements."""
        while self._welcomed and (batch := self._outbox.next_batch(self._epoch)) is not None:
            if not await self._socket.send(batch.model_dump_json()):
                return

    async def _tell_progress(self) -> None:
        progress = self._outbox.progress
        if progress != self._told_progress:
            try:
                await self._bus.set_progress(self._recording.recording_id, progress)
                self._told_progress = progress
                self._told_s = time.monotonic()
            except BusError as error:
                log.debug("%s", error)

    async def _maybe_checkpoint(self) -> None:
        """Every few seconds take the state, and write it once everything before it is committed."""
        if self._waiting_checkpoint is not None and self._outbox.committed_through(self._waiting_checkpoint[0]):
            _, checkpoint = self._waiting_checkpoint
            self._waiting_checkpoint = None
            await asyncio.to_thread(save_checkpoint, self._checkpoint_file, checkpoint)
        elif self._waiting_checkpoint is None and time.monotonic() - self._checkpointed_s > CHECKPOINT_EVERY_S:
            self._checkpointed_s = time.monotonic()
            values, arrays = self._decoder.state()
            self._waiting_checkpoint = (self._outbox.number, Checkpoint(self._order.last, self._epoch, values, arrays, self._cut))
