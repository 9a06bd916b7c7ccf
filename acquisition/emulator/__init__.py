"""Boards that are not there: the serial protocol of OpenBCI's boards on a pseudo-terminal, with the faults that real ones have."""
