"""The pages of the navigation, their accessibility, and the live view with 64 channels, in Chromium against a real server."""

import gzip
import json
import time

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from messaging.lab import ChannelQuality, LabHello, LabQuality, LabStatus, StreamQuality
from messaging.records import Chunk, encode_record
from messaging.words import ClockKind, Source
from tests.conftest import ROOT, _missing
from tests.reference import browser_pages as pages
from tests.reference.browser_pages import findings, keep, until
from tests.reference.live_server import TOKEN, Lab, LiveServer
from tests.reference.random_logs import profile
from web_ui import static_dir

pytestmark = pytest.mark.chromium

_LINES = [
    {"item_id": "i1", "prompt": "What is the Moon?", "responses": [{"response_id": "r1", "text": "It is made of cheese.", "wrong": [4]}]},
    {"item_id": "i2", "prompt": "<b>Why?</b>", "responses": [{"response_id": "r2", "text": "<img src=x onerror=alert(1)> is shown as text."}]},
]
_STATEMENT = {
    "name": "lab-a", "version": 1, "sha256": "67ae466ed839356615700a5eee700b6f7c37e99fbcf3a970670a10c6189ddf74", "task": "token_rsvp", "soa_ms": 450.0,
    "calibration_id": "c", "auc": 0.712, "auc_ci95": [0.664, 0.757], "trained_on": ["p01-calibration"], "subjects": ["p01"], "adapted_to": None,
}  # fmt: skip
_GATE = [
    {"name": "information_gain", "verdict": "passed", "value": 0.03, "bound": 0.01, "sentence": "Information gain 0.0300 bits a trial, lower bound 0.0100."},
    {"name": "ocular", "verdict": "failed", "value": 0.61, "bound": 0.55, "sentence": "Ocular channels (Fp1, Fp2) alone reach AUC 0.66, lower bound 0.61."},
    {"name": "lexical", "verdict": "not assessable", "value": None, "bound": None, "sentence": "The recordings do not say which words were shown."},
]


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core."""
    path = ROOT / "web_ui" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        _missing("axe-core", "npm ci in web_ui/")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=pages.FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with two decoders, one released, one held."""
    folder = tmp_path_factory.mktemp("places")
    for version, released in ((1, True), (2, False)):
        place = folder / "decoders" / "lab-a" / str(version)
        place.mkdir(parents=True)
        gate = _GATE if not released else [_GATE[0], _GATE[1] | {"verdict": "passed"}, _GATE[2]]
        (place / "decoder.json").write_text(json.dumps({"statement": _STATEMENT | {"version": version}, "gate": gate, "released": released}))
    live = LiveServer(folder)
    yield live
    live.stop()


def open_page(browser, server, path, scheme="light"):
    return pages.open_page(browser, f"http://127.0.0.1:{server.port}", TOKEN, path, scheme)


def test_an_item_file_is_checked_line_by_line_before_it_is_sent_and_shown_as_text(browser, server, tmp_path):
    path = tmp_path / "moon items.jsonl"
    wrong = [*_LINES, {"item_id": "i3", "responses": [{"response_id": "r1", "text": "twice"}]}]
    path.write_text("\n".join(json.dumps(line) for line in wrong) + "\n{")
    page = open_page(browser, server, "/items")
    page.set_input_files("input[type=file]", str(path))
    until(page, "document.body.innerText.includes('2 lines are wrong')", 10_000)
    said = page.locator(".faults").inner_text()
    assert "line 3 response r1 stands in line 1 already." in said
    assert "line 4 It is no JSON" in said
    assert page.get_by_role("button", name="Take them in").is_disabled()
    keep(page, "items_wrong")

    path.write_text("\n".join(json.dumps(line) for line in _LINES))
    page.set_input_files("input[type=file]", str(path))
    page.get_by_role("button", name="Take them in").click()
    until(page, "document.body.innerText.includes('2 items were taken in as moon_items.')", 10_000)
    until(page, "document.querySelector('.rows h2').innerText === 'moon_items' && document.querySelectorAll('.rows li').length === 2", 10_000)
    assert page.locator(".rows .text").all_inner_texts() == [line["responses"][0]["text"] for line in _LINES]
    assert page.locator(".rows mark").count() == 0
    page.get_by_label("show what is wrong").check()
    assert page.locator(".rows mark").all_inner_texts() == ["cheese."]
    keep(page, "items")
    assert server.get("/items", item_set="moon_items")["items"][0]["marks"] == {"wrong": [4]}
    assert page.faults == []


