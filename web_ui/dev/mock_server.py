"""A stand-in for the session server, for work on the pages alone: made-up sessions, signals and rewards.

Not part of the bundle and not of any installation's path. Run from the repository's root after ``npm run build``:
``python -m web_ui.dev.mock_server --port 8765`` and open ``http://127.0.0.1:8765/?token=mock``. Every message is checked
against the models of `messaging.pages`, both ways.
"""  # noqa: INP001 - outside the import contracts

import argparse
import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from messaging.lab import ChannelImpedance, ChannelQuality, ClockPing, ClockPong, StreamQuality
from messaging.pages import (
    Onsets,
    OnsetsAck,
    OperatorAlarm,
    OperatorCommand,
    OperatorDown,
    OperatorImpedance,
    OperatorQuality,
    OperatorUp,
    Pause,
    Ready,
    Resume,
    SubjectDown,
    SubjectHello,
    SubjectUp,
    SubjectWelcome,
)
from messaging.records import Chunk, encode_record
from messaging.rewards import CommittedRewards, Refusal, RefusalCode
from messaging.words import Source
from web_ui import static_dir
from web_ui.dev.mock_session import CHANNELS, PREVIEW_HZ, PREVIEW_STEP_S, RATE_HZ, TEXTS, Mock, next_trial


def build(mock: Mock) -> FastAPI:
    """The stand-in as an application."""
    app = FastAPI()

    @app.post("/api/v1/login")
    async def login(request: Request) -> JSONResponse:
        if (await request.json()).get("token") != "mock":
            return JSONResponse(
                {
                    "title": "The token is not known.",
                    "detail": "It may be from an earlier start of the server.",
                    "remedy": "Open the address that rlhb printed last.",
                },
                401,
                media_type="application/problem+json",
            )
        answer = JSONResponse({})
        answer.set_cookie("rlhb", "mock", httponly=True, samesite="strict")
        return answer

    @app.get("/api/v1/sessions")
    async def sessions() -> dict[str, Any]:
        row = {
            "subject": "S-07",
            "protocol": "token_rsvp",
            "created_at": datetime.now(UTC).isoformat(),
            "labels": len(mock.rows),
            "labels_ok": len(mock.rows) - 4,
        }
        return {
            "items": [
                {"session_id": "first-session", "state": mock.state, "source": mock.source.value, **row},
                {"session_id": "replay-of-rec-0003", "state": "finished", "source": "replay", **row},
            ]
        }

    @app.get("/api/v1/labels")
    async def labels(after: int = 0, limit: int = 100) -> dict[str, Any]:
        return {"items": mock.rows[after : after + limit], "high_watermark": len(mock.rows), "has_more": False, "next_cursor": ""}

    @app.websocket("/ws/v1/sessions/{session_id}/operator")
    async def operator(socket: WebSocket, session_id: str) -> None:
        await socket.accept()
        OperatorUp.validate_json(await socket.receive_text())
        listening = asyncio.create_task(_listen_to_operator(mock, socket))
        sending = [asyncio.create_task(part) for part in (_send_states(mock, socket), _send_previews(mock, socket))]
        await asyncio.wait([listening, *sending], return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, *sending):
            task.cancel()

    @app.websocket("/ws/v1/sessions/{session_id}/subject")
    async def subject(socket: WebSocket, session_id: str) -> None:
        await socket.accept()
        try:
            await _serve_subject(mock, socket)
        except WebSocketDisconnect:
            pass
        finally:
            if mock.page is socket:
                mock.page = None

    folder = static_dir()
    if folder is not None:
        app.mount("/assets", StaticFiles(directory=folder / "assets"))

        @app.get("/{path:path}")
        async def page(path: str) -> FileResponse:
            return FileResponse(folder / "index.html")

    return app


async def _listen_to_operator(mock: Mock, socket: WebSocket) -> None:
    words = {"start": "running", "pause": "paused", "resume": "running", "finish": "finished", "abort": "aborted"}
    while True:
        message = OperatorUp.validate_json(await socket.receive_text())
        if isinstance(message, OperatorCommand):
            _obey(mock, message)
            mock.state = words.get(message.command, mock.state)
            await socket.send_text(OperatorDown.dump_json(mock.operator_state()).decode())


def _obey(mock: Mock, message: OperatorCommand) -> None:
    mock.commands.append(message.command)
    mock.note(message.command, message.text, "operator")
    match message.command:
        case "hold":
            mock.held = message.text or "held by the operator"
        case "release":
            mock.held = None
        case "measure_impedance":
            mock.impedance_from = time.monotonic()
        case "stop_impedance":
            mock.impedance_from = None
        case "comment" if message.text == "bus away":
            mock.stalled_since = mock.notes[-1].at


def _impedance(mock: Mock) -> OperatorImpedance | None:
    """One more channel every half second."""
    if mock.impedance_from is None:
        return None
    done = int((time.monotonic() - mock.impedance_from) / 0.5)
    kohm = [4 + 3 * (k % 5) + (70 if k == 9 else 0) for k in range(len(CHANNELS))]
    channels = tuple(ChannelImpedance(name=n, impedance_kohm=kohm[k] if k < done else None, bad=k < done and kohm[k] > 50) for k, n in enumerate(CHANNELS))
    return OperatorImpedance(measuring=CHANNELS[done] if done < len(CHANNELS) else None, channels=channels)


