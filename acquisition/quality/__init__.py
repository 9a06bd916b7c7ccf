"""Signal quality, always on: verdicts per channel and second, figures of the stream, and the preview for the operator's eyes."""

from acquisition.quality.preview import Preview
from acquisition.quality.stream import StreamWatch
from acquisition.quality.window import QualityWindow

__all__ = ["Preview", "QualityWindow", "StreamWatch"]