def test_a_token_is_shown_once_and_revoked_from_the_list(browser, server):
    page = open_page(browser, server, "/access")
    page.get_by_role("button", name="Make the token").click()
    assert "Give a name" in page.locator(".fault").inner_text()
    page.get_by_placeholder("training-1").fill("training-1")
    page.get_by_role("button", name="Make the token").click()
    until(page, "document.querySelector('.fresh code') !== null", 10_000)
    token = page.locator(".fresh code").inner_text()
    allowed = {"Authorization": f"Bearer {token}"}
    assert server.http.get("/api/v1/labels", headers=allowed).status_code == 200
    assert server.http.get("/api/v1/decoders", headers=allowed).status_code == 403
    page.get_by_role("button", name="I have it").click()
    assert token not in page.content()
    page.get_by_role("button", name="Revoke training-1").click()
    page.locator("dialog[open] button", has_text="Revoke it").click()
    until(page, "document.querySelector('tr.over') !== null", 10_000)
    assert server.http.get("/api/v1/labels", headers=allowed).status_code == 401
    assert page.faults == []


def test_decoders_say_in_words_whether_their_labels_may_be_learnt_from(browser, server):
    page = open_page(browser, server, "/decoders")
    until(page, "document.querySelectorAll('article').length === 2", 10_000)
    newest, older = page.locator("article").all_inner_texts()
    assert newest.startswith("version 2")
    assert "Its labels are held. Ocular channels (Fp1, Fp2) alone reach AUC 0.66, lower bound 0.61. One check could not be made." in newest
    assert "Is it the eyes?" in newest
    assert "It passed the gate: its labels may be learnt from." in older
    assert "0.712" in older
    assert "0.664 to 0.757" in older
    keep(page, "decoders")
    assert page.faults == []


def test_the_navigation_works_by_keyboard_and_leads_to_every_page(browser, server):
    page = open_page(browser, server, "/")
    until(page, "document.querySelector('nav a[aria-current=page]') !== null", 10_000)
    for place, heading in (("Home", "Laboratory"), ("Sessions", "Sessions"), ("Decoders", "Decoders"), ("Protocols", "Protocols"), ("Items", "Items")):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=place).focus()
        page.keyboard.press("Enter")
        until(page, f"document.querySelector('h1')?.innerText === {heading!r}", 10_000)
        assert page.locator("nav a[aria-current=page]").first.inner_text() == place
        if place == "Protocols":
            until(page, "document.querySelectorAll('article svg').length >= 2", 10_000)
            keep(page, "protocols")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("skip")
    assert page.faults == []


def test_no_page_has_a_serious_finding_of_axe_in_light_and_dark(browser, server, axe):
    session = server.post("/sessions", {"subject": "p01", "n_trials": 1})["session_id"]
    places = ("/", "/?new=token_rsvp", "/sessions", "/decoders", "/protocols", "/items", "/access", "/sessions/no/page")
    found = {}
    for address in (*places, f"/sessions/{session}", f"/operator/{session}", f"/subject/{session}"):
        page = open_page(browser, server, address)
        until(page, "document.querySelector('main h1, main [role=status], main .who, main h2') !== null", 10_000)
        page.wait_for_load_state("networkidle")
        found[f"light {address}"] = findings(page, axe)
        page.emulate_media(color_scheme="dark")
        found[f"dark {address}"] = findings(page, axe, ("color-contrast",))  # nothing but colours depends on the scheme
        page.context.close()
    assert {where: what for where, what in found.items() if what} == {}


