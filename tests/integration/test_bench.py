"""`rlhb bench`: figures beside the peer's, with the machine's load, as JSON or a table. What they are is the machine's business."""

import importlib.util
import json
import math
import re

import pytest

from benchmarks import acquisition
from benchmarks.report import Figure
from tests.reference.running_up import rlhb

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(("name", "peers"), [("filters", {"scipy sosfilt"}), ("recording", {"without checksums", "pyxdf"})])
def test_a_benchmark_gives_our_figures_beside_the_peers_and_how_busy_the_machine_was(name, peers, tmp_path):
    answer = json.loads(rlhb("bench", name, "--seconds", "0.05", "--json", data_dir=tmp_path).stdout)
    assert answer["benchmark"] == name
    assert {f["peer"] for f in answer["figures"]} == peers
    for figure in answer["figures"]:
        assert figure["ours"] > 0
        assert figure["ratio"] == pytest.approx(figure["ours"] / figure["peers"])
    assert len(answer["machine"]["load_average_before"]) == len(answer["machine"]["load_average_after"]) == 3
    assert answer["versions"]["numpy"]


def test_every_decoder_is_timed_window_by_window_and_those_that_have_a_peer_beside_it(tmp_path):
    answer = json.loads(rlhb("bench", "decoders", "--seconds", "0.05", "--json", data_dir=tmp_path).stdout)
    assert [f["name"] for f in answer["figures"]] == [f"{name}, p50" for name in ("lda", "toeplitz", "xdawn", "mdm", "ensemble", "eegnet")]
    assert all((f["peers"] is None) == (f["peer"] == "") for f in answer["figures"])
    assert {f["name"]: f["aim"] for f in answer["figures"] if f["aim"]} == {"lda, p50": 10.0, "xdawn, p50": 60.0}


def test_a_benchmark_prints_a_table_for_people(tmp_path):
    shown = rlhb("bench", "filters", "--seconds", "0.05", data_dir=tmp_path).stdout
    assert "scipy sosfilt" in shown
    assert "load" in shown


@pytest.mark.skipif(importlib.util.find_spec("mne_lsl") is None, reason="mne-lsl is missing: pip install mne-lsl")
def test_sample_in_to_filtered_chunk_is_measured_through_the_real_daemon_and_bus_beside_mne_lsl(monkeypatch):
    monkeypatch.setattr(acquisition, "SETTINGS", ((4, 250.0),))
    monkeypatch.setattr(acquisition, "SETTLE_S", 0.3)
    report = acquisition.run(0.7, lambda _what, _done: None)
    timed, cpu = report.figures[:-1], report.figures[-1]
    assert [f.name.rpartition(", ")[2] for f in timed] == ["p50", "p95", "p99"]
    assert all(f.ours > 0 and f.peers is not None and f.peers > 0 for f in timed)
    assert math.isfinite(cpu.ours)
    ours, theirs = (int(n) for n in re.findall(r"(\d+) (?:chunks of ours|of the peer's)", report.remarks[0]))
    assert ours == 22  # of 31 chunks of eight samples in a second, the first 0.3 s left out
    assert theirs > 5


def test_an_aim_is_met_or_missed_by_our_figure_or_by_the_ratio():
    assert Figure("x", 0.7, "ms", "peer", 1.4, aim=0.8).met is True
    assert Figure("x", 0.9, "ms", "peer", 1.4, aim=0.8).met is False
    assert Figure("x", 1.0, "µs", "peer", 50.0, aim=1 / 40, aim_of="ratio").met is True
    assert Figure("x", 1.0, "µs").met is None
