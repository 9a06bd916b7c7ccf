"""The command line and the supervisor: the one place that wires the rooms together."""
