"""Fitting in a process of its own: progress passed on, and every way it can go wrong is a sentence."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from decoders.worker.calibrating import fit_calibration_of
from messaging.rewards import CalibrationProgress, CalibrationResult, CalibrationWish

WISH = CalibrationWish(recording_id="s-1", item_set="marked", name="p01-token_rsvp")
GATE = [{"name": "information_gain", "verdict": "failed", "value": 0.0, "bound": 0.0, "sentence": "It says nothing."}]
ANSWER = {"name": "p01-token_rsvp", "version": 2, "released": False, "auc": 0.55, "auc_ci95": [0.5, 0.6], "gate": GATE}


def run(program: str) -> tuple[CalibrationResult, list[CalibrationProgress]]:
    told: list[CalibrationProgress] = []

    async def tell(progress: CalibrationProgress) -> None:
        told.append(progress)

    command = (sys.executable, "-c", program) if program else ()
    return asyncio.run(fit_calibration_of(command, Path("recording.xdf"), WISH, tell)), told


def test_progress_is_passed_on_and_the_verdict_is_told_in_words() -> None:
    lines = [json.dumps({"what": "filtering", "fraction": f}) for f in (0.1, 1.5)]
    result, told = run(f"import sys; print({json.dumps(ANSWER)!r}); [print(line, file=sys.stderr) for line in {lines!r}]")
    assert [(p.recording_id, p.what, p.fraction) for p in told] == [("s-1", "filtering", 0.1), ("s-1", "filtering", 1.0)]
    assert (result.name, result.version, result.released, result.auc_ci95) == ("p01-token_rsvp", 2, False, (0.5, 0.6))
    assert [line.name for line in result.gate] == ["information_gain"]
    assert "held" in result.sentence
    assert "It says nothing." in result.sentence


def test_the_fit_is_asked_for_the_marks_of_the_server_and_runs_at_low_priority() -> None:
    program = f"import os, sys, json; print(json.dumps({ANSWER!r} | {{'name': ' '.join(sys.argv[1:]), 'version': os.nice(0) + 1}}))".replace("False", "True")
    result, _ = run(program)
    assert result.name == "recording.xdf --positive unit/wrong --negative unit/right --marks-of-server marked --out p01-token_rsvp --json --tell-progress"
    assert result.released


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import sys; print('Too few trials: 3.', file=sys.stderr); sys.exit(1)", "Too few trials: 3."),
        ("import os; os.kill(os.getpid(), 9)", "status -9"),
        ("print('no JSON')", "no readable answer"),
        ("print('{}')", "no readable answer"),
        ("", "fits no decoders"),
    ],
)
def test_a_fit_that_fails_is_one_sentence_and_no_decoder(program: str, expected: str) -> None:
    result, _ = run(program)
    assert (result.name, result.version, result.released) == (None, None, False)
    assert result.sentence.startswith("No decoder was fitted.")
    assert expected in result.sentence


def test_a_program_that_is_not_there_is_a_sentence() -> None:
    async def tell(_: CalibrationProgress) -> None:
        return

    result = asyncio.run(fit_calibration_of(("/nowhere/rlhb",), Path("r.xdf"), WISH, tell))
    assert "could not be started" in result.sentence
