"""The report's page: everything a lab needs to believe or doubt a decoder, in one file that loads nothing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from decoders.fit import FitSettings, fit_decoder
from decoders.fitted import GateLine
from decoders.registry import Registry
from rlhb.commands.reporting import write_report
from rlhb.report_page import report_html
from tests.reference.training_sessions import drawn_session


@pytest.fixture(scope="module")
def decoder():
    return fit_decoder([drawn_session(n_trials=150)], FitSettings(name="ours", task="token_rsvp"))


def test_the_page_has_every_picture_and_line_and_loads_nothing(decoder):
    page = report_html(decoder)
    assert page.count("<svg") == 9
    for title in ("Information", "Calibration", "Better than chance", "Not the eyes", "Negative controls", "Clean windows"):
        assert title in page
    assert f"{decoder.report['held_out']['auc']:.3f}" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "SIMULATED" not in page
    assert "@page" in page


def test_a_simulated_subject_is_marked_across_the_page(decoder):
    named = replace(decoder, statement=decoder.statement.model_copy(update={"subjects": ("simulated-1",)}))
    assert '<div class="simulated"' in report_html(named)


def test_words_of_others_are_text_and_a_failed_line_says_what_to_do(decoder):
    line = GateLine("ocular", "failed", 0.8, 0.55, "<script>alert(1)</script>")
    page = report_html(replace(decoder, gate=(line,), released=False))
    assert "<script>" not in page
    assert "ask for fixation" in page
    assert "Failed: Not the eyes" in page


def test_a_report_without_pictures_is_a_page_too(decoder):
    old = {name: value for name, value in decoder.report.items() if name != "pictures"}
    page = report_html(replace(decoder, report=old))
    assert "fit it again" in page
    assert page.count("<svg") == 0


def test_channels_without_places_have_no_map(decoder):
    averages = decoder.report["pictures"]["averages"] | {
        "channel_names": [f"E{k}" for k in range(len(decoder.report["pictures"]["averages"]["channel_names"]))]
    }
    report = decoder.report | {"pictures": decoder.report["pictures"] | {"averages": averages}}
    assert "No map of the head" in report_html(replace(decoder, report=report))


def test_the_pictures_hold_what_was_measured(decoder):
    pictures = decoder.report["pictures"]
    averages = pictures["averages"]
    times = np.array(averages["times_ms"])
    difference = np.array(averages["positive"]["mean_uv"]) - np.array(averages["negative"]["mean_uv"])
    assert np.abs(difference[times > 0]).max() > 3 * np.abs(difference[times < 0]).max()
    assert averages["positive"]["n"] + averages["negative"]["n"] <= decoder.report["counts"]["onsets"]
    roc = pictures["roc"]
    assert np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"]) == pytest.approx(decoder.report["held_out"]["auc"], abs=0.01)
    assert sum(pictures["histogram"]["positive"]) == decoder.report["held_out"]["n_pos"]
    assert np.array(pictures["temporal_generalisation"]["auc"]).max() > 0.7


def test_the_command_writes_it_beside_the_registry(decoder, tmp_path):
    registry = Registry(tmp_path / "decoders")
    registry.save(decoder)
    path = write_report(registry, tmp_path / "decoders", "ours", tmp_path / "reports")
    assert path == tmp_path / "reports" / "ours-1.html"
    assert [p.name for p in path.parent.iterdir()] == ["ours-1.html"]
    assert "version 1" in path.read_text("utf-8")