async def _send_states(mock: Mock, socket: WebSocket) -> None:
    quality = [ChannelQuality(name=name, rms_uv=12 + k, mains_ratio=0.01 * k, emg_ratio=0.2) for k, name in enumerate(CHANNELS)]
    quality[1] = ChannelQuality(name="Fp2", rms_uv=0.1, flat=True, bad=True, reasons=("flat: 0.1 uV peak to peak, limit 0.5 uV",))
    quality[6] = ChannelQuality(name="C3", rms_uv=18, mains_ratio=0.02, emg_ratio=0.2, bridged_with="Cz", bad=True, reasons=("bridged with Cz",))
    reasons = ("mains 80 % of the power, limit 50 %", "RMS 214 uV, limit 100 uV")
    quality[15] = ChannelQuality(name="PO8", rms_uv=214, mains_ratio=0.8, emg_ratio=0.4, bad=True, reasons=reasons)
    stream = StreamQuality(loss_fraction=0.0003, jitter_ms=3.1, drift_ppm=-12, sample_age_ms=38, blinks_per_min=14)
    alarm = OperatorAlarm(
        what="loss", sentence="1.4 % of the samples of the last minute were lost. Bring the dongle closer to the head.", at=datetime.now(UTC).isoformat()
    )
    await socket.send_text(OperatorDown.dump_json(alarm).decode())
    while True:
        await socket.send_text(OperatorDown.dump_json(mock.operator_state()).decode())
        await socket.send_text(OperatorDown.dump_json(OperatorQuality(channels=tuple(quality), stream=stream)).decode())
        impedance = _impedance(mock)
        if impedance is not None:
            await socket.send_text(OperatorDown.dump_json(impedance).decode())
        fresh = mock.advance()
        if fresh:
            await socket.send_text(OperatorDown.dump_json(CommittedRewards(session_id="first-session", items=tuple(fresh))).decode())
        await asyncio.sleep(0.45)


async def _send_previews(mock: Mock, socket: WebSocket) -> None:
    rng = np.random.default_rng(1)
    slow = np.zeros(len(CHANNELS))
    mixing = 0.55 + 0.45 * rng.standard_normal((len(CHANNELS), len(CHANNELS))) / 2
    slot = int((time.monotonic() - mock.started + 30) * PREVIEW_HZ)
    while True:
        await asyncio.sleep(PREVIEW_STEP_S)
        target = int((time.monotonic() - mock.started + 30) * PREVIEW_HZ)
        samples = np.empty((target - slot, len(CHANNELS)), dtype=np.float32)
        for k in range(target - slot):
            t = (slot + k) / PREVIEW_HZ
            slow = 0.93 * slow + 1.6 * (mixing @ rng.standard_normal(len(CHANNELS)))
            alpha = 9 * math.sin(2 * math.pi * 10.2 * t) * (0.5 + 0.5 * math.sin(0.9 * t)) * np.linspace(0.05, 1.4, len(CHANNELS))
            blink = 110 * math.exp(-(((t % 4.7) - 2) ** 2) / 0.012) * np.exp(-np.arange(len(CHANNELS)) / 1.6)
            samples[k] = slow + alpha + blink + rng.standard_normal(len(CHANNELS)) * 2 + 30
        samples[:, 1] = 0
        await socket.send_bytes(encode_record(Chunk(ordinal=2, sample_index=int(slot * RATE_HZ / PREVIEW_HZ), time_lsl_s=slot / PREVIEW_HZ, samples=samples)))
        slot = target


async def _serve_subject(mock: Mock, socket: WebSocket) -> None:
    async def send(message: Any) -> None:
        await socket.send_text(SubjectDown.dump_json(message).decode())

    while True:
        message = SubjectUp.validate_json(await socket.receive_text())
        if isinstance(message, SubjectHello):
            if mock.page is not None and not message.take_over:
                await send(Refusal(reason="Another page shows this session.", remedy="Close it, or use this page instead.", code=RefusalCode.CONFLICT))
                await socket.close(4409)
                return
            if mock.page is not None:
                await mock.page.send_text(
                    SubjectDown.dump_json(Refusal(reason="Another page has taken over this session.", remedy="Go on there, or use this page instead.")).decode()
                )
                await mock.page.close(4409)
            mock.page = socket
            await send(SubjectWelcome(session_id="first-session", protocol="token_rsvp", n_trials=len(TEXTS), trials_done=mock.subject_trial))
        elif isinstance(message, ClockPing):
            now = time.monotonic()
            await send(ClockPong(t0=message.t0, t1=now, t2=time.monotonic()))
        elif isinstance(message, Onsets):
            mock.batches.append(message)
            mock.subject_trial += message.trial_ended or message.aborted
            await send(OnsetsAck(page_life=message.page_life, batch=message.batch))
        elif isinstance(message, Ready):
            await send(next_trial(mock))
        elif isinstance(message, Pause):
            await send(Pause(reason=message.reason))
        elif isinstance(message, Resume):
            await send(Resume())


def main() -> None:
    """Serve on loopback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--source", type=Source, default=Source.SIMULATED)
    words = parser.parse_args()
    uvicorn.run(build(Mock(words.source)), host="127.0.0.1", port=words.port, log_level="warning")


if __name__ == "__main__":
    main()
