"""Every profile has a page, and what the page states is what the profile has."""

from pathlib import Path

import pytest

from hardware_profiles import load_profile, profile_names
from rlhb.profile_text import profile_table

BOARDS = Path(__file__).resolve().parents[3] / "docs" / "boards"


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_has_a_page_with_its_own_facts(name):
    text = (BOARDS / f"{name}.md").read_text(encoding="utf-8")
    profile = load_profile(name)
    assert profile_table(profile) in text, f"put the output of `rlhb profiles show {name} --markdown` into the page"
    assert text.startswith(f"# {profile.title}\n")
    assert profile.wiring.strip() in text
    assert profile.eog.strip() in text
    assert f"rlhb profiles check {name}" in text
    for heading in ("## Wiring", "## EOG", "Trigger and photodiode", "Sources: "):
        assert heading in text


@pytest.mark.parametrize("name", profile_names())
def test_the_index_names_every_profile(name):
    profile = load_profile(name)
    rate = f"{profile.sampling_rate_hz:g} Hz" if profile.channels else "as recorded"
    eeg = len(profile.eeg_names) or "as recorded"
    assert f"| {profile.title} | [`{name}`]({name}.md) | {rate} | {eeg} |" in (BOARDS / "index.md").read_text(encoding="utf-8")


def test_no_page_is_left_of_a_profile_that_is_gone():
    assert {p.stem for p in BOARDS.glob("*.md")} == {*profile_names(), "index"}


@pytest.mark.parametrize("name", profile_names())
def test_a_table_names_channels_rate_and_reference(name):
    profile, table = load_profile(name), profile_table(load_profile(name))
    assert profile.reference in table
    for channel in profile.channel_names:
        assert channel in table
    if profile.sampling_rate_hz:
        assert f"{profile.sampling_rate_hz:g} Hz" in table
