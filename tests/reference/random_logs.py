"""Logs of records for tests: a fixed one, and hypothesis strategies that draw any log a daemon may write."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from hardware_profiles.profile import Channel, Driver, HardwareProfile
from messaging.records import Chunk, ClockFit, DecoderRef, End, Event, Header, Onset, Record, UnitShown
from messaging.words import ClockKind, EventType, OnsetSource, Source

RATE_HZ = 250.0


def profile(names: tuple[str, ...] = ("Fz", "Cz", "EOG1"), rate_hz: float = RATE_HZ) -> HardwareProfile:
    """A board whose channels are EEG, and EOG where the name says so."""
    channels = tuple(Channel(name=n, kind="eog" if n.startswith("EOG") else "eeg") for n in names)
    return HardwareProfile(name="test", title="Test <board> & co", driver=Driver(kind="replay"), sampling_rate_hz=rate_hz, channels=channels)


def header(board: HardwareProfile | None = None, **fields: Any) -> Header:
    """A header with everything that is required."""
    required: dict[str, Any] = {
        "recording_id": "r" * 32,
        "session_id": "s" * 32,
        "subject": "S01",
        "protocol": "token_rsvp",
        "task": "token_rsvp",
        "source": Source.LIVE,
        "clock": ClockKind.REAL,
        "start_lsl_s": 1000.25,
        "created_at": "2026-01-01T00:00:00Z",
        "profile": board or profile(),
        "prior": 0.2,
    }
    return Header(**(required | fields))


def chunk(ordinal: int, sample_index: int, n_samples: int = 8, n_channels: int = 3, seed: int = 0) -> Chunk:
    """A chunk of noise, microvolt."""
    samples = np.random.default_rng([seed, ordinal]).normal(0, 20, (n_samples, n_channels)).astype(np.float32)
    return Chunk(ordinal, sample_index, 1000.25 + sample_index / RATE_HZ, samples)


def unit(ordinal: int, text: str, onset_sample_index: int | None, **fields: Any) -> Event:
    """A unit that was shown."""
    shown = UnitShown(index=0, text=text)
    return Event(
        ordinal=ordinal, event_id=f"{ordinal:032x}", type=EventType.UNIT, session_id="s" * 32, onset_sample_index=onset_sample_index, unit=shown, **fields
    )


def small_log() -> list[Record]:
    """Eleven records with a gap of five samples, a unit with and one without onset, and no end."""
    onset = Onset(onset_lsl_s=1000.29, offset_lsl_s=1000.39, onset_sd_ms=2.5, onset_source=OnsetSource.FRAME, page_ms=12.125)
    return [
        header(),
        Event(ordinal=2, event_id="d" * 32, type=EventType.DECODER, session_id="s" * 32, decoder=DecoderRef(name="lda", version=3)),
        chunk(3, 0),
        chunk(4, 8, n_samples=1),
        unit(5, "Straße 🧠", 10, onset=onset, trial=0, presentation="p" * 32),
        chunk(6, 9),
        chunk(7, 22, n_samples=17),
        unit(8, "nowhere", None),
        Event(ordinal=9, event_id="a" * 32, type=EventType.ANNOTATION, session_id="s" * 32, onset_sample_index=3, text="target"),
        chunk(10, 39, n_samples=4),
        Event(ordinal=11, event_id="e" * 32, type=EventType.COMMENT, session_id="s" * 32, text='line\nbreak, "quote" and \\'),
    ]


_TEXT = st.text(max_size=40)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_SD = st.floats(0, 1e6)
_OFFSETS = st.floats(-1e12, 1e12)
_FITS = st.builds(ClockFit, offset_s=_OFFSETS, drift_ppm=_FINITE, sd_ms=_SD, rtt_ms=_SD)
_ONSETS = st.builds(
    Onset,
    onset_lsl_s=_FINITE,
    offset_lsl_s=st.none() | _FINITE,
    onset_sd_ms=_SD,
    onset_source=st.sampled_from(OnsetSource),
    page_ms=st.none() | _FINITE,
    page_to_server=st.none() | _FITS,
)
_UNITS = st.builds(UnitShown, index=st.integers(0, 10**6), text=_TEXT, item_id=st.none() | _TEXT, char_start=st.none() | st.integers(0, 10**6))
_REASONS = st.text(max_size=10)


@st.composite
def _chunks(draw: st.DrawFn, ordinal: int, sample_index: int, n_channels: int) -> Chunk:
    """A chunk of any float32 bit patterns: NaN payloads, infinities and subnormals too."""
    n_samples = draw(st.integers(1, 12))
    raw = draw(st.binary(min_size=4 * n_samples * n_channels, max_size=4 * n_samples * n_channels))
    return Chunk(ordinal, sample_index, draw(_FINITE), np.frombuffer(raw, dtype=np.float32).reshape(n_samples, n_channels))


@st.composite
def logs(draw: st.DrawFn, max_records: int = 12) -> list[Record]:
    """Any log: a header, chunks with and without gaps, events of every type, sometimes an end."""
    names = draw(st.sampled_from([("Fz",), ("Fz", "Cz", "EOG1"), tuple(f"E{i}" for i in range(70))]))
    records: list[Record] = [header(profile(names), subject=draw(_TEXT), versions=draw(st.dictionaries(_TEXT, _TEXT, max_size=3)))]
    end_index = 0
    for ordinal in range(2, 2 + draw(st.integers(0, max_records))):
        if draw(st.booleans()):
            start = end_index + draw(st.sampled_from([0, 0, 0, 1, 5000, 2**40]))
            records.append(draw(_chunks(ordinal, start, len(names))))
            end_index = start + records[-1].n_samples
        else:
            kind, onset_index = draw(st.sampled_from(EventType)), draw(st.none() | st.integers(-10, 2**62))
            records.append(
                Event(
                    ordinal=ordinal,
                    event_id=draw(_TEXT),
                    type=kind,
                    session_id=draw(_TEXT),
                    onset_sample_index=onset_index,
                    onset=draw(st.none() | _ONSETS),
                    unit=draw(st.none() | _UNITS),
                )
            )
    if draw(st.booleans()):
        records.append(End(ordinal=len(records) + 1, end_index=end_index, reason=draw(_REASONS)))
    return records


def same(a: Record, b: Record) -> bool:
    """Bit for bit: NaN payloads and the sign of zero count."""
    if isinstance(a, Chunk) and isinstance(b, Chunk):
        head = (a.ordinal, a.sample_index, a.time_lsl_s.hex()) == (b.ordinal, b.sample_index, b.time_lsl_s.hex())
        return head and a.samples.shape == b.samples.shape and a.samples.dtype == b.samples.dtype and a.samples.tobytes() == b.samples.tobytes()
    return type(a) is type(b) and repr(a) == repr(b)


def same_log(a: list[Record], b: list[Record]) -> bool:
    """All records the same, in the same order."""
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
