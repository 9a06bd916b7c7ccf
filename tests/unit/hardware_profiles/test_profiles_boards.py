"""Every shipped profile states what it must, and agrees with BrainFlow's own description of its board."""

import warnings

import pytest

from hardware_profiles import load_profile, profile_names

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from brainflow.board_shim import BoardShim

PROFILES = {name: load_profile(name) for name in profile_names()}
BRAINFLOW = [name for name, p in PROFILES.items() if p.driver.kind == "brainflow"]
WANTED = {
    "openbci_cyton", "openbci_cyton_daisy", "openbci_ganglion", "openbci_cyton_wifi", "openbci_cyton_daisy_wifi", "openbci_ganglion_wifi", "openbci_galea",
    "gtec_unicorn", "gtec_gnautilus", "gtec_gusbamp", "gtec_ghiamp", "muse_2", "muse_s", "muse_lsl", "neurosity_crown", "emotiv_epoc_lsl", "lsl_eeg",
    "brainflow_synthetic", "brainflow_playback", "brainflow_streaming", "simulated_subject", "replay",
}  # fmt: skip
ROWS = {"eeg": "eeg_channels", "accel": "accel_channels", "gyro": "gyro_channels", "analog": "analog_channels", "eog": "eog_channels", "emg": "emg_channels"}


def described(profile):
    master = profile.driver.master_board_id
    return BoardShim.get_board_descr(profile.driver.board_id if master is None else master)


def test_all_boards_that_were_promised_are_there():
    assert set(PROFILES) >= WANTED


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_states_reference_ground_wiring_eog_and_mains(name):
    profile = PROFILES[name]
    for text in (profile.reference, profile.ground, profile.wiring, profile.eog, profile.title):
        assert len(text) > 2
        assert "unknown" not in text
    assert profile.mains_hz == 50


@pytest.mark.parametrize("name", [n for n, p in PROFILES.items() if p.channels])
def test_eeg_channels_have_places_on_the_head_that_mne_knows(name):
    import mne

    known = {n.casefold() for n in mne.channels.make_standard_montage(PROFILES[name].montage).ch_names}
    assert [n for n in PROFILES[name].eeg_names if n.casefold() not in known] == []


@pytest.mark.parametrize("name", BRAINFLOW)
def test_the_rate_is_brainflows(name):
    assert PROFILES[name].sampling_rate_hz == described(PROFILES[name])["sampling_rate"]


@pytest.mark.parametrize("name", BRAINFLOW)
def test_the_number_of_eeg_channels_is_brainflows(name):
    there = described(PROFILES[name])["eeg_channels"]
    spare = 6 if name == "openbci_galea" else 0  # its rows X1 to X6 belong to no electrode
    assert len(PROFILES[name].eeg_names) == len(there) - spare


@pytest.mark.parametrize("name", [n for n in BRAINFLOW if "eeg_names" in described(PROFILES[n])])
def test_the_names_are_brainflows_where_it_has_names(name):
    names = [n for n in described(PROFILES[name])["eeg_names"].split(",") if not n.startswith("X")]
    assert list(PROFILES[name].eeg_names) == names


@pytest.mark.parametrize("name", ["openbci_ganglion", "openbci_ganglion_dongle", "openbci_ganglion_wifi"])
def test_the_ganglion_has_no_names_of_its_own(name):
    assert "eeg_names" not in described(PROFILES[name])


@pytest.mark.parametrize("name", BRAINFLOW)
def test_every_input_is_a_row_that_the_board_has(name):
    board = described(PROFILES[name])
    for channel in PROFILES[name].channels:
        if channel.input is None:
            assert channel.kind == "eeg"
            continue
        kind, at = channel.input.split(":")
        if kind == "battery":
            assert "battery_channel" in board
        else:
            assert int(at) < len(board[ROWS[kind]])


def test_unicorns_eeg_rows_begin_at_zero():
    assert described(PROFILES["gtec_unicorn"])["eeg_channels"] == list(range(8))


@pytest.mark.parametrize(
    ("name", "modulus"),
    [
        ("openbci_cyton", 256),
        ("openbci_cyton_daisy", 256),
        ("openbci_cyton_wifi", 256),
        ("openbci_galea", 256),
        ("openbci_ganglion", 201),
        ("muse_2", 65536),
        ("gtec_unicorn", 2**24),
        ("neurosity_crown", None),
        ("openbci_ganglion_wifi", None),
    ],
)
def test_packet_numbers_wrap_where_the_driver_wraps_them(name, modulus):
    assert PROFILES[name].driver.counter_modulus == modulus


@pytest.mark.parametrize("name", PROFILES)
def test_only_serial_cytons_offer_impedance(name):
    assert (PROFILES[name].driver.impedance is not None) == (PROFILES[name].driver.board_id in (0, 2))


def test_a_photodiode_profile_names_its_edges():
    profile = PROFILES["openbci_cyton_photodiode"]
    assert profile.onset_edges is not None
    assert profile.channels[-1].kind == "photodiode"


@pytest.mark.parametrize(("name", "full_scale_uv"), [("muse_2", 1000), ("openbci_ganglion", 15_686), ("openbci_cyton", 187_500), ("gtec_unicorn", 750_000)])
def test_the_rail_lies_just_under_the_boards_full_scale(name, full_scale_uv):
    assert 0.95 * full_scale_uv <= PROFILES[name].quality.railed_uv < full_scale_uv
