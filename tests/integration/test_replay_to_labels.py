"""A real recording, replayed through the real processes: one label per event, and killing any process loses and doubles nothing."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoders.online import OnlineDecoder
from decoders.registry import Registry
from messaging.records import DecoderRef
from recordings.recording import read_recording
from rlhb.commands.lab import replay_plan
from rlhb.offline_log import log_of_foreign
from tests.reference.running_up import RunningUp, read_jsonl, rlhb

pytestmark = pytest.mark.processes
EVENTS = ("--positive", "token/error", "--negative", "token/correct")


@pytest.fixture(scope="module")
def fitted(recordings_dir, tmp_path_factory):
    """A data folder with the decoder `errp2`, fitted on sub-02."""
    folder = tmp_path_factory.mktemp("lab")
    done = rlhb("fit", str(recordings_dir / "semisynthetic_errp" / "sub-02_task-errpsim_raw.fif"), *EVENTS, "--out", "errp2", "--json", data_dir=folder)
    answer = json.loads(done.stdout)
    assert (answer["name"], answer["version"]) == ("errp2", 1)
    return folder


@pytest.fixture(scope="module")
def sub01(recordings_dir):
    return recordings_dir / "semisynthetic_errp" / "sub-01_task-errpsim_raw.fif"


@pytest.fixture(scope="module")
def offline(fitted, sub01, tmp_path_factory):
    """The llr of every token event of sub-01, decoded without any process, in the order of the events."""
    out = tmp_path_factory.mktemp("offline") / "rewards.jsonl"
    rlhb("relabel", str(sub01), "--decoder", "errp2", "--out", str(out), data_dir=fitted)
    return [row["llr"] for row in read_jsonl(out)]


def check_labels(rows, sub01, offline):
    """Every event once, in order, with the value that offline decoding gives, bit for bit."""
    events = [e for e in read_recording(sub01).events if e.description.startswith("token/")]
    assert [r["seq"] for r in rows] == list(range(1, len(events) + 1))
    assert len({r["label_id"] for r in rows}) == len(events)
    assert {r["revision"] for r in rows} == {1}
    by_sample = sorted(rows, key=lambda r: r["sample_index"])
    assert [r["sample_index"] for r in by_sample] == [e.onset_sample for e in events]
    assert [r["unit"]["text"] for r in by_sample] == [e.description for e in events]
    assert [r["llr"] for r in by_sample] == offline
    for row in rows:
        assert row["source"] == "replay"
        assert row["clock"] == "virtual"
        assert row["item_id"] is None
        assert row["llr"] is not None or row["release_reason"]


def test_a_replay_gives_one_label_per_event_and_relabel_gives_the_same_bits(fitted, sub01, offline, tmp_path):
    up = RunningUp(["--replay", str(sub01), "--decoder", "errp2", "--speed", "10"], fitted)
    try:
        rows = up.labels_when(len(offline))
        check_labels(rows, sub01, offline)
        assert up.labels(release="ok") == []  # the gate's verdict speaks of sub-02, not of sub-01
        assert sum(r["release_reason"] == "other_subject: calibrated with sub-02, not with sub-01" for r in rows) > 0.8 * len(rows)
        recording = next((fitted / "recordings").glob(f"{rows[0]['recording_id']}.xdf"))
    finally:
        assert up.stop() == 0
    done = rlhb("relabel", str(recording), "--decoder", "errp2", "--out", str(tmp_path / "again.jsonl"), data_dir=fitted)
    assert "bit for bit" in done.stderr
    again = {r["label_id"]: r for r in read_jsonl(tmp_path / "again.jsonl")}
    for row in rows:
        for field in ("llr", "llr_sd", "p_error", "reward", "reward_sd", "confidence", "release"):
            assert again[row["label_id"]][field] == row[field], field


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunk_samples=st.integers(1, 700))
def test_random_chunk_sizes_give_the_same_bits(fitted, sub01, offline, chunk_samples):
    recording, registry = read_recording(sub01), Registry(fitted / "decoders")
    plan = replay_plan(recording, "chunks", DecoderRef(name="errp2", version=1), 0.2)
    online = OnlineDecoder(lambda ref: registry.load(ref.name, ref.version))
    rewards = [reward for record in log_of_foreign(recording, plan, chunk_samples) for reward in online.receive(record)]
    assert [reward.llr for reward in rewards] == offline


@pytest.mark.parametrize("name", ["worker", "daemon", "server", "bus"])
def test_kill_9_in_the_middle_of_a_replay_loses_and_doubles_nothing(name, fitted, sub01, offline, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "decoders").symlink_to(fitted / "decoders")
    up = RunningUp(["--replay", str(sub01), "--decoder", "errp2", "--speed", "25"], folder)
    try:
        before = up.labels_when(40)
        assert len(before) < len(offline), "the replay was over before the kill"
        up.kill(name)
        rows = up.labels_when(len(offline))
        check_labels(rows, sub01, offline)
        kept = {r["label_id"]: r for r in rows}
        for row in before:
            assert kept[row["label_id"]] == row
        assert any(name in line and "killed by signal 9" in line for line in up.log)
    finally:
        up.stop()


def test_several_processes_killed_at_once_again_and_again(fitted, sub01, offline, tmp_path):
    (tmp_path / "decoders").symlink_to(fitted / "decoders")
    up = RunningUp(["--replay", str(sub01), "--decoder", "errp2", "--speed", "20"], tmp_path)
    try:
        for enough, names in ((25, ("bus", "worker")), (70, ("daemon", "server")), (115, ("worker", "server", "bus"))):
            assert len(up.labels_when(enough)) < len(offline), "the replay was over before the kill"
            for name in names:
                up.kill(name)
        check_labels(up.labels_when(len(offline)), sub01, offline)
    finally:
        up.stop()
