"""The demo: the simulated subject reads the first item set, played by a page that nobody sees."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx

from messaging.records import DecoderRef
from messaging.websocket import Refused
from rlhb.headless_page import HeadlessPage

log = logging.getLogger(__name__)

ANNOTATION = "token_rsvp"
FIRST_RUN_SEED = 2
BETWEEN_SESSIONS_S = 3.0


@dataclass(frozen=True, slots=True)
class DemoSubject:
    """Who is simulated."""

    subject_seed: int = 1
    effect_scale: float = 1.0

    @property
    def pseudonym(self) -> str:
        """Name in sessions and labels."""
        return f"simulated-{self.subject_seed}"


class DemoSessions:
    """Creates sessions and plays their subject page, one after the other, until cancelled.

    Parameters
    ----------
    server_url, token : str
    subject : DemoSubject
    decoder : DecoderRef
    """

    def __init__(self, server_url: str, token: str, subject: DemoSubject, decoder: DecoderRef) -> None:
        self._url, self._token = server_url, token
        self._subject, self._decoder = subject, decoder
        self._seed = FIRST_RUN_SEED
        self.session_id: str | None = None

    async def create(self) -> str:
        """Create and start the next session; returns its id."""
        wish: dict[str, Any] = {
            "subject": self._subject.pseudonym,
            "protocol": ANNOTATION,
            "seed": self._seed,
            "decoder": f"{self._decoder.name}@{self._decoder.version}",
            "consent": "simulated",
            "start": True,
        }
        self._seed += 1
        async with httpx.AsyncClient(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=30) as client:
            await self._finish_earlier(client)
            answer = await client.post("/api/v1/sessions", json=wish)
            answer.raise_for_status()
            session_id: str = answer.json()["session_id"]
        self.session_id = session_id
        return session_id

    async def _finish_earlier(self, client: httpx.AsyncClient) -> None:
        """End the demo sessions that an earlier start was stopped in."""
        for state in ("running", "paused"):
            answer = await client.get("/api/v1/sessions", params={"state": state})
            answer.raise_for_status()
            for session in answer.json()["items"]:
                if session["subject"] == self._subject.pseudonym and not session["self_run"]:
                    await client.post(f"/api/v1/sessions/{session['session_id']}/finish", json={"text": "the demo was started again"})

    async def play(self) -> None:
        """Play the present session, then create and play another one, for ever."""
        while True:
            assert self.session_id is not None
            try:
                await HeadlessPage(self._url, self._token, self.session_id).run()
            except Refused as error:
                log.warning("The demo no longer plays session %s: %s Start again for another.", self.session_id, error)
                return
            log.info("Session %s is over; the next one begins.", self.session_id)
            await self._create_when_possible()

    async def _create_when_possible(self) -> None:
        """Create the next session; a server that is away or busy is asked again."""
        while True:
            await asyncio.sleep(BETWEEN_SESSIONS_S)
            try:
                await self.create()
            except httpx.HTTPError as error:
                log.info("The next demo session has to wait: %s", error)
            else:
                return
