"""Rewards that the server has not committed yet, in numbered batches."""

from collections import OrderedDict

from messaging.rewards import Reward, RewardBatch

LARGEST_BATCH = 500
IN_FLIGHT = 32
"""Batches sent and not acknowledged at a time: after a long absence of the server more would fill both sides' buffers."""


class Outbox:
    """Keeps batches until they are acknowledged, and knows up to which record everything is committed.

    Parameters
    ----------
    recording_id : str
    """

    def __init__(self, recording_id: str) -> None:
        self._recording_id = recording_id
        self._batches: OrderedDict[int, tuple[int, tuple[Reward, ...]]] = OrderedDict()
        self._number = 0
        self._taken = 0
        self._in_flight: set[int] = set()

    def put(self, rewards: list[Reward], ordinal: int) -> None:
        """Take the rewards of the records up to `ordinal`."""
        for k in range(0, len(rewards), LARGEST_BATCH):
            self._number += 1
            self._batches[self._number] = (self._taken, tuple(rewards[k : k + LARGEST_BATCH]))
        self._taken = ordinal

    def _batch(self, number: int, epoch: int) -> RewardBatch:
        return RewardBatch(batch=number, epoch=epoch, recording_id=self._recording_id, items=self._batches[number][1])

    def acknowledge(self, number: int) -> None:
        """Forget a batch that is committed."""
        self._batches.pop(number, None)
        self._in_flight.discard(number)

    def send_again(self) -> None:
        """Consider nothing as sent: the connection is a new one."""
        self._in_flight.clear()

    def next_batch(self, epoch: int) -> RewardBatch | None:
        """Return the oldest batch that is not in flight, and count it as sent; None when there is none, or enough are in flight."""
        if len(self._in_flight) >= IN_FLIGHT:
            return None
        number = next((n for n in self._batches if n not in self._in_flight), None)
        if number is None:
            return None
        self._in_flight.add(number)
        return self._batch(number, epoch)

    @property
    def number(self) -> int:
        """Number of the newest batch."""
        return self._number

    def committed_through(self, number: int) -> bool:
        """Whether every batch up to this number is acknowledged."""
        return not self._batches or next(iter(self._batches)) > number

    @property
    def progress(self) -> int:
        """Ordinal up to which all rewards are committed."""
        return next(iter(self._batches.values()))[0] if self._batches else self._taken

    @property
    def is_empty(self) -> bool:
        """Whether everything is committed."""
        return not self._batches
