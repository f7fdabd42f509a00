"""The report's scripts: the pure parts in node, the whole page in Chromium (skipped if missing)."""

import json
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from raftmon.driver.report.page import render_page
from raftmon.driver.report.report import write_report
from raftmon.monitor.raft.database.store import MessageStore
from tests.browsing import browser, serious
from tests.driver.report.pictures.broken import BROKEN
from tests.driver.report.test_report import MS, whole_run
from tests.monitor.raft.wire import message

__all__ = ["browser"]

WEB = Path(__file__).parents[3] / "driver" / "report" / "web"
NODE = shutil.which("node")
HOSTILE = '<img src=x onerror="window.broken=1"></script><script>window.broken=1</script>\u2028\'"&'


def in_node(expression, *more):
    """What an expression over the pure functions of axis.js, and of ``more``, gives."""
    if NODE is None:
        pytest.skip("node is not installed")
    files = [json.dumps(str(WEB / name)) for name in ("axis.js", *more)]
    code = "".join(f"Object.assign(globalThis, require({name}));" for name in files)
    code += f"console.log(JSON.stringify({expression}))"
    done = subprocess.run([NODE, "-e", code], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


def test_zooming_keeps_the_time_under_the_pointer_and_the_limits():
    limits, view = "{from: 0, span: 10}", "{from: 2, span: 4}"
    closer = in_node(f"Axis.zoom({view}, {limits}, 100, 25, 0.5)")
    assert closer == {"from": 2.5, "span": 2}
    assert in_node(f"Axis.zoom({view}, {limits}, 100, 25, 100)") == {"from": 0, "span": 10}
    assert in_node(f"Axis.clamp({{from: 9, span: 4}}, {limits})") == {"from": 6, "span": 4}


def test_ticks_are_round_and_in_view():
    ticks = in_node("Axis.ticks({from: 0.3, span: 1}, 5)")
    assert [round(time, 3) for time in ticks["times"]] == [0.4, 0.6, 0.8, 1.0, 1.2]
    assert ticks["decimals"] == 1


def test_a_message_is_drawn_as_it_was_treated():
    assert in_node(
        "[['', 1], ['delay 5 ms', 1], ['drop', 0], [null, 0], ['hold', 0], ['forged', 1]].map((m) => treatment(...m))"
    ) == ["passed", "delayed", "dropped", "dropped", "held", "forged"]


def test_an_operation_lights_up_the_messages_from_append_to_commit():
    base = {"reject": 0, "first": None, "last": None, "index": 0, "commit": 0}
    rows = [
        {**base, "id": 1, "t": 1.0, "kind": "MsgApp", "source": "n1", "target": "n2", "first": 7, "last": 7},
        {**base, "id": 2, "t": 1.0, "kind": "MsgApp", "source": "n1", "target": "n3", "first": 8, "last": 8},
        {**base, "id": 3, "t": 1.1, "kind": "MsgAppResp", "source": "n2", "target": "n1", "index": 7},
        {**base, "id": 4, "t": 1.2, "kind": "MsgAppResp", "source": "n2", "target": "n1", "index": 8},
        {**base, "id": 5, "t": 1.3, "kind": "MsgHeartbeat", "source": "n1", "target": "n2", "commit": 7},
    ]
    assert in_node(f"[...messagesOf({json.dumps(rows)}, 7, 0.99)]") == [1, 3, 5]


def hostile_run(folder):
    """A run whose keys, values, errors, nodes, faults and message kinds try to be markup."""
    whole_run(folder)
    (folder / "messages.sqlite").unlink()
    record = MessageStore(folder / "messages.sqlite")
    for number in range(20):
        record.add(message(HOSTILE, HOSTILE, "n2", 2, at_ms=number), HOSTILE, True)
    record.flush()
    lines = []
    for number in range(40):
        at = number * 20 * MS
        base = {"process": 0, "f": "write", "key": HOSTILE, "value": HOSTILE, "node": HOSTILE, "error": HOSTILE}
        lines.append({"index": 2 * number, "time_ns": at, "type": "invoke", **base})
        lines.append({"index": 2 * number + 1, "time_ns": at + MS, "type": "fail" if number % 3 else "ok", **base})
    (folder / "history.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    results = orjson.loads((folder / "results.json").read_bytes())
    results["faults"][0] |= {"name": HOSTILE, "did": HOSTILE, "receipt": {"verdict": HOSTILE}}
    results |= {"reasons": [HOSTILE], "valid": "invalid", "outages": [{"start_s": 1.0, "ms": 100.0}]}
    (folder / "results.json").write_bytes(orjson.dumps(results))
    (folder / "events.jsonl").write_bytes(
        orjson.dumps({"time_ns": MS, "event": "status", "node": HOSTILE, "role": HOSTILE, "term": 1}) + b"\n"
    )
    return folder


def test_nothing_that_clients_or_nodes_said_is_executed_and_the_page_loads_nothing(tmp_path, browser):
    path = write_report(hostile_run(tmp_path))
    page, wrong, asked = browser.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("window.raftmonStory !== undefined")
    assert page.evaluate("raftmonStory.counts().operations") == 40
    page.evaluate("raftmonStory.draw(); raftmonStory.chooseOperation(0)")
    assert "onerror" in page.inner_text("#details")  # shown as text
    assert page.evaluate("raftmonStory.counts().messages") == 20
    page.evaluate("raftmonStory.chooseMessage(0)")
    assert page.inner_text("#details").count("onerror") >= 2
    assert page.locator("img").count() == 0
    assert page.evaluate("window.broken") is None
    assert wrong == []
    assert asked == [path.as_uri()]
    page.close()


def test_the_page_is_used_by_keyboard_in_light_and_dark(tmp_path, browser):
    whole_run(tmp_path)
    (tmp_path / "messages.sqlite").unlink()
    page = browser.new_page(color_scheme="dark")
    page.goto(write_report(tmp_path).as_uri())
    page.wait_for_function("window.raftmonStory !== undefined")
    whole = page.evaluate("raftmonStory.view()")
    page.focus("#rows")
    page.keyboard.press("+")
    closer = page.evaluate("raftmonStory.view()")
    assert closer["span"] < whole["span"]
    page.keyboard.press("ArrowRight")
    assert page.evaluate("raftmonStory.view()")["from"] > closer["from"]
    page.keyboard.press("0")
    assert page.evaluate("raftmonStory.view()") == whole
    page.keyboard.press("n")
    first = page.inner_text("#details h3")
    page.keyboard.press("n")
    assert first.startswith("operation: ")
    page.keyboard.press("p")
    assert page.inner_text("#details h3") == first
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tmp_path, browser, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(write_report(hostile_run(tmp_path)).as_uri())
    page.wait_for_function("window.raftmonStory !== undefined")
    assert serious(page) == []
    page.close()


@pytest.mark.parametrize("name", sorted(path.name for path in WEB.glob("*.js")))
def test_a_script_is_strict_and_can_be_parsed(name):
    if NODE is None:
        pytest.skip("node is not installed")
    assert '"use strict";' in (WEB / name).read_text()
    subprocess.run([NODE, "--check", str(WEB / name)], check=True, timeout=30)


def test_a_leader_that_is_told_of_a_higher_term_steps_down_and_one_that_ends_its_term_does_not():
    rows = [[0, "leader 2"], [5, "follower 5"], [6, "leader 6"], [7, "follower 6"]]
    found = in_node(f"stepDowns(Axis.stretches({json.dumps(rows)}, 9))", "leaders.js")
    assert found == [{"t": 5, "term": 2, "told": 5}]


def test_a_vote_asked_for_again_is_one_arrow_and_a_lost_one_is_another():
    base = {"source": "n1", "target": "n2", "term": 3, "how": "passed"}
    rows = [
        {**base, "kind": "MsgVote"},
        {**base, "kind": "MsgVote"},
        {**base, "kind": "MsgVote", "how": "dropped"},
        {**base, "kind": "MsgVoteResp"},
        {**base, "kind": "MsgPreVote"},
        {**base, "kind": "MsgVote", "target": ""},
    ]
    found = in_node(f"votesAsked({json.dumps(rows)}).map((m) => m.kind + m.how)", "leaders.js")
    assert found == ["MsgVotepassed", "MsgVotedropped", "MsgPreVotepassed"]


@pytest.mark.parametrize("kind", BROKEN)
def test_the_linearization_page_shows_the_anomaly_first_by_keyboard_and_executes_nothing(tmp_path, browser, kind):
    made, checker = BROKEN[kind](HOSTILE)
    (tmp_path / "page.html").write_text(render_page(made, [checker.check(made)], HOSTILE))
    page, wrong = browser.new_page(color_scheme="dark" if kind in ("sets", "locks") else "light"), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("#anomaly button").first.focus()
    page.keyboard.press("Enter")
    assert "part of the anomaly" in page.inner_text("#details")
    assert page.evaluate("document.activeElement.id") == "canvas"
    for key in ("n", "p", "+", "ArrowRight", "0"):
        page.keyboard.press(key)
    assert page.evaluate("[window.broken, document.images.length]") == [None, 0]
    assert kind not in ("sets", "transactions") or serious(page) == []
    assert wrong == []
    page.close()