def test_the_script_is_small_and_the_page_asks_nobody_else(browser, server):
    folder = static_dir()
    assert folder is not None
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in folder.rglob("*.js")}
    assert sum(sizes.values()) < 300_000, sizes
    page = open_page(browser, server, "/sessions")
    until(page, "document.querySelector('h1') !== null && performance.getEntriesByName('first-contentful-paint').length > 0", 10_000)
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"script {sum(sizes.values())} bytes compressed, first contentful paint {paint_ms:.0f} ms")
    assert page.faults == []


_NAMES = (*(f"E{k + 1}" for k in range(61)), "Fz", "Cz", "Pz")
_FLAT = ChannelQuality(name="Cz", rms_uv=0.01, flat=True, bad=True, reasons=("flat: 0.05 µV peak to peak (limit 0.5 µV)",))
_QUALITY = tuple(_FLAT if n == "Cz" else ChannelQuality(name=n, rms_uv=9.5, mains_ratio=0.02, emg_ratio=0.1) for n in _NAMES)


def test_a_session_with_a_bad_electrode_starts_only_with_a_reason_that_is_kept(browser, server):
    session = server.post("/sessions", {"subject": "p64", "n_trials": 1})["session_id"]
    with Lab(server, LabHello(daemon_id="d64", profile=profile(_NAMES, 1000.0), source=Source.SIMULATED, clock=ClockKind.REAL)) as lab:
        page = open_page(browser, server, f"/operator/{session}")
        lab.send(LabStatus(state="streaming", sentence="64 channels.", sampling_rate_hz=1000.0, preview_rate_hz=125.0))
        until(page, "document.body.innerText.includes('of 1000 Hz') && document.querySelectorAll('.names li').length === 64", 10_000)
        lab.send(LabQuality(channels=_QUALITY, stream=StreamQuality()))
        until(page, "document.querySelector('.strip.bad') !== null", 10_000)
        page.get_by_role("button", name="Start", exact=True).click()
        page.locator("dialog[open] button", has_text="Start anyway").click()
        assert page.locator("dialog[open]").count() == 1  # no reason yet
        page.locator("dialog[open] input").fill("only Pz is looked at")
        keep(page, "start_refused")
        page.locator("dialog[open] button", has_text="Start anyway").click()
        lab.start()
        until(page, "document.querySelector('.journal').innerText.includes('only Pz is looked at')", 10_000)
        shown = server.get(f"/sessions/{session}")
        assert shown["state"] == "running"
        kept = "Started although the signal check fails (Cz flat: 0.05 µV peak to peak (limit 0.5 µV)): only Pz is looked at"
        assert kept in {event["text"] for event in shown["events"]}
        assert page.faults == []
    server.post(f"/sessions/{session}/abort")


def test_the_console_draws_64_channels_at_1_khz_and_loses_no_preview(browser, server, axe):
    names = _NAMES
    board = profile(names, 1000.0)
    session = server.post("/sessions", {"subject": "p64", "n_trials": 1, "start": True})["session_id"]
    with Lab(server, LabHello(daemon_id="d64", profile=board, source=Source.SIMULATED, clock=ClockKind.REAL)) as lab:
        lab.start()
        page = open_page(browser, server, f"/operator/{session}")
        until(page, "window.rlhb !== undefined", 10_000)
        status = LabStatus(
            state="recording", sentence="64 channels.", session_id=session, sampling_rate_hz=1000.0, measured_rate_hz=1000.0, preview_rate_hz=125.0
        )
        lab.send(status)
        until(page, "document.body.innerText.includes('of 1000 Hz') && document.querySelectorAll('.names li').length === 64", 10_000)
        lab.send(LabQuality(session_id=session, channels=_QUALITY, stream=StreamQuality()))
        page.evaluate("window.frames_ms = []; requestAnimationFrame(function tick(t) { window.frames_ms.push(t); requestAnimationFrame(tick); })")
        sent = send_previews(lab, len(names), seconds=4, page=page)
        until(page, f"(window.rlhb.preview?.end ?? 0) >= {sent}", 20_000)
        held = page.evaluate("window.rlhb.preview")
        frames = np.diff(page.evaluate("window.frames_ms"))
        print(f"64 channels: {len(frames)} frames, median {np.median(frames):.1f} ms, 95th percentile {np.percentile(frames, 95):.1f} ms")
        assert (held["nChannels"], held["filled"]) == (64, held["end"] - held["start"])
        assert held["end"] - held["start"] == sent
        assert "Cz: flat: 0.05 µV peak to peak (limit 0.5 µV). Check the electrode" in page.locator(".strip").inner_text()
        page.get_by_label("Mains notch").select_option("50")
        until(page, f"window.rlhb.preview.filled === {sent}", 5_000)
        keep(page, "console_64")
        assert findings(page, axe) == []
        assert page.faults == []
    server.post(f"/sessions/{session}/abort")


