"""The real pages in Chromium, against the real processes: the simulated subject reads on the real subject page."""

import itertools
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from rlhb.demo import DemoSubject
from rlhb.demo_calibration import demo_decoder
from tests.reference.running_up import RunningUp

pytestmark = [pytest.mark.chromium, pytest.mark.processes]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCREENSHOTS = os.environ.get("RLHB_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
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
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on(
        "request",
        lambda request: page.faults.append(request.url) if not request.url.startswith((up.url, up.url.replace("http", "ws"), "data:", "blob:")) else None,
    )
    page.goto(f"{up.url}{path}{'&' if '?' in path else '?'}token={up.token}")
    return page


def until(page: Page, condition: str, within_ms: int) -> None:
    """Wait for a condition of the page; the page's content security policy forbids the browser driver's own way of waiting."""
    for _ in range(within_ms // 100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{condition} did not come true within {within_ms} ms; faults: {page.faults}")


def keep(page: Page, name: str) -> None:
    """Keep a screenshot where one is asked for."""
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def test_what_the_subject_page_shows_comes_back_as_labels_and_colours_the_operator_page(browser, up):
    wish = {"subject": "simulated-1", "protocol": "token_rsvp", "seed": 7, "n_trials": 2, "decoder": up.decoder, "prompt_ms": 300, "start": True}
    session = up.http.post("/api/v1/sessions", json=wish).raise_for_status().json()["session_id"]
    operator = open_page(browser, up, f"/operator/{session}")
    subject = open_page(browser, up, f"/subject/{session}?auto=1")
    until(subject, "window.rlhb && window.rlhb.timing.length > 3", 60_000)
    keep(subject, "subject")
    assert "token" not in subject.url
    assert "token" not in operator.url
    until(subject, "window.rlhb.state.screen === 'over'", 90_000)
    timing = subject.evaluate("window.rlhb.timing")
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
    keep(operator, "operator")
    assert operator.faults == []
    assert subject.faults == []


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
    keep(page, "finished")
    assert page.faults == []
