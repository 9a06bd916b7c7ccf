"""From the ordered log to rewards: filters, windows, artifacts, decoders, calibration, gate and registry."""
