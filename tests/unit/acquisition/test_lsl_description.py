"""What an LSL stream says of itself against the profile: every contradiction is one sentence with its remedy."""

import pytest

from acquisition.board import BoardError
from acquisition.lsl_description import StreamDescription, choose, plan_channels, unit_in_uv
from acquisition.lsl_outlets import SOURCE_PREFIX
from hardware_profiles import HardwareProfile

THREE = ({"name": "Fz"}, {"name": "Cz"}, {"name": "Pz"})


def profile(channels=THREE, rate=250.0, **driver):
    return HardwareProfile.model_validate(
        {
            "name": "p", "title": "Amp", "driver": {"kind": "lsl", "stream_type": "EEG", **driver}, "sampling_rate_hz": rate,
            "channels": list(channels),
        }
    )  # fmt: skip


def stream(labels=("Fz", "Cz", "Pz"), units=("microvolts",) * 3, **fields):
    given = {"name": "amp", "type": "EEG", "source_id": "s", "host": "lab", "rate_hz": 250.0, "n_channels": 3, "labels": labels, "units": units}
    return StreamDescription(**given | fields)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("microvolts", 1), ("uV", 1), ("µV", 1), ("\u03bcV", 1), ("Micro Volts", 1), ("millivolts", 1e3), ("mV", 1e3), ("volts", 1e6), ("V", 1e6), ("nV", 1e-3)],
)
def test_units_are_read_however_they_are_written(unit, factor):
    assert unit_in_uv(unit) == factor
    plan = plan_channels(profile(), stream(units=(unit,) * 3))
    assert plan.scale.tolist() == [factor] * 3
    assert plan.remarks == ()


@pytest.mark.parametrize(("units", "words"), [((), "states no unit.*driver.scale_to_uv"), (("counts",) * 3, "'counts', which is no voltage.*scale_to_uv")])
def test_a_unit_that_is_missing_or_no_voltage_is_refused_with_the_remedy(units, words):
    with pytest.raises(BoardError, match=words):
        plan_channels(profile(), stream(units=units))


def test_the_profiles_factor_is_applied_where_the_unit_is_missing_or_wrong_and_said():
    assert "taken to be microvolts" in plan_channels(profile(scale_to_uv=1.0), stream(units=())).remarks[0]
    counts = plan_channels(profile(scale_to_uv=0.02235), stream(units=("counts",) * 3))
    assert counts.scale.tolist() == [0.02235] * 3
    wrong = plan_channels(profile(scale_to_uv=1e3), stream(units=("volts",) * 3))
    assert wrong.scale.tolist() == [1e3] * 3
    assert "says 'volts', the profile scale_to_uv = 1000" in wrong.remarks[0]


def test_channels_are_found_by_name_in_any_order_and_without_regard_to_case():
    plan = plan_channels(profile(), stream(labels=("PZ", "AUX", "fz", "Cz"), units=("uV", "", "uV", "mV"), n_channels=4))
    assert plan.columns.tolist() == [2, 3, 0]
    assert plan.scale.tolist() == [1, 1e3, 1]


def test_channels_are_found_by_their_input_position_or_label():
    channels = ({"name": "Fz", "input": "2"}, {"name": "Trigger", "kind": "trigger", "unit": "a.u.", "input": "TRG"}, {"name": "Cz", "input": "A1"})
    plan = plan_channels(profile(channels), stream(labels=("TRG", "A1", "A2"), units=("", "uV", "mV")))
    assert plan.columns.tolist() == [2, 0, 1]
    assert plan.scale.tolist() == [1e3, 1.0, 1.0]


def test_channels_without_known_names_are_taken_in_order_and_that_is_said():
    for labels in ((), ("A1", "A2", "A3", "A4")):
        plan = plan_channels(profile(), stream(labels=labels, units=("uV",) * 4, n_channels=4))
        assert plan.columns.tolist() == [0, 1, 2]
        assert "the first 3 were taken in their order" in plan.remarks[0]


@pytest.mark.parametrize(
    ("given", "there", "words"),
    [
        ({"rate": 500.0}, {}, "sampling_rate_hz is 500.*gives 250"),
        ({}, {"rate_hz": 0.0}, "states no sampling rate"),
        ({}, {"numeric": False}, "carries text"),
        ({}, {"labels": ("Fz", "Cz", "Oz")}, "has no channel Pz.*Fz, Cz, Oz"),
        ({}, {"labels": (), "n_channels": 2}, "lists 3 channels.*2 channels"),
        ({"channels": [{"name": "Fz", "input": "3"}]}, {}, "position 3.*positions 0 to 2"),
        ({"channels": [{"name": "Fz", "input": "Oz"}]}, {}, "'Oz', which occurs 0 times among Fz, Cz, Pz"),
        ({"channels": [{"name": "Fz", "input": "1"}, {"name": "Cz", "input": "Cz"}]}, {}, "Fz, Cz all take column 1"),
    ],
)
def test_a_stream_that_contradicts_the_profile_is_refused_in_a_sentence(given, there, words):
    with pytest.raises(BoardError, match=words):
        plan_channels(profile(**given), stream(**there))


def test_a_measured_rate_close_to_the_nominal_one_is_taken():
    assert plan_channels(profile(), stream(rate_hz=249.6)).remarks == ()


def test_the_stream_is_chosen_by_all_that_the_profile_says():
    streams = [stream(name="a", source_id="1"), stream(name="b", source_id="2"), stream(name="b", source_id="2", type="Accelerometer")]
    assert choose(profile(stream_name="b"), streams) == 1
    assert choose(profile(source_id="1"), streams) == 0
    with pytest.raises(BoardError, match=r"2 LSL streams have type 'EEG'.*'a'.*'b'.*Name one"):
        choose(profile(), streams)
    with pytest.raises(BoardError, match=r"no LSL stream with name 'c' and type 'EEG'.*Streams seen: 'a'.*Start the stream"):
        choose(profile(stream_name="c"), streams)
    with pytest.raises(BoardError, match="Streams seen: none at all"):
        choose(profile(), [])


def test_our_own_outgoing_stream_is_never_taken_for_the_amplifier():
    streams = [stream(source_id=f"{SOURCE_PREFIX}p-lab-eeg"), stream(source_id="amp")]
    assert choose(profile(), streams) == 1
    assert choose(profile(source_id=f"{SOURCE_PREFIX}p-lab-eeg"), streams) == 0
