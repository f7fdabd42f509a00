"""Every page of the store in Chromium: nothing hostile is executed, axe finds nothing serious, keyboard, print."""

import socket
import threading

import pytest
import uvicorn

from raftmon.driver.report.report import write_report
from raftmon.driver.serve.app import application
from tests.browsing import browser, serious
from tests.driver.report.test_web import hostile_run
from tests.driver.serve.test_app import TOKEN, at, made
from tests.driver.serve.test_campaigns import explored, swept

__all__ = ["browser"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A store with two hostile runs, a sweep and an exploration; (address, paths of all pages)."""
    store = tmp_path_factory.mktemp("see") / "store"
    runs = [made(store, "etcd-register"), made(store, "other", "invalid")]
    (runs[0].path / "messages.sqlite").unlink()
    saved = runs[0].load("config.json")
    hostile_run(runs[0].path)
    runs[0].save("config.json", saved)
    write_report(runs[0].path)
    swept(store)
    explored(store)
    listening = socket.create_server(("127.0.0.1", 0))
    app = application(store, TOKEN)
    serving = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    named = "&".join(f"run={at(run).removeprefix('/run/')}" for run in runs)
    paths = {
        "runs": "/",
        "a wrong filter": "/?where=%3Cimg%20src=x%20onerror=x()%3E",
        "a run": at(runs[0]),
        "its records": f"{at(runs[0])}?sql=SELECT+*+FROM+operations",
        "its report": f"{at(runs[0])}/report",
        "its live page": f"{at(runs[0])}/live",
        "two runs": f"/compare?{named}",
        "campaigns": "/campaigns",
        "a sweep": "/campaign/nightly",
        "an exploration": "/campaign/explore-etcd-register",
        "no live run": "/live",
    }
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", paths
    serving.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def context(browser, server):
    """A browser that has the token."""
    made_context = browser.new_context(bypass_csp=True)  # for axe alone: the tests that it is there are elsewhere
    page = made_context.new_page()
    page.goto(f"{server[0]}/?token={TOKEN}")
    page.close()
    yield made_context
    made_context.close()


def opened(context, server, name, wrong):
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"{name}: {error}"))
    page.goto(server[0] + server[1][name])
    if name == "its live page":
        page.wait_for_selector("#over:not([hidden])")
    return page


def test_no_page_executes_what_it_shows_and_axe_finds_nothing_serious_in_light_or_dark(context, server):
    wrong = []
    for name in server[1]:
        page = opened(context, server, name, wrong)
        assert page.evaluate("[window.broken, document.querySelectorAll('img').length]") == [None, 0], name
        assert page.title() != "executed", name
        if name not in ("its report", "no live run"):  # the report has its own tests in both schemes
            assert (name, serious(page)) == (name, [])
        if name in ("runs", "a run", "two runs", "a sweep"):  # these have all styles
            page.emulate_media(color_scheme="dark")
            assert (name, serious(page, ["color-contrast"])) == (name, [])
        page.close()
    assert wrong == []


def test_the_list_of_runs_is_searched_sorted_and_opened_by_keyboard(context, server):
    page = opened(context, server, "runs", [])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "to the content"
    page.focus("#search")
    page.keyboard.type("other")
    assert page.locator("#runs tbody tr:visible").count() == 1
    page.focus("#search")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.focus("#runs thead button")
    page.keyboard.press("Enter")
    assert page.locator("#runs thead th[aria-sort=ascending]").count() == 1
    assert page.locator("#runs tbody tr .verdict").first.inner_text() == "✗ invalid"
    page.focus("#runs tbody a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run/**")
    page.close()


def test_a_printed_page_has_no_controls_and_all_that_is_told(context, server):
    page = opened(context, server, "its report", [])
    page.wait_for_function("window.raftmonStory !== undefined")
    page.emulate_media(media="print")
    assert page.locator("nav:visible, button:visible, select:visible, #tip:visible").count() == 0
    assert page.locator("h1:visible, #rows:visible, #space:visible, .verdict:visible").count() == 4
    assert page.pdf(format="A4").startswith(b"%PDF-")
    page.close()
