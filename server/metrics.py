"""Numbers for Prometheus, in a registry of their own, so that two servers in one process do not mix."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Counters and gauges of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.labels = Counter("rlhb_labels_committed", "Label rows committed to the log", ["release"], registry=self.registry)
        self.duplicates = Counter("rlhb_labels_repeated", "Rewards that were in the log already", registry=self.registry)
        self.fenced = Counter("rlhb_batches_fenced", "Reward batches refused because a newer worker took over", registry=self.registry)
        self.onsets = Counter("rlhb_onsets_taken", "Unit onsets taken from subject pages", registry=self.registry)
        self.connections = Gauge("rlhb_connections", "Open websockets", ["kind"], registry=self.registry)
        self.head = Gauge("rlhb_label_log_seq", "Last seq of the label log", registry=self.registry)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
