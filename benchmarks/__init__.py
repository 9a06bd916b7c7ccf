"""Benchmarks: our figures beside a peer's, measured in one run on one machine (`rlhb bench NAME`)."""
