"""Profiles: the shipped ones load, and a mistake is named with file, field and value."""

import pytest

from hardware_profiles import ProfileError, load_profile, profile_names

GOOD = """
name = "lab"
title = "Lab"
sampling_rate_hz = 250
channels = [{ name = "Fz" }, { name = "Cz" }]
[driver]
kind = "brainflow"
board_id = 0
"""


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_loads_and_is_called_like_its_file(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.wiring


def test_a_profile_is_frozen(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text(GOOD)
    profile = load_profile(path)
    assert profile.eeg_names == ("Fz", "Cz")
    with pytest.raises(ValueError, match="frozen"):
        profile.name = "other"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Lab"', 'title = "Lab"\ngain = 24', ["unknown field 'gain'", "24", "remove"]),
        ('{ name = "Cz" }', '{ name = "Fz" }', ["Fz", "more than once"]),
        ("sampling_rate_hz = 250", 'sampling_rate_hz = "fast"', ["sampling_rate_hz", "'fast'"]),
        ("sampling_rate_hz = 250", "sampling_rate_hz = 0", ["sampling_rate_hz", "0"]),
        ("board_id = 0", "", ["board_id", "missing"]),
        ("sampling_rate_hz = 250", "", ["sampling_rate_hz", "missing"]),
        ('kind = "brainflow"', 'kind = "bluetooth"', ["driver.kind", "'bluetooth'"]),
        ("sampling_rate_hz = 250", "sampling_rate_hz = = 250", ["not valid TOML"]),
        ('{ name = "Cz" }', '{ name = "Cz", colour = "red" }', ["colour", "red"]),
    ],
)
def test_a_mistake_is_one_sentence_with_file_field_and_value(tmp_path, old, new, words):
    path = tmp_path / "lab.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["nope", "/nope/nope.toml"])
def test_a_missing_profile_says_what_there_is(name):
    with pytest.raises(ProfileError, match=r"Shipped profiles|Check the path"):
        load_profile(name)