def send_previews(lab: Lab, n_channels: int, seconds: float, page) -> int:
    """Send previews as a daemon does, ten a second; returns how many preview samples went out."""
    random = np.random.default_rng(1)
    group, slots = 8, 12
    phases = random.uniform(0, 6, n_channels)
    sent = 0
    starts_s = time.monotonic()
    while sent < seconds * 125:
        t = (sent + np.arange(slots))[:, None] / 125
        samples = (20 * np.sin(2 * np.pi * 10 * t + phases) + random.normal(0, 8, (slots, n_channels))).astype(np.float32)
        lab.send(encode_record(Chunk(0, sent * group, sent / 125, samples)))
        sent += slots
        page.wait_for_timeout(max(1, 1e3 * (sent / 125 - (time.monotonic() - starts_s))))
    return sent


def test_somebody_signs_in_enters_a_consent_and_withdraws_and_erases_it(browser, server, axe):
    server.post("/accounts", {"name": "anna", "role": "admin", "password": "correct horse battery"})
    base = f"http://127.0.0.1:{server.port}"
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.faults = []
    page.goto(f"{base}/access")
    page.get_by_role("heading", name="Sign in").wait_for()
    keep(page, "sign_in")
    assert findings(page, axe) == []
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Name and password do not fit.").wait_for()
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Pseudonym").fill("S07")
    page.get_by_role("button", name="Enter the consent").click()
    page.get_by_text("The consent of S07 is entered.").wait_for()
    keep(page, "access")
    assert findings(page, axe) == []
    page.get_by_role("button", name="Withdraw the consent of S07").click()
    page.get_by_role("button", name="Withdraw it").click()
    page.get_by_text("0 labels of S07 were revoked.").wait_for()
    page.get_by_role("button", name="Erase S07").click()
    page.get_by_role("button", name="Erase everything").click()
    page.get_by_text("S07 is erased: 0 labels, 0 files, 0 snapshots.").wait_for()
    said = page.locator("section", has=page.locator("#audit")).inner_text()
    assert "sign-in failed" in said
    assert server.get("/subjects/S07")["erased_at"] is not None
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_link_opens_the_subjects_page_in_a_browser_that_is_not_signed_in(browser, server):
    server.http.post("/api/v1/items", params={"item_set": "linked"}, content="\n".join(json.dumps(line) for line in _LINES))
    session_id = server.post("/sessions", {"subject": "S08", "item_set": "linked"})["session_id"]
    operator = open_page(browser, server, f"/operator/{session_id}")
    operator.get_by_role("button", name="Link for the subject").click()
    operator.locator("dialog code, dialog input, dialog pre").first.wait_for()
    link = operator.evaluate("document.querySelector('dialog').innerText.match(/http\\S+/)?.[0] ?? document.querySelector('dialog input')?.value")
    keep(operator, "subject_link")
    page = browser.new_context().new_page()
    page.goto(link)
    operator.get_by_role("button", name="Done").click()
    until(operator, "/Subject page\\s+open/i.test(document.body.innerText)", 20_000)
    assert "token" not in page.url
    page.goto(f"http://127.0.0.1:{server.port}/access")
    page.get_by_role("heading", name="Sign in").wait_for()
