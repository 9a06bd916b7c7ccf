"""The gate: whether labels of a decoder may be learnt from, judged on llr of blocks that decoder and calibration never saw.

Release needs three lines, each at one-sided 95 %: information gain, calibration slope, permutation. `needed` may name more:
`detection_j` is needed where a verdict is thresholded. Further lines (`further_lines`) ask whether something else than the brain's
answer could have made the score: the eyes, the words themselves, the person's state, times and places where no answer can be, or
the procedure. One that fails holds the labels; one that could not be assessed is listed and has to be accepted by somebody.
"""

from decoders.gate.further import further_lines
from decoders.gate.lines import FURTHER_LINES, RELEASE_LINES, FurtherLimits, GateLimits, GateVerdict, Line, Verdict
from decoders.gate.release import judge

__all__ = ["FURTHER_LINES", "RELEASE_LINES", "FurtherLimits", "GateLimits", "GateVerdict", "Line", "Verdict", "further_lines", "judge"]
