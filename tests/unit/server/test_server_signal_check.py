"""What in the signal keeps a session from starting: needed channels that carry nothing, and nothing else."""

import json

import pytest

from messaging.lab import ChannelQuality, LabQuality
from server.errors import Conflict
from server.sessions.signal_check import critical_findings, decoder_channels, start_text

DEAD = ChannelQuality(name="Cz", rms_uv=0.0, flat=True, bad=True, reasons=("flat: 0 uV",))
QUALITY = LabQuality(channels=(DEAD, ChannelQuality(name="Pz", rms_uv=200.0, bad=True, reasons=("RMS 200 uV",))))


@pytest.mark.parametrize(
    ("quality", "age_s", "needed", "found"),
    [
        (None, 0.0, None, []),
        (QUALITY, 0.0, None, ["Cz flat: 0 uV"]),
        (QUALITY, 60.0, None, []),
        (QUALITY, 0.0, frozenset({"pz"}), []),
        (QUALITY, 0.0, frozenset({"cz"}), ["Cz flat: 0 uV"]),
        (LabQuality(channels=(ChannelQuality(name="Oz", rms_uv=1.0, railed=True),)), 0.0, None, ["Oz carries no signal"]),
    ],
)
def test_only_needed_channels_without_a_signal_count_and_only_fresh_news(quality, age_s, needed, found):
    assert critical_findings(quality, age_s, needed) == found


def test_a_reason_is_kept_with_what_is_wrong_and_none_is_refused():
    assert start_text([], "") == ""
    assert start_text([], "a remark") == "a remark"
    assert start_text(["Cz flat"], " spare ") == "Started although the signal check fails (Cz flat): spare"
    assert start_text(["Cz flat"], "Started although the signal check fails (x): y").endswith("(x): y")
    with pytest.raises(Conflict, match="and 2 more"):
        start_text([f"E{k} flat" for k in range(8)], "")


def test_a_decoders_channels_come_from_its_file_and_a_damaged_one_asks_for_all(tmp_path):
    folder = tmp_path / "ours" / "1"
    folder.mkdir(parents=True)
    assert decoder_channels(tmp_path, None, None) is None
    assert decoder_channels(tmp_path, "ours", 1) is None
    (folder / "decoder.json").write_text(json.dumps({"spec": {"preprocessing": {"channel_names": ["Cz", "PO7"]}}}))
    assert decoder_channels(tmp_path, "ours", 1) == {"cz", "po7"}
    (folder / "decoder.json").write_text("cut")
    assert decoder_channels(tmp_path, "ours", 1) is None
