"""The store's pages: nothing without the token, nothing outside the store, everything from outside escaped."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from raftmon.driver.exports.rows import RunRows
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.driver.serve.app import application
from raftmon.driver.serve.query import ask
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.setup.errors import InputError
from tests.monitor.raft.wire import message

TOKEN = "a-token-of-some-length"
HOSTILE = '<script>document.title="executed"</script>"\'&'


def made(store: Path, name: str, verdict: str = "valid") -> RunFolder:
    run = RunFolder.create(store, name)
    run.save(CONFIG, {"config": {"system": "etcd", "workload": HOSTILE, "faults": HOSTILE, "seed": "7"}, "nodes": {}})
    run.save(RESULTS, {"valid": verdict, "sentences": [HOSTILE], "began_ns": 1, "clients": {"ok": 3}})
    run.history.write_bytes(
        b'{"index":0,"time_ns":5,"process":0,"type":"invoke","f":"read","key":"k","value":null}\n'
        b'{"index":1,"time_ns":9,"process":0,"type":"ok","f":"read","key":"k","value":"<b>"}\n'
    )
    (run.path / "report.html").write_text("<h1>the report</h1>")
    record = MessageStore(run.path / "messages.sqlite")
    record.add(message("MsgVote", "n1", "n2", 3))
    record.flush()
    return run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def client(store: Path, host: str = "127.0.0.1:1234", *, cookie: bool = True) -> TestClient:
    found = TestClient(application(store, TOKEN), base_url=f"http://{host}", follow_redirects=True)
    if cookie:
        assert found.get("/", params={"token": TOKEN}).status_code == 200
    return found


def at(run: RunFolder) -> str:
    return f"/run/{run.path.parent.name}/{run.path.name}"


def test_nothing_is_shown_without_the_token_or_under_another_name(store: Path) -> None:
    run = made(store, "one")
    stranger = client(store, cookie=False)
    for path in ("/", at(run), f"{at(run)}/report", f"{at(run)}/zip", "/web/serve.js", "/?token=wrong"):
        assert stranger.get(path).status_code == 403, path
    assert client(store, "evil.example:1234", cookie=False).get("/", params={"token": TOKEN}).status_code == 421


def test_the_token_leaves_the_address_at_once(store: Path) -> None:
    made(store, "one")
    answer = client(store, cookie=False).get("/", params={"token": TOKEN})
    assert answer.history[0].status_code == 303
    assert TOKEN not in str(answer.url)
    assert "httponly" in answer.history[0].headers["set-cookie"].lower()


def test_runs_are_listed_filtered_and_counted(store: Path) -> None:
    made(store, "good")
    made(store, "bad", "invalid")
    browser = client(store)
    assert browser.get("/").text.count('type="checkbox"') == 2
    only = browser.get("/", params={"where": 'verdict = "invalid"'}).text
    assert "bad/" in only
    assert "good/" not in only
    assert "✗ invalid" in only  # a sign beside the colour
    assert (
        "cannot be read" in browser.get("/", params={"where": "verdict ="}).text
        or "column" in browser.get("/", params={"where": "verdict ="}).text
    )


def test_whatever_comes_from_outside_is_text(store: Path) -> None:
    run = made(store, "one")
    browser = client(store)
    for path in (
        "/",
        at(run),
        f"{at(run)}?sql=SELECT+value+FROM+operations",
        "/?where=" + HOSTILE,
        "/compare?run=" + HOSTILE,
    ):
        page = browser.get(path)
        assert "<script>document" not in page.text, path
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_run_shows_its_verdict_its_files_and_answers_questions(store: Path) -> None:
    run = made(store, "one")
    browser = client(store)
    page = browser.get(at(run)).text
    assert "history.jsonl" in page
    assert "raftmon run" in page
    asked = browser.get(at(run), params={"sql": "SELECT kind, term FROM messages"}).text
    assert "<td>MsgVote</td><td>3</td>" in asked
    assert browser.get(f"{at(run)}/report").text == "<h1>the report</h1>"
    assert browser.get(f"{at(run)}/file/history.jsonl").content == run.history.read_bytes()
    inside = zipfile.ZipFile(io.BytesIO(browser.get(f"{at(run)}/zip").content)).namelist()
    assert any(name.endswith("/results.json") for name in inside)


def test_a_run_has_its_linearization_page_and_a_broken_history_is_answered_in_words(store: Path) -> None:
    run = made(store, "one")
    browser = client(store)
    page = browser.get(f"{at(run)}/linearization")
    assert "The anomaly's operations" in page.text  # a read of what nobody wrote
    assert "default-src 'none'" in page.headers["content-security-policy"]
    run.history.write_bytes(b"\x00")
    assert "no linearization to draw" in browser.get(f"{at(run)}/linearization").text


@pytest.mark.parametrize(
    "path", ["/run/one/..", "/run/../x", "/run/a/b", "/web/..%2Fapp.py", "/web/app.py", "/compare?run=a"]
)
def test_what_is_not_in_the_store_is_not_found(store: Path, path: str) -> None:
    made(store, "one")
    assert client(store).get(path).status_code in (404, 403)


def test_links_and_files_outside_are_not_served(store: Path, tmp_path: Path) -> None:
    run = made(store, "one")
    (tmp_path / "secret").write_text("secret")
    (run.path / "link").symlink_to(tmp_path / "secret")
    browser = client(store)
    assert "link" not in browser.get(at(run)).text.split("<h2>Files")[1]
    for inside in ("link", "../../../secret", "..%2f..%2f..%2fsecret"):
        assert "secret" not in browser.get(f"{at(run)}/file/{inside}").text.replace(inside, "")


def test_two_runs_stand_side_by_side(store: Path) -> None:
    runs = [made(store, "good"), made(store, "bad", "invalid")]
    names = [f"{run.path.parent.name}/{run.path.name}" for run in runs]
    page = client(store).get("/compare", params={"run": names}).text
    assert "the verdict: invalid, it was valid" in page


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM operations",
        "ATTACH '/etc/passwd' AS x",
        "SELECT 1; SELECT 2",
        "PRAGMA wire.user_version = 3",
        "SELECT load_extension('x')",
        "CREATE TABLE x (y)",
        "SELECT * FROM no_such",
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT max(n) FROM x",
    ],
)
def test_a_question_that_is_none_is_refused_and_changes_nothing(store: Path, sql: str, monkeypatch) -> None:
    monkeypatch.setattr("raftmon.driver.serve.query.MOST_S", 0.2)
    run = made(store, "one")
    before = (run.path / "messages.sqlite").read_bytes()
    with pytest.raises(InputError, match="cannot be answered"):
        ask(RunRows(run), sql)
    assert (run.path / "messages.sqlite").read_bytes() == before


def test_too_many_rows_are_cut_and_said(store: Path) -> None:
    sql = "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 5000) SELECT n FROM x"
    answer = ask(RunRows(made(store, "one")), sql)
    assert len(answer.rows) == 1000
    assert answer.more


def test_the_command_prints_an_address_that_works(store: Path) -> None:
    import httpx

    made(store, "one")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "raftmon.driver.cli", "serve", "--store", str(store)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(follow_redirects=True) as browser:
            assert "one" in browser.get(address).text
    finally:
        process.terminate()
        assert process.wait(10) in (0, -15)
