"""What people get wrong: one clear sentence with the remedy, exit status 1 (2 for usage), never a traceback."""

import contextlib
import io
import os
import shutil
import socket
import sys
from unittest import mock

import httpx
import mne
import numpy as np
import pytest

from rlhb.__main__ import main
from tests.reference.running_up import RunningUp, rlhb

EVENTS = ("--positive", "token/error", "--negative", "token/correct")


@pytest.fixture(scope="module")
def sub02(recordings_dir):
    return recordings_dir / "semisynthetic_errp" / "sub-02_task-errpsim_raw.fif"


@pytest.fixture(scope="module")
def lab(sub02, tmp_path_factory):
    """A data folder with one decoder."""
    folder = tmp_path_factory.mktemp("lab")
    rlhb("fit", str(sub02), *EVENTS, "--out", "good", data_dir=folder)
    return folder


def sentence(*arguments, data_dir, status=1, **environment):
    """Run a command that must fail, inside this process; returns what it says."""
    out, err = io.StringIO(), io.StringIO()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RLHB_")} | environment | {"RLHB_DATA_DIR": str(data_dir)}
    surroundings = contextlib.ExitStack()
    surroundings.enter_context(mock.patch.dict(os.environ, clean, clear=True))
    surroundings.enter_context(mock.patch.object(sys, "argv", ["rlhb", *arguments]))
    surroundings.enter_context(contextlib.redirect_stdout(out))
    surroundings.enter_context(contextlib.redirect_stderr(err))
    with surroundings, pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status, err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert out.getvalue() == ""
    said = err.getvalue().strip()
    assert said
    assert len(said.splitlines()) <= 3 or status == 2
    return said


def test_a_missing_recording(lab):
    missing = "/nope/x.fif"
    for command in (("replay", missing), ("fit", missing, *EVENTS, "--out", "a"), ("evaluate", missing, *EVENTS), ("relabel", missing, "--decoder", "good")):
        assert "/nope/x.fif" in sentence(*command, data_dir=lab, RLHB_BUS_URL="unix:///nope")
    assert "/nope/x.fif" in sentence("up", "--replay", "/nope/x.fif", "--port", "0", data_dir=lab)


def test_a_truncated_recording(lab, sub02, tmp_path):
    cut = tmp_path / "cut_raw.fif"
    cut.write_bytes(sub02.read_bytes()[:400_000])
    assert str(cut) in sentence("fit", str(cut), *EVENTS, "--out", "a", data_dir=lab)
    assert str(cut) in sentence("up", "--replay", str(cut), "--port", "0", data_dir=lab)
    empty = tmp_path / "empty.xdf"
    empty.touch()
    assert str(empty) in sentence("relabel", str(empty), "--decoder", "good", data_dir=lab)


