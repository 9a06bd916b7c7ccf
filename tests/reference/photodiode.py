"""A set-up with a photodiode: its profile, and units as the page reports them."""

from hardware_profiles import HardwareProfile
from messaging.lab import LabEvent, ServerTime
from messaging.records import ClockFit, UnitShown
from messaging.words import EventType, OnsetSource

RATE_HZ = 250.0


def photodiode_profile(kind="photodiode", rate_hz=RATE_HZ, **edges):
    """Two EEG channels and one sensor, called ``light``."""
    return HardwareProfile.model_validate({
        "name": "lit", "title": "Two channels and a sensor", "driver": {"kind": "brainflow", "board_id": 0}, "sampling_rate_hz": rate_hz,
        "channels": [{"name": "Cz"}, {"name": "Pz"}, {"name": "light", "kind": kind, "unit": "a.u."}],
        "onset_edges": {"channel": "light", **edges},
    })  # fmt: skip


def unit(k, at_s, offset_s=None, page_ms=None):
    """Unit k, whose frame was shown at `at_s` on the server's clock; the page's clock began 900 s after the server's."""
    time = ServerTime(
        onset_server_s=at_s, offset_server_s=offset_s, onset_sd_ms=1.0, onset_source=OnsetSource.FRAME,
        page_ms=(at_s - 900.0) * 1e3 if page_ms is None else page_ms, page_to_server=ClockFit(offset_s=900.0, sd_ms=0.5, rtt_ms=1.0),
    )  # fmt: skip
    return LabEvent(event_id=f"e{k}", type=EventType.UNIT, session_id="s", presentation="p", unit=UnitShown(index=k, text="w"), time=time)
