"""Measuring electrode impedance on the live board: moves the test current from channel to channel while samples stream."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from acquisition.board import AcquisitionError, Board, BoardChunk, BoardError
from acquisition.impedance import ImpedanceSweep
from messaging.lab import LabImpedance, MeasureImpedance


@runtime_checkable
class LeadOffBoard(Protocol):
    """A board that can send a test current through an electrode."""

    async def impedance_start(self, channel: str) -> None:
        """Send the test current through one channel's electrode."""
        ...

    async def impedance_stop(self) -> None:
        """End the test current."""
        ...


class ImpedanceRun:
    """Measures while asked to.

    Parameters
    ----------
    board : Board
    tell : coroutine function
        Takes what is to be told to the operator.
    """

    def __init__(self, board: Board, tell: Callable[[LabImpedance], Awaitable[object]]) -> None:
        self._board, self._tell = board, tell
        self._sweep: ImpedanceSweep | None = None
        self._one_at_a_time = asyncio.Lock()
        """A stop must not overtake the move of the current to the next channel: it would stay on there, unnoticed."""

    async def command(self, command: MeasureImpedance) -> None:
        """Begin with the channels named, or end.

        Raises
        ------
        AcquisitionError
            The board measures no impedance, has no such channel, or has gone.
        """
        async with self._one_at_a_time:
            await self._end()
            if command.on:
                await self._begin(command)

    async def _begin(self, command: MeasureImpedance) -> None:
        sweep = ImpedanceSweep(self._board.profile, command.channels)
        if not isinstance(self._board, LeadOffBoard):
            raise BoardError(f"Board {self._board.profile.title} offers no measurement of electrode impedance. Check the electrodes by the signal quality.")
        await self._board.impedance_start(sweep.measuring)
        self._sweep = sweep

    async def take(self, chunks: Sequence[BoardChunk]) -> None:
        """Look at new samples; raises AcquisitionError when the board has gone."""
        if self._sweep is None:
            return
        async with self._one_at_a_time:
            await self._take(chunks)

    async def _take(self, chunks: Sequence[BoardChunk]) -> None:
        for chunk in chunks:
            step = self._sweep.add(chunk) if self._sweep is not None else None
            if step is None:
                continue
            await self._tell(step.message)
            if step.next_channel is not None and isinstance(self._board, LeadOffBoard):
                await self._board.impedance_start(step.next_channel)

    async def end(self) -> None:
        """End the measurement, if there is one; a board that has gone has lost the test current too."""
        async with self._one_at_a_time:
            await self._end()

    async def _end(self) -> None:
        sweep, self._sweep = self._sweep, None
        if sweep is None:
            return
        await self._tell(sweep.ended())
        if isinstance(self._board, LeadOffBoard):
            try:
                await self._board.impedance_stop()
            except AcquisitionError:
                return
