"""The pages in a real Chromium, for tests: opened with a token, watched for faults, photographed where asked."""

import io
import json
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCREENSHOTS = os.environ.get("RLHB_SCREENSHOTS")
"""Folder for screenshots; ``docs/pictures`` makes those of the documentation anew."""


def open_page(browser: Browser, url: str, token: str, path: str, scheme: Any = "light") -> Page:
    """Open an address of the page with a token; errors of scripts and requests to elsewhere are kept in ``page.faults``."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"]).new_page()
    faults: list[str] = []
    page.faults = faults  # type: ignore[attr-defined]
    own = (url, url.replace("http", "ws"), "data:", "blob:")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
    page.goto(f"{url}{path}{'&' if '?' in path else '?'}token={token}")
    return page


def until(page: Page, condition: str, within_ms: int) -> None:
    """Wait for a condition of the page; the page's content security policy forbids the browser driver's own way of waiting."""
    for _ in range(within_ms // 100):
        try:
            if page.evaluate(condition):
                return
        except Error as error:
            if "navigation" not in error.message:  # asked while the page was being changed: ask the next one
                raise
        page.wait_for_timeout(100)
    raise AssertionError(f"{condition} did not come true within {within_ms} ms; faults: {page.faults}; {page.inner_text('body')[:600]}")  # type: ignore[attr-defined]


def keep(page: Page, name: str, part: str | None = None) -> None:
    """Keep a screenshot of a page, or of a part of it, where one is asked for; in 256 colours: half the bytes, and nobody sees it."""
    if SCREENSHOTS:
        from PIL import Image

        raw = page.screenshot() if part is None else page.locator(part).screenshot()
        with Image.open(io.BytesIO(raw)) as picture:
            picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(Path(SCREENSHOTS) / f"{name}.png", optimize=True)


def findings(page: Page, axe: str, rules: tuple[str, ...] = ()) -> list[str]:
    """Run axe-core on a page; what is serious or critical, with the elements.

    Parameters
    ----------
    page : Page
    axe : str
        The script of axe-core; evaluated by the driver, so the page's policy stays on.
    rules : tuple of str
        Look at these rules alone; empty: at all.
    """
    page.evaluate(f"if (window.axe === undefined) {{ {axe} }}")
    options = {"resultTypes": ["violations"]} | ({"runOnly": {"type": "rule", "values": list(rules)}} if rules else {})
    found = page.evaluate(f"axe.run(document, {json.dumps(options)}).then((r) => JSON.stringify(r.violations))")
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {'; '.join(n['html'][:160] + ' ' + str(n.get('failureSummary', ''))[:200] for n in v['nodes'][:3])}"
        for v in json.loads(found)
        if v["impact"] in ("serious", "critical")
    ]
