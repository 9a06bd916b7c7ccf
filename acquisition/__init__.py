"""Boards, the sample clock, the sequencer and the daemon that writes the ordered log."""
