"""`rlhb profiles`: copies that read back, and verdicts of the live check from figures whose truth is known."""

import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from acquisition.quality.stream import Line
from hardware_profiles import load_profile, profile_names
from hardware_profiles.profile import HardwareProfile, ProfileError, QualityLimits
from messaging.lab import ChannelQuality
from rlhb.commands.profiles import app as profiles_app
from rlhb.errors import CommandError
from rlhb.live_check import LiveFigures, Verdict, judge_live, open_board
from rlhb.profile_text import profile_name, profile_toml

APP = typer.Typer()
APP.add_typer(profiles_app)


def run(*words):
    return CliRunner().invoke(APP, ["profiles", *map(str, words)])


def test_the_list_names_every_profile():
    answer = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in answer] == profile_names()


@pytest.mark.parametrize("name", profile_names())
def test_show_tells_reference_and_wiring(name):
    profile, shown = load_profile(name), run("show", name)
    assert shown.exit_code == 0
    assert profile.reference in shown.stdout
    assert " ".join(profile.wiring.split()) in shown.stdout
    assert HardwareProfile.model_validate_json(run("show", name, "--json").stdout) == profile


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_written_as_toml_reads_back_as_itself(name, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(profile_toml(load_profile(name)), encoding="utf-8")
    assert load_profile(path) == load_profile(name)
    assert load_profile(path).driver.model_fields_set == load_profile(name).driver.model_fields_set


@given(wiring=st.text(min_size=1, max_size=80), stream=st.text(min_size=1, max_size=40), limit=st.floats(0.001, 1e6))
def test_any_text_survives_the_writing(wiring, stream, limit, tmp_path_factory):
    profile = load_profile("lsl_eeg")
    fields = profile.model_dump() | {
        "wiring": wiring, "driver": {"kind": "lsl", "stream_name": stream}, "quality": QualityLimits(largest_rms_uv=limit).model_dump(),
    }  # fmt: skip
    profile = HardwareProfile.model_validate(fields)
    path = tmp_path_factory.mktemp("copies") / "copy.toml"
    path.write_bytes(profile_toml(profile).encode("utf-8"))
    assert load_profile(path) == profile


def test_a_copy_has_this_places_mains_and_port(tmp_path):
    path = tmp_path / "Our Lab.toml"
    done = run("copy", "openbci_cyton", path, "--mains-hz", 60, "--serial-port", "/dev/ttyUSB7")
    assert done.exit_code == 0, done.output
    copied = load_profile(path)
    assert (copied.name, copied.mains_hz, copied.driver.serial_port) == ("our_lab", 60, "/dev/ttyUSB7")
    assert copied.channels == load_profile("openbci_cyton").channels
    assert copied.driver.impedance == "openbci"


def test_a_copy_never_overwrites_and_refuses_mains_that_nobody_has(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text("mine")
    _expect(run("copy", "lsl_eeg", path), "there already")
    assert path.read_text() == "mine"
    _expect(run("copy", "lsl_eeg", tmp_path / "b.toml", "--mains-hz", 55), "50 or 60")
    _expect(run("copy", "lsl_eeg", tmp_path / "b.txt"), "Give it that ending")
    _expect(run("copy", "lsl_eeg", tmp_path / "no" / "b.toml"), "Choose another folder")


def _expect(done, words):
    assert done.exit_code != 0
    assert words in str(done.exception)


@pytest.mark.parametrize(("stem", "name"), [("Lab 2", "lab_2"), ("__x", "x"), ("ä", "copy"), ("a" * 80, "a" * 64), ("60hz", "60hz")])
def test_a_files_name_becomes_a_profiles_name(stem, name):
    assert profile_name(stem) == name


@pytest.mark.parametrize("name", profile_names())
def test_the_file_check_passes_for_every_shipped_profile(name):
    answer = run("check", name, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["ok"] is True


def test_a_profile_that_does_not_fit_the_board_is_refused(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(profile_toml(load_profile("openbci_cyton")).replace("sampling_rate_hz = 250", "sampling_rate_hz = 500"))
    _expect(run("check", path), "500")


def test_a_replay_is_no_live_board():
    with pytest.raises(CommandError, match="rlhb replay"):
        open_board(load_profile("replay"))


# ---------------------------------------------------------------- verdicts


def channel(name, rms=15.0, **fields):
    return ChannelQuality(name=name, rms_uv=rms, **fields)


def figures(rms=15.0, seconds=10, bad=(), **changes):
    profile = load_profile("muse_2")
    row = tuple(
        channel(n, rms, bad=n in bad, flat=n in bad, reasons=("flat: 0 µV peak to peak (limit 0.5 µV)",) if n in bad else ()) for n in profile.channel_names
    )
    given = {
        "received": 2560, "seconds": 10.0, "longest_silence_s": 0.02, "loss_fraction": 0.0, "jitter_ms": 5.0, "line": Line(20.0, 10.0),
        "verdicts": (row,) * seconds,
    }  # fmt: skip
    return LiveFigures(**(given | changes))


def verdicts(found):
    return {f.what: f for f in judge_live(load_profile("muse_2"), found)}


def test_a_good_board_is_ok_in_everything():
    found = verdicts(figures())
    assert set(found) == {"samples", "rate", "drift", "loss", "jitter", "channels", "unit"}
    assert {f.verdict for f in found.values()} == {Verdict.OK}
    assert found["rate"].value == pytest.approx(256 / (1 + 20e-6))


@pytest.mark.parametrize(
    ("changes", "what", "verdict", "words"),
    [
        ({"received": 0, "line": None}, "samples", Verdict.FAIL, "check power"),
        ({"longest_silence_s": 1.4}, "samples", Verdict.FAIL, "1400 ms"),
        ({"line": Line(20_000.0, 10.0)}, "rate", Verdict.FAIL, "250.98 Hz measured, 256 Hz in the profile"),
        ({"line": Line(900.0, 50.0)}, "drift", Verdict.WARN, "+900 ± 100 ppm"),
        ({"line": Line(900.0, 300.0)}, "drift", Verdict.OK, "± 600"),
        ({"loss_fraction": 0.005}, "loss", Verdict.WARN, "0.50%"),
        ({"loss_fraction": 0.05}, "loss", Verdict.FAIL, "Bring the receiver nearer"),
        ({"jitter_ms": 80.0}, "jitter", Verdict.WARN, "latency timer"),
        ({"rms": 15e6}, "unit", Verdict.FAIL, "scale_to_uv"),
        ({"rms": 1e-5}, "unit", Verdict.FAIL, "scale_to_uv"),
        ({"rms": 400.0}, "unit", Verdict.WARN, "unlikely"),
        ({"bad": ("AF7",)}, "channels", Verdict.WARN, "AF7: flat"),
        ({"bad": ("TP9", "AF7", "AF8", "TP10")}, "channels", Verdict.FAIL, "no EEG channel carries a signal"),
        ({"verdicts": ()}, "channels", Verdict.FAIL, "No whole second"),
        ({"remarks": ("The stream names no unit.",)}, "description", Verdict.WARN, "names no unit"),
    ],
)
def test_each_fault_is_named_in_a_sentence(changes, what, verdict, words):
    found = verdicts(figures(**changes))[what]
    assert found.verdict is verdict
    assert words in found.sentence


def test_a_misspelt_profile_gets_the_nearest_name():
    with pytest.raises(ProfileError, match="Did you mean 'openbci_cyton'"):
        load_profile("OpenBCI-Cyton")
    with pytest.raises(ProfileError) as caught:
        load_profile("xyzzy")
    assert "Did you mean" not in str(caught.value)


def test_the_list_counts_eeg_channels_apart_from_the_others():
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["openbci_cyton"]["eeg_channels"] == 8
    assert all(row["eeg_channels"] <= row["channels"] for row in rows.values())
