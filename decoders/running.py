"""A fitted decoder at work on a stream: one onset in, one decoded window out."""

from dataclasses import dataclass

from decoders.artifacts import judge_window
from decoders.evidence.polarity import for_rejections
from decoders.fitted import FittedDecoder
from decoders.rewarding import Valuation, calibration_lines, valuation
from decoders.scorers import own_copy
from decoders.spec import MismatchError
from decoders.stream import FilteredStream, Loss
from decoders.windows import window_features, window_layout
from messaging.records import Header
from messaging.words import Polarity


@dataclass(frozen=True, slots=True)
class Decoded:
    """One window after decoding: a value, or the reason why there is none."""

    valuation: Valuation | None
    reason: str | None
    gap: int = 0
    """Missing samples of the window."""
    artifact: str | None = None
    """The rule that the window broke."""
    loss: Loss | None = None
    """Missing samples of the stream up to the window's end; None when the window was not looked at."""


class RunningDecoder:
    """A decoder with the stream it reads.

    Parameters
    ----------
    decoder : FittedDecoder
    header : Header
        Of the log to be decoded.
    stream : FilteredStream or None
        A stream with the same preprocessing to share; None for a new one, which settles first.

    Raises
    ------
    MismatchError
        The decoder does not fit the stream: rate, channels, task, window, or its own numbers.
    """

    def __init__(self, decoder: FittedDecoder, header: Header, stream: FilteredStream | None = None) -> None:
        spec = decoder.spec
        if spec.task != header.task:
            raise MismatchError(
                f"The decoder {decoder.statement.name} was calibrated with the task '{spec.task}', the session's task is '{header.task}'. "
                "Error potentials do not transfer between tasks: calibrate with this one."
            )
        self.decoder = decoder
        self.stream = stream or FilteredStream(spec.preprocessing, header.profile.sampling_rate_hz, header.profile.channel_names)
        self.layout = window_layout(spec.window, spec.preprocessing.sampling_rate_hz)
        # Of an error of the unit, by what a sign after it said; without a sign, as after one that accepts.
        self._calibrations = {Polarity.ACCEPT: decoder.calibration, Polarity.REJECT: for_rejections(decoder.calibration)}
        self._lines = {polarity: calibration_lines(calibration) for polarity, calibration in self._calibrations.items()}
        self._prior = header.prior
        self._scorer = own_copy(decoder.scorer, self.layout.n_windows, len(spec.preprocessing.channel_names))
        if self.layout.n_samples > self.stream.capacity // 2:
            raise MismatchError(f"The decoder's window of {self.layout.n_samples} samples is over the limit of {self.stream.capacity // 2}; shorten it.")

    def complete(self, onset: int) -> bool:
        """Say whether every sample of the window at this onset has come and is settled."""
        return onset + self.layout.stop <= self.stream.end_index and self.stream.first_index is not None

    def decode(self, onset: int, polarity: Polarity = Polarity.ACCEPT) -> Decoded:
        """Decode the complete window at an onset (absolute sample index).

        `polarity` is that of the sign at the onset: the decoder was fitted to disagreement, which after a rejection says that the unit is right.
        """
        start, stop = onset + self.layout.start, onset + self.layout.stop
        if start < (self.stream.first_index or 0):
            return Decoded(None, "before_start: the window begins before the decoder's first sample")
        if start < self.stream.oldest_index:
            return Decoded(None, "window_lost")
        window, marks = self.stream.read(start, stop)
        loss = self.stream.loss_at(stop - 1)
        spec = self.decoder.spec
        verdict = judge_window(window, marks, spec.artifacts, spec.preprocessing.channel_names)
        if verdict.rejected is not None:
            return Decoded(None, f"rejected: {verdict.rejected}", verdict.gap, verdict.rejected, loss)
        score = self._scorer.score(window_features(window, self.layout))
        return Decoded(valuation(score, self._calibrations[polarity], self._lines[polarity], self._prior), None, verdict.gap, None, loss)