def test_an_unknown_event_description_lists_those_there_are(lab, sub02):
    said = sentence("fit", str(sub02), "--positive", "token/errror", "--negative", "token/correct", "--out", "a", data_dir=lab)
    assert "token/errror" in said
    assert "token/error" in said
    assert not (lab / "decoders" / "a").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [('title = "', 'colour = "red"\ntitle = "', ("colour", "red")), ('{ name = "C3" }', '{ name = "Fz" }', ("Fz", "more than once"))],
)
def test_a_wrong_profile_names_file_field_and_value(lab, tmp_path, old, new, words):
    from hardware_profiles import profile as module

    text = (module.Path(module.__file__).parent / "brainflow_synthetic.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    for command in (("profiles", "check", str(path)), ("acquire", "--profile", str(path)), ("up", "--profile", str(path), "--port", "0")):
        said = sentence(*command, data_dir=lab, RLHB_BUS_URL="unix:///nope")
        assert str(path) in said
        assert all(word in said for word in words)


def test_a_recording_that_does_not_fit_the_decoder(lab, recordings_dir):
    muse = next((recordings_dir / "muse_visual_p300").glob("*.fif"))
    for command in (("up", "--replay", str(muse), "--decoder", "good", "--port", "0"), ("relabel", str(muse), "--decoder", "good")):
        said = sentence(*command, data_dir=lab)
        assert "250" in said
        assert "256" in said


def test_a_recording_without_the_decoders_channels(lab, sub02, tmp_path):
    raw = mne.io.read_raw_fif(sub02, verbose="error").drop_channels(["Cz"])
    path = tmp_path / "less_raw.fif"
    raw.save(path, verbose="error")
    said = sentence("up", "--replay", str(path), "--decoder", "good", "--port", "0", data_dir=lab)
    assert "Cz" in said


def test_a_decoder_that_is_not_there_or_damaged(lab, sub02, tmp_path):
    assert "nothere" in sentence("relabel", str(sub02), "--decoder", "nothere", data_dir=lab)
    assert "no version 7" in sentence("relabel", str(sub02), "--decoder", "good@7", data_dir=lab)
    assert "latest" in sentence("relabel", str(sub02), "--decoder", "good@latest", data_dir=lab)
    shutil.copytree(lab / "decoders", tmp_path / "decoders")
    for damaged in ("parameters.npz", "decoder.json"):
        path = tmp_path / "decoders" / "good" / "1" / damaged
        whole = path.read_bytes()
        for bad in (whole[: len(whole) // 2], whole[:-30] + b"\x00" * 30, b""):
            path.chmod(0o644)
            path.write_bytes(bad)
            assert "good" in sentence("up", "--replay", str(sub02), "--decoder", "good", "--port", "0", data_dir=tmp_path)
        path.write_bytes(whole)


def test_no_bus_and_no_port(lab, sub02, tmp_path):
    assert "RLHB_BUS_URL" in sentence("decode", data_dir=tmp_path)
    assert "rlhb up" in sentence("acquire", "--profile", "brainflow_synthetic", data_dir=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert port in sentence("up", "--replay", str(sub02), "--port", port, data_dir=tmp_path)
        assert port in sentence("serve", "--port", port, data_dir=tmp_path)


def test_wrong_options(lab, sub02):
    assert "speed" in sentence("up", "--replay", str(sub02), "--speed", "fast", "--port", "0", data_dir=lab)
    assert "simulated subject" in sentence("up", "--profile", "brainflow_synthetic", "--demo", "--port", "0", data_dir=lab)
    assert "not both" in sentence("up", "--profile", "brainflow_synthetic", "--replay", str(sub02), data_dir=lab)
    assert "choose one of lda" in sentence("evaluate", str(sub02), *EVENTS, "--pipeline", "magic", data_dir=lab)
    assert "split" in sentence("evaluate", str(sub02), *EVENTS, "--split", "blocks:x", data_dir=lab)
    assert "token/error" in sentence("fit", str(sub02), "--positive", "token/error", "--negative", "token/error", "--out", "a", data_dir=lab)
    assert "name" in sentence("fit", str(sub02), *EVENTS, "--out", "../a", data_dir=lab)
    sentence("fit", str(sub02), data_dir=lab, status=2)
    sentence("nonsense", data_dir=lab, status=2)


def test_a_recording_of_noise_channels_is_refused(lab, recordings_dir):
    """Three identical channels and a million times too large: the reasons are named."""
    bad = next((recordings_dir / "openbci_lowquality_p300").rglob("*.vhdr"))
    said = sentence("fit", str(bad), "--positive", "Stimulus/S  2", "--negative", "Stimulus/S  1", "--out", "a", data_dir=lab)
    assert "identical" in said or "same" in said or "copies" in said or "uV" in said


@pytest.mark.parametrize("arguments", [("relabel", "/nope/x.fif", "--decoder", "good"), ("nonsense",), ("decode",)])
def test_the_command_itself_ends_with_a_sentence(arguments, lab):
    """As a process of its own, too."""
    done = rlhb(*arguments, data_dir=lab, check=False)
    assert done.returncode == (2 if arguments == ("nonsense",) else 1)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_two_ups_in_one_folder_and_a_wrong_token(sub02, tmp_path):
    up = RunningUp(["--replay", str(sub02), "--speed", "1"], tmp_path)
    try:
        assert "Another `rlhb up`" in sentence("up", "--replay", str(sub02), "--port", "0", data_dir=tmp_path)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
            answer = httpx.get(f"{up.url}/api/v1/labels", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert answer.json()["remedy"]
        for query in ({"after": "garbage!"}, {"limit": 0}, {"limit": 99999}, {"release": "maybe"}):
            answer = up.http.get("/api/v1/labels", params=query)
            assert 400 <= answer.status_code < 500
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert answer.json()["remedy"]
    finally:
        assert up.stop() == 0


def test_noise_gives_a_decoder_that_is_held(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.normal(0, 1e-5, (4, 250 * 300))
    raw = mne.io.RawArray(data, mne.create_info(["Fz", "Cz", "Pz", "Oz"], 250.0, "eeg"), verbose="error")
    onsets = np.arange(5, 295, 1.0)
    raw.set_annotations(mne.Annotations(onsets, 0, ["odd" if k % 4 == 0 else "fine" for k in range(len(onsets))]))
    path = tmp_path / "noise_raw.fif"
    raw.save(path, verbose="error")
    done = rlhb("fit", str(path), "--positive", "odd", "--negative", "fine", "--out", "noise", "--json", data_dir=tmp_path)
    assert '"released": false' in done.stdout
