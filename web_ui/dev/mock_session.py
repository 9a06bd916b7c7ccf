"""A made-up session for `mock_server`: texts, rewards and states; time since the start decides what is shown."""  # noqa: INP001 - outside the import contracts

import math
import random
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import WebSocket

from messaging.lab import LabStatus, ReplayPosition
from messaging.pages import BoardAbilities, Onsets, OperatorState, SessionNote, SessionOver, ShownTrial, StandingFault, Trial, TrialUnit
from messaging.words import Source

CHANNELS = ("Fp1", "Fp2", "F3", "Fz", "F4", "FCz", "C3", "Cz", "C4", "CPz", "P3", "Pz", "P4", "PO7", "Oz", "PO8")
RATE_HZ, PREVIEW_HZ, PREVIEW_STEP_S, PRIOR = 250.0, 62.5, 0.08, 0.15
TEXTS = (
    ("What does the moon do to the sea?", "The moon pulls the water towards itself, so the tide rises twice a week along most coasts."),
    ("How is bread made to rise?", "Yeast eats sugar and gives off gas, which fills the dough with stones before it is baked."),
    ("Why is the sky blue?", "Air scatters short wavelengths of light more than long ones, so blue reaches us from everywhere."),
    ("Who wrote Faust?", "Goethe worked on Faust for about sixty years and finished the second part in the year he died."),
)


