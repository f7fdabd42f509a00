"""The feed of a live run: parts put together by the page's script are the whole, and everything is bounded."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.serve.bins import MOST_BINS, Bins
from raftmon.driver.serve.feed import Feed, Kept

WEB = Path(__file__).parents[3] / "driver" / "report" / "web"
NODE = shutil.which("node")
S = 1_000_000_000


def apply(deltas):
    """What the page knows after these deltas."""
    if NODE is None:
        pytest.skip("node is not installed")
    code = f"const {{applyDelta}} = require({json.dumps(str(WEB / 'live_story.js'))}); let story = null;"
    code += "for (const one of JSON.parse(require('fs').readFileSync(0))) story = applyDelta(story, one);"
    code += "console.log(JSON.stringify(story))"
    done = subprocess.run(
        [NODE, "-e", code], input=json.dumps(deltas), capture_output=True, text=True, timeout=30, check=True
    )
    return json.loads(done.stdout)


def told(feed, since, reset=False):
    return {**feed.delta(since), "reset": reset}


def operation(process, at_ns, value, kind="ok"):
    base = {"process": process, "f": "write", "key": "k", "value": value, "node": f"n{process}"}
    return [{**base, "time_ns": at_ns, "type": "invoke"}, {**base, "time_ns": at_ns + 5_000_000, "type": kind}]


def sent(identity, at_ns, kind="MsgApp", term=2, source="n1", target="n2"):
    return (identity, at_ns, kind, source, target, term, 7, 1, 6, 1, 7, 7, 0, 40 + identity, None, 1, 90)


def grown(feed, steps):
    """Play a run of so many polls; the deltas between them."""
    deltas, version = [], 0
    for step in range(steps):
        feed.version += 1
        at = step * S
        feed.add_history([*operation(0, at, step), *operation(1, at, -step, "info" if step % 2 else "fail")], 100)
        entries = [(step, "put", "k", str(step), 7 + step)]
        feed.add_messages([sent(step, at), sent(1000 + step, at, "MsgVote", step)], entries, 100)
        feed.add_states([(at, "n1", step, "candidate", step, step, None)], 100)
        feed.add_events([{"t": at / S, "event": "status", "node": "n1", "term": step, "role": "leader"}])
        deltas.append(told(feed, version, step == 0))
        version = feed.version
    return deltas


def test_what_was_told_in_parts_is_what_is_told_at_once():
    feed = Feed(0)
    parts = apply(grown(feed, 12))
    whole = apply([told(feed, 0, True)])
    assert parts == whole
    assert len(whole["operations"]["rows"]) == 24
    assert [row[9] for row in whole["operations"]["rows"][:4:2]] == [7, 8]  # log indexes came after the operations
    assert whole["elections"][3]["term"] == 3
    assert whole["service"]["counts"][0].count(1) == 12
    assert len(whole["rates"]["kinds"]["MsgVote"]) == len(whole["rates"]["kinds"]["MsgApp"])


def test_a_long_run_is_told_with_fewer_wider_bins():
    feed = Feed(0)
    deltas = grown(feed, 150)
    feed.version += 1
    feed.add_history(operation(0, 390 * S, 1), 100)
    deltas.append(told(feed, feed.version - 1))
    story = apply(deltas)
    assert story["service"]["bin"] == 1.0
    assert sum(story["service"]["counts"][0]) == 151
    assert story == apply([told(feed, 0, True)])


def test_an_outage_is_a_second_or_more_without_success_and_may_go_on():
    feed = Feed(0, version=1)
    for at_s in (0.1, 0.4, 0.9, 3.1, 3.2):
        feed.add_history(operation(0, int(at_s * S), 1), 100)
    for at_s in (1.5, 2.0, 3.6, 4.1, 4.6):
        feed.add_history(operation(0, int(at_s * S), 1, "info"), 100)
    assert apply([told(feed, 0, True)])["outages"] == [{"start": 1, "stop": 3}, {"start": 3.25, "stop": 4.75}]


def test_everything_is_bounded_and_rare_messages_stay():
    feed = Feed(0, version=1)
    rows = [sent(n, n * 1000, "MsgVote" if n % 1000 == 0 else "MsgApp") for n in range(60_000)]
    for start in range(0, 60_000, 10_000):
        feed.add_messages(rows[start : start + 10_000], (), 8_000)
    kept = feed.messages.since(0)
    assert len(kept) <= 16_000
    assert sum(row[0] % 1000 == 0 for row in kept) == 60
    assert feed.delta(0)["counts"]["messages"] == 60_000
    for n in range(30_000):
        feed.add_history([{"process": n, "type": "invoke", "time_ns": n, "f": "write", "key": str(n), "value": n}], 10)
    feed.add_history(operation(1, 5, "x") * 20_000, 100_000)
    assert len(feed.operations.since(0)) <= 12_000
    assert len(feed.names.places) <= 20_000


@pytest.mark.parametrize("most", [1, 2, 7])
def test_rows_beyond_the_bound_go_though_none_is_plain(most):
    kept = Kept(most)
    for n in range(50):
        kept.add(n, n, plain=False)
        assert len(kept.since(-1)) <= most


@given(st.lists(st.tuples(st.floats(-1, 1e5), st.sampled_from("ab")), max_size=60))
def test_bins_lose_nothing_however_long_it_takes(events):
    bins = Bins()
    for number, (at_s, name) in enumerate(events):
        bins.add(at_s, name, number + 1)
    found = bins.since(0)
    assert len(bins.bins) <= MOST_BINS
    for name in {name for _, name in events}:
        assert sum(found["counts"][name]) == sum(one == name for _, one in events)
    assert bins.since(len(events)) is None
