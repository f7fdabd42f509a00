"""A browser for tests of pages: Chromium by Playwright, the system's or the one in the cache (setup/browsers.py)."""

import contextlib

import pytest

from raftmon.setup.browsers import browser as chromium

CHROMIUM = chromium()


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window; skipped with the reason where it cannot be started."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (python3 setup/install.py --dev fetches one)")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (raftmon[dev])")
    with playwright.sync_playwright() as started:
        try:
            opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        with contextlib.closing(opened):
            yield opened


def serious(page, rules=None):
    """What axe finds serious or critical on a page: (rule, first element)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (raftmon[dev])")
    options = {} if rules is None else {"runOnly": list(rules)}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
