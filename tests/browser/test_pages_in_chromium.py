"""The real pages in Chromium, against the real processes: the simulated subject reads on the real subject page."""

import itertools
import json
import os
import shlex
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from rlhb.demo import DemoSubject
from rlhb.demo_calibration import demo_decoder
from tests.reference import browser_pages as pages
from tests.reference.browser_pages import keep, until
from tests.reference.running_up import RunningUp, read_jsonl, rlhb

pytestmark = [pytest.mark.chromium, pytest.mark.processes]


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=pages.FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """All processes with the simulated subject, and nobody who plays it."""
    data_dir = tmp_path_factory.mktemp("lab")
    decoder = demo_decoder(data_dir, DemoSubject(), lambda _what, _done: None)
    running = RunningUp(["--no-demo"], data_dir)
    running.decoder = f"{decoder.name}@{decoder.version}"
    yield running
    running.stop()


def open_page(browser: Browser, up: RunningUp, path: str) -> Page:
    """Open an address of the page with the ready token."""
    return pages.open_page(browser, up.url, up.token, path)


@pytest.fixture(scope="module")
def played(browser, up):
    """A session whose texts were read on the real subject page, seen by an operator: session, operator page, subject page, its timing."""
    wish = {"subject": "simulated-1", "protocol": "token_rsvp", "seed": 7, "n_trials": 2, "decoder": up.decoder, "prompt_ms": 300, "start": True}
    session = up.http.post("/api/v1/sessions", json=wish).raise_for_status().json()["session_id"]
    operator = open_page(browser, up, f"/operator/{session}")
    subject = open_page(browser, up, f"/subject/{session}?auto=1")
    until(subject, "window.rlhb && window.rlhb.timing.length > 3", 60_000)
    keep(subject, "subject")
    until(operator, "document.querySelectorAll('[data-reward]').length >= 18", 60_000)
    keep(operator, "operator")
    operator.get_by_role("button", name="Spectrum").click()
    until(operator, "document.querySelectorAll('.spectrum path').length >= 16", 20_000)
    keep(operator, "spectrum", ".signal")
    until(subject, "window.rlhb.state.screen === 'over'", 90_000)
    return session, operator, subject, subject.evaluate("window.rlhb.timing")


def test_what_the_subject_page_shows_comes_back_as_labels_and_colours_the_operator_page(up, played):
    session, operator, subject, timing = played
    assert "token" not in subject.url
    assert "token" not in operator.url
    rows = up.labels_when(len(timing), session=session)

    assert {(r["presentation"], r["unit"]["index"]) for r in rows} == {(t["presentation"], t["index"]) for t in timing}
    assert len(rows) == len(timing)
    for row in rows:
        unit = row["unit"]
        assert row["response"][unit["char_start"] : unit["char_end"]] == unit["text"]
        assert row["source"] == "simulated"
        assert row["onset_source"] == "frame"
        assert row["llr"] is not None or row["release_reason"]
    check_onsets(rows, timing)

    until(operator, f"document.querySelectorAll('[data-reward]').length >= {len([r for r in rows if r['reward'] is not None]) // 2}", 20_000)
    assert operator.faults == []
    assert subject.faults == []


def test_review_shows_every_label_as_rest_gives_it_and_holds_and_releases(browser, up, played):
    session, timing = played[0], played[3]
    rows = {row["label_id"]: row for row in up.labels_when(len(timing), session=session)}
    page = open_page(browser, up, f"/sessions/{session}")
    until(page, f"document.querySelectorAll('.cell').length === {len(rows)}", 30_000)
    shown = [page.locator("ol[aria-label='Texts of the session'] button").nth(k) for k in range(2)]
    for text in shown:
        text.click()
        words = page.locator(".words button.word").all_inner_texts()
        presentation = next(r["presentation"] for r in rows.values() if r["unit"]["text"] == words[0] and r["response"] == page.locator(".words").inner_text())
        of_text = sorted((r for r in rows.values() if r["presentation"] == presentation), key=lambda r: r["unit"]["index"])
        assert words == [r["unit"]["text"] for r in of_text]
        assert page.locator(".words button.word").evaluate_all("all => all.map(w => Number(w.dataset.reward))") == [r["reward"] for r in of_text]

    page.locator(".words button.word").nth(3).click()
    until(page, "document.querySelectorAll('section[aria-busy=false] svg path.own[d^=M]').length === 3", 30_000)
    assert f"{abs(of_text[3]['llr']):.2f}" in page.locator(".numbers").inner_text()
    keep(page, "review")

    page.keyboard.press("h")
    page.locator("dialog[open] input").fill("Fz fell off")
    page.locator("dialog[open] button", has_text="Hold labels").click()
    until(page, "document.body.innerText.includes('held: Fz fell off')", 10_000)
    assert {r["release_reason"] for r in up.labels(session=session, after=max(r["seq"] for r in rows.values()))} == {"operator: Fz fell off"}
    assert page.locator(".cell.held").count() == len(rows)
    page.get_by_role("button", name="Release labels").click()
    page.locator("dialog[open] input").fill("it was glued again")
    page.locator("dialog[open] button", has_text="Release labels").click()
    until(page, "!document.body.innerText.includes('held: Fz')", 10_000)
    assert up.http.get(f"/api/v1/sessions/{session}").json()["events"][-1]["text"] == "it was glued again"
    assert page.faults == []


