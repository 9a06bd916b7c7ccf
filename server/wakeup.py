"""Wake-ups inside the process: somebody waits until something has changed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Wakeup:
    """A bell that many may listen to; ringing it twice before somebody looks is the same as once."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Wake everybody who listens."""
        for event in self._listeners:
            event.set()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """Give an event that is set at every ring; clear it before looking, so that no ring is missed."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)


async def rung(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for a ring; False when `timeout_s` passed without one."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