class Mock:
    """Everything that happens, in one place."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.started = time.monotonic()
        self.state = "running"
        self.rng = random.Random(7)  # noqa: S311 - no secrets here
        self.trials: list[ShownTrial] = []
        self.rows: list[dict[str, Any]] = []
        self.subject_trial = 0
        self.page: WebSocket | None = None
        self.batches: list[Onsets] = []
        self.commands: list[str] = []
        self.held: str | None = None
        self.notes: list[SessionNote] = []
        self.stalled_since: str | None = None
        self.impedance_from: float | None = None
        self.note("start", "", "operator")
        self.note("rating", "4 on the scale 1-5, text 3", "subject")

    def note(self, what: str, text: str, who: str) -> None:
        """Enter something in the made-up journal."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self.notes.append(SessionNote(position=len(self.notes) + 1, what=what, text=text, who=who, at=at))

    def row(self, text: str, presentation: str, index: int, sample_index: int, annotation: bool) -> dict[str, Any]:
        """One made-up label row."""
        missing = self.rng.random() < 0.04
        llr = -0.5 + self.rng.gauss(0, 0.9) + (2.4 if self.rng.random() < 0.12 else 0)
        p_error = 1 / (1 + math.exp(-(llr + math.log(PRIOR / (1 - PRIOR)))))
        llr_sd = 0.2 + 0.3 * self.rng.random()
        held = missing or self.rng.random() < 0.05
        value = None if missing else 1
        return {
            "seq": len(self.rows) + 1,
            "kind": "unit",
            "signal": "error",
            "current": True,
            "presentation": presentation,
            "item_id": None if annotation else "item",
            "response_id": None if annotation else "response",
            "unit": {"index": index, "text": text},
            "llr": value and llr,
            "llr_sd": value and llr_sd,
            "p_error": value and p_error,
            "reward": value and 2 * (PRIOR - p_error),
            "reward_sd": value and 2 * p_error * (1 - p_error) * llr_sd,
            "confidence": value and math.tanh(abs(llr) / 2),
            "prior": PRIOR,
            "release": "held" if held else "ok",
            "release_reason": "window rejected: amplitude Fp1 212 uV > 150 uV" if missing else ("held by the operator" if held else None),
            "late": False,
            "sample_index": sample_index,
            "decoder": {"name": "lda-verdict", "version": 3, "auc": 0.731, "auc_ci95": [0.69, 0.77]},
        }

    def advance(self) -> list[dict[str, Any]]:
        """Rows that are due now."""
        elapsed = time.monotonic() - self.started + 30
        due = int(elapsed / 0.45)
        fresh = []
        while len(self.rows) < due - 3:
            k = len(self.rows)
            if self.source is Source.REPLAY:
                fresh.append(
                    self.row(self.rng.choice(("Stimulus/S 11", "Stimulus/S 12", "feedback: wrong")), f"replay-{k}", 0, int(k * 0.45 * RATE_HZ), annotation=True)
                )
            else:
                trial, index = divmod(k, 20)
                words = TEXTS[trial % len(TEXTS)][1].split()
                text = words[index] if index < len(words) else ""
                fresh.append(self.row(text, f"presentation-{trial}", index, int(k * 0.45 * RATE_HZ), annotation=False))
            self.rows.append(fresh[-1])
        return fresh

    def shown(self, trial: int, count: int) -> ShownTrial:
        """A trial as the operator sees it."""
        prompt, text = TEXTS[trial % len(TEXTS)]
        units = tuple(TrialUnit(index=k, text=word, onset_ms=0) for k, word in enumerate(text.split()))
        return ShownTrial(
            trial=trial, presentation=f"presentation-{trial}", prompt=prompt, response=text, shown=count, units=tuple(unit.model_copy() for unit in units)
        )

    def operator_state(self) -> OperatorState:
        """State of everything, made up except for what the pages did."""
        elapsed = time.monotonic() - self.started + 30
        trial, index = divmod(int(elapsed / 0.45), 20)
        replay = self.source is Source.REPLAY
        lab = LabStatus(
            state="recording",
            sentence="Recording 16 channels from the simulated subject.",
            session_id="first-session",
            recording_id="rec-2031-04-02-first",
            sample_index=int(elapsed * RATE_HZ),
            sampling_rate_hz=RATE_HZ,
            measured_rate_hz=249.97,
            preview_rate_hz=PREVIEW_HZ,
            loss_fraction=0.0003,
            sample_age_ms=38,
            clock_sd_ms=0.4,
            bytes_free=212_000_000_000,
            bus="away" if self.stalled_since else "connected",
            replay=ReplayPosition(position_s=elapsed % 600, duration_s=600) if replay else None,
        )
        over = self.state in ("finished", "aborted")
        away = "The bus is away: the recording goes on, rewards and labels wait. They follow as soon as the bus is back."
        ok = sum(row["release"] == "ok" for row in self.rows)
        return OperatorState(
            session_id="first-session",
            session_state=self.state,
            protocol="token_rsvp",
            subject="S-07",
            source=self.source.value,
            n_trials=0 if replay else 120,
            trials_done=0 if replay else trial,
            labels=len(self.rows),
            labels_ok=ok,
            subject_page=not replay and not over,
            lab=None if over else lab,
            worker=None if over else "worker-1",
            channels=() if over else CHANNELS,
            decoder={"name": "token-rsvp-shrinkage-lda-of-simulated-subject", "version": 3, "sha256": ""},
            held=self.held,
            over=over,
            recording_id="rec-2031-04-02-first",
            recording="stopped" if over else "wanted",
            notes=tuple(reversed(self.notes)),
            faults=(StandingFault(what="bus_away", sentence=away, since=self.stalled_since),) if self.stalled_since and not over else (),
            board=None
            if over
            else BoardAbilities(title="Mock", source=self.source.value, impedance=not replay, impedance_limit_kohm=50, eeg_channels=CHANNELS),
            current=None if replay else self.shown(trial, index),
            recent=() if replay else tuple(self.shown(k, 99) for k in range(max(0, trial - 6), trial)),
        )


def next_trial(mock: Mock) -> Trial | SessionOver:
    """Plan the trial that the subject page gets next, or the end."""
    k = mock.subject_trial
    if k >= len(TEXTS):
        return SessionOver(reason="All texts have been shown.")
    prompt, text = TEXTS[k]
    onset, units = 1500.0, []
    for index, word in enumerate(text.split()):
        units.append(TrialUnit(index=index, text=word, onset_ms=onset))
        onset += 450 + 100 * (mock.rng.random() - 0.5)
    return Trial(
        trial=k,
        block=0,
        n_trials=len(TEXTS),
        presentation=f"shown-{k}-{len(mock.batches)}",
        repeat=0,
        prompt=prompt,
        prompt_ms=1000,
        fixation_ms=500,
        units=tuple(units),
        blank_ms=800,
    )
