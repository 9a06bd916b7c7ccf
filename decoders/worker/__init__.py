"""The decoder worker: takes the log from the bus, gives rewards to the session server. The one part of this room that does I/O."""

from decoders.worker.plan import WorkerPlan
from decoders.worker.worker import Worker

__all__ = ["Worker", "WorkerPlan"]