def test_review_is_filtered_and_walked_through_by_keyboard_alone(browser, up, played):
    page = open_page(browser, up, f"/sessions/{played[0]}")
    until(page, "document.querySelectorAll('.cell').length > 0", 30_000)
    first = page.locator(".text .about").inner_text()
    page.keyboard.press("j")
    assert page.locator(".text .about").inner_text() != first
    page.keyboard.press("k")
    assert page.locator(".text .about").inner_text() == first
    page.keyboard.press("/")
    page.keyboard.type("nothing has this word")
    until(page, "document.body.innerText.includes('No word fits.')", 5_000)
    page.get_by_role("searchbox").fill("")
    page.locator(".words button.word").first.focus()
    page.keyboard.press("ArrowRight")
    word = page.evaluate("document.activeElement.textContent")
    until(page, f"document.querySelector('.numbers h3').textContent === {word!r}", 5_000)
    assert page.faults == []


def test_the_lines_that_review_gives_to_copy_give_the_labels_that_rest_gives(browser, up, played, tmp_path):
    session, timing = played[0], played[3]
    newest = {row["label_id"]: row for row in up.labels_when(len(timing), session=session)}
    released = [row for row in newest.values() if row["release"] == "ok"]
    page = open_page(browser, up, f"/sessions/{session}")
    page.get_by_label("Form").select_option("labels")
    page.get_by_role("button", name="Make a snapshot").click()
    until(page, "document.querySelector('pre[aria-label=\"the load_dataset line of the snapshot\"]') !== null", 30_000)
    page.get_by_role("button", name="Copy the load_dataset line of the snapshot").click()
    until(page, "document.body.innerText.includes('Copied')", 5_000)
    keep(page, "review_snapshot")
    line = page.evaluate("navigator.clipboard.readText()")
    tell = "import json; print(json.dumps([row for part in snapshot.values() for row in part['label_id']]))"
    environment = os.environ | {"RLHB_TOKEN": up.token, "HF_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", f"{line}\n{tell}"], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert sorted(json.loads(run.stdout.splitlines()[-1])) == sorted(row["label_id"] for row in released)
    pull = shlex.split(page.get_by_label("the pull command", exact=True).inner_text())
    out = tmp_path / "labels.jsonl"
    rlhb(*pull[1:-1], str(out), RLHB_TOKEN=up.token)
    assert {row["label_id"] for row in read_jsonl(out)} == {row["label_id"] for row in released}
    assert page.faults == []


def check_onsets(rows: list[dict], timing: list[dict]) -> None:
    """Frame times of the page and onsets of the labels tell the same intervals: clocks add no more than they say."""
    shown = {(t["presentation"], t["index"]): t["onset_page_ms"] for t in timing}
    by_presentation: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        pair = (shown[row["presentation"], row["unit"]["index"]], row["onset_lsl_s"] * 1e3, row["onset_sd_ms"])
        by_presentation.setdefault(row["presentation"], []).append(pair)
    for pairs in by_presentation.values():
        pairs.sort()
        for (page_a, host_a, _), (page_b, host_b, sd) in itertools.pairwise(pairs):
            assert abs((host_b - host_a) - (page_b - page_a)) < 5 * sd + 1.0


def test_home_lists_the_sessions(browser, up):
    session = up.http.post("/api/v1/sessions", json={"subject": "somebody", "n_trials": 1}).raise_for_status().json()["session_id"]
    page = open_page(browser, up, "/")
    page.wait_for_selector(f"a[href*='/operator/{session}']", timeout=20_000)
    keep(page, "home")
    page.get_by_role("link", name="All sessions").click()
    page.wait_for_selector(f"a[href*='/sessions/{session}']", timeout=20_000)
    page.get_by_role("searchbox").fill("somebody ready")
    until(page, "document.querySelectorAll('main li').length === 1", 5_000)
    keep(page, "sessions")
    assert page.faults == []


