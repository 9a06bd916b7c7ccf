"""Fitting the decoder of a live calibration: the lab's own command, in a process of low priority beside the decoding."""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from messaging.rewards import CalibrationProgress, CalibrationResult, CalibrationWish, GateLine

log = logging.getLogger(__name__)

NICENESS = 10
LONGEST_LINE = 1 << 20
WRONG, RIGHT = "unit/wrong", "unit/right"

Tell = Callable[[CalibrationProgress], Awaitable[object]]


async def fit_calibration_of(command: tuple[str, ...], path: Path, wish: CalibrationWish, tell: Tell) -> CalibrationResult:
    """Fit a decoder on a calibration's recording.

    Parameters
    ----------
    command : tuple of str
        What fits (`WorkerPlan.fit_command`).
    path : Path
        The recording, which has ended.
    wish : CalibrationWish
    tell : callable
        Told how far it is, at every step.

    Returns
    -------
    CalibrationResult
        Of a fit that failed: its sentence, and no decoder.
    """
    if not command:
        return _failed(wish, "This worker fits no decoders. Start it with `rlhb decode`.")
    arguments = [str(path), "--positive", WRONG, "--negative", RIGHT, "--marks-of-server", wish.item_set, "--out", wish.name, "--json", "--tell-progress"]
    try:
        process = await asyncio.create_subprocess_exec(*command, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=LONGEST_LINE)
    except OSError as error:
        return _failed(wish, f"The fit could not be started: {error}.")
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        answer, sentence = await asyncio.gather(process.stdout.read(), _follow(process.stderr, wish, tell))
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0:
        return _failed(wish, sentence or f"The fit ended with status {status}.")
    return _result(wish, answer)


async def _follow(stream: asyncio.StreamReader, wish: CalibrationWish, tell: Tell) -> str:
    """Pass progress on; returns the last line that was none."""
    last = ""
    async for raw in stream:
        line = raw.decode(errors="replace").strip()
        try:
            found = json.loads(line)
            await tell(CalibrationProgress(recording_id=wish.recording_id, what=found["what"], fraction=min(1.0, max(0.0, found["fraction"]))))
        except (ValueError, TypeError, KeyError):
            last = line or last
    return last


def _failed(wish: CalibrationWish, sentence: str) -> CalibrationResult:
    log.error("The calibration %s gave no decoder: %s", wish.recording_id, sentence)
    return CalibrationResult(recording_id=wish.recording_id, sentence=f"No decoder was fitted. {sentence}"[:2000])


def _result(wish: CalibrationWish, answer: bytes) -> CalibrationResult:
    try:
        found = json.loads(answer)
        low, high = found["auc_ci95"] or (float("nan"), float("nan"))
        named = f"{found['name']}@{found['version']}, held-out AUC {found['auc']:.2f} (95 % interval {low:.2f} to {high:.2f})"
        failed = [line for line in found["gate"] if line["verdict"] == "failed"]
        verdict = "passed the gate: its labels are released." if found["released"] else "did not pass the gate: its labels would be held."
        why = " " + " ".join(line["sentence"] for line in failed[:2]) if failed and not found["released"] else ""
        return CalibrationResult(
            recording_id=wish.recording_id,
            name=found["name"],
            version=found["version"],
            released=found["released"],
            auc=found["auc"],
            auc_ci95=found["auc_ci95"],
            gate=tuple(GateLine(name=line["name"], verdict=line["verdict"], sentence=line["sentence"]) for line in found["gate"]),
            sentence=f"{named}, {verdict}{why}"[:2000],
        )
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        return _failed(wish, f"The fit gave no readable answer ({error}).")