def test_an_operator_makes_a_session_and_repeats_it(browser, up):
    page = open_page(browser, up, "/")
    page.get_by_role("button", name="New session", exact=True).click()
    page.get_by_role("button", name="Make the session").click()
    assert page.locator("#fault-subject").inner_text() == "Give a pseudonym, for example p01."
    page.get_by_label("Subject").fill("simulated-1")
    page.get_by_label("SOA (ms)").fill("20")
    page.get_by_role("button", name="Make the session").click()
    assert "20 is not a number from 50 to 10000 ms." in page.locator("#fault-soaMs").inner_text()
    page.get_by_label("SOA (ms)").fill("500")
    assert page.locator("#fault-soaMs").count() == 0
    page.get_by_label("Trials").fill("2")
    page.get_by_label("Decoder").select_option(up.decoder)
    keep(page, "new_session")
    page.get_by_role("button", name="Make the session").click()
    page.wait_for_url("**/operator/**", timeout=20_000)
    made = up.http.get(f"/api/v1/sessions/{page.url.split('/operator/')[1].split('?')[0]}").json()
    assert (made["subject"], made["soa_ms"], made["n_trials"], made["state"]) == ("simulated-1", 500.0, 2, "ready")
    assert f"{made['decoder_name']}@{made['decoder_version']}" == up.decoder

    page.goto(f"{up.url}/")
    page.get_by_role("button", name="Repeat").first.click()
    until(page, f"document.querySelector('h2').innerText.includes('{made['session_id']}')", 10_000)
    page.get_by_role("button", name="Make the session").click()
    page.wait_for_url("**/operator/**", timeout=20_000)
    again = up.http.get(f"/api/v1/sessions/{page.url.split('/operator/')[1].split('?')[0]}").json()
    assert again["session_id"] != made["session_id"]
    assert [again[k] for k in ("subject", "soa_ms", "n_trials", "item_set")] == [made[k] for k in ("subject", "soa_ms", "n_trials", "item_set")]
    assert again["parameters"]["seed"] != made["parameters"]["seed"]
    assert page.faults == []


def test_a_page_without_a_token_says_what_to_do(browser, up):
    page = browser.new_context().new_page()
    page.faults = []
    page.goto(up.url)
    until(page, "/token|rlhb up/i.test(document.body.innerText)", 20_000)
    assert "undefined" not in page.inner_text("body")


def test_an_operator_holds_comments_and_is_asked_before_the_session_ends(browser, up):
    wish = {"subject": "simulated-1", "n_trials": 1, "decoder": up.decoder, "start": True}
    session = up.http.post("/api/v1/sessions", json=wish).raise_for_status().json()["session_id"]
    page = open_page(browser, up, f"/operator/{session}")
    until(page, "document.querySelectorAll('.signal tbody tr').length > 0", 30_000)
    assert page.locator(".signal tbody .badge").first.inner_text() in ("good", "bad")

    page.get_by_role("button", name="Hold labels").click()
    page.locator("dialog[open] input").fill("electrode off")
    page.locator("dialog[open] button", has_text="Hold labels").click()
    until(page, "document.body.innerText.includes('held by the operator: electrode off')", 10_000)
    page.get_by_role("button", name="Release labels").click()
    page.locator("dialog[open] button", has_text="Release labels").click()
    until(page, "!document.body.innerText.includes('held by the operator')", 10_000)

    page.get_by_label("Comment for the recording").fill("yawned")
    page.get_by_role("button", name="Add").click()
    until(page, "document.querySelector('.journal li').innerText.includes('yawned')", 10_000)
    assert up.http.get(f"/api/v1/sessions/{session}").json()["events"][-1]["text"] == "yawned"

    page.get_by_role("button", name="Finish", exact=True).click()
    page.locator("dialog[open] button", has_text="Keep it going").click()
    assert up.http.get(f"/api/v1/sessions/{session}").json()["state"] == "running"
    page.get_by_role("button", name="Finish", exact=True).click()
    keep(page, "finish")
    page.locator("dialog[open] button", has_text="Finish the session").click()
    until(page, "document.body.innerText.includes('Nothing is acquired for this session any more.')", 30_000)
    assert page.faults == []
