"""Watches against a store whose every change is known, and faults planted in long valid histories."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.watch import Watch
from tests.driver.checkers.making import found, history, op


def store(rng, changes):
    """[(revision, key, value, previous)] of a store with two keys; some revisions change both."""
    listed, last = [], {}
    for revision in range(2, changes + 2):
        for key in rng.choice([["a"], ["b"], ["a", "b"]]):
            listed.append((revision, key, f"{key}{revision}", last.get(key)))
            last[key] = {"value": f"{key}{revision}", "revision": revision}
    return listed


def writes(changes):
    return [
        op(0, "write", value, 100 * revision, 100 * revision + 50, key=key, revision=revision)
        for revision, key, value, _ in changes
    ]


def event(change):
    revision, key, value, before = change
    return {"type": "put", "key": key, "value": value, "revision": revision, "prev": before}


def session(changes, key=None, start=2, bookmark_every=10):
    """A right watch: one response a revision, bookmarks in between."""
    responses = []
    for revision in sorted({change[0] for change in changes if change[0] >= start}):
        events = [event(c) for c in changes if c[0] == revision and key in (None, c[1])]
        if events:
            responses.append({"revision": revision, "events": events, "time_ns": 100 * revision + 60})
        if revision % bookmark_every == 0:
            responses.append({"revision": revision, "events": []})
    return op(1, "watch", responses, 90, 10**6, key=key, start_revision=start)


def test_a_watch_is_right_exactly_if_it_got_a_slice_of_the_log():
    rng = random.Random(7)
    seen = {True: 0, False: 0}
    for _ in range(10_000):
        changes = store(rng, rng.randint(2, 6))
        start = rng.randint(2, 3)
        got = [change for change in changes if change[0] >= start]
        got = got[: rng.randint(1, len(got))]
        for _ in range(rng.choice([0, 0, 1, 2])):
            place = rng.randrange(len(got)) if got else 0
            kind = rng.choice(["drop", "twice", "swap"])
            if kind == "drop" and len(got) > 1:
                del got[place]
            elif kind == "twice" and got:
                got.insert(rng.randrange(len(got) + 1), got[place])
            elif len(got) > 1:
                got[place - 1], got[place] = got[place], got[place - 1]
        revisions = list(dict.fromkeys(change[0] for change in got))
        grouped = [[change for change in got if change[0] == revision] for revision in revisions]
        flat = [change for group in grouped for change in group]
        whole = [change for change in changes if start <= change[0] <= (max(revisions) if revisions else 0)]
        truth = sorted(flat) == whole and revisions == sorted(revisions)
        responses = [{"revision": changes[-1][0], "events": [event(change) for change in group]} for group in grouped]
        watch = op(1, "watch", responses, 0, 10**6, start_revision=start)
        result = Watch().check(history(*writes(changes), watch))
        assert (result.valid is Valid.YES) == truth, (changes, got, result.sentence)
        seen[truth] += 1
    assert min(seen.values()) > 1000


def responses_of(watch):
    return [response for response in watch.value if response["events"]]


def first_double(watch):
    return next(place for place, r in enumerate(watch.value) if place > 20 and len(r["events"]) == 2)


def split(watch):
    place = first_double(watch)
    one = watch.value[place]
    watch.value.insert(place + 1, {**one, "events": [one["events"].pop()]})


def drop_revision(watch, place):
    del watch.value[watch.value.index(responses_of(watch)[place])]


def swap(watch):
    a = next(p for p in range(30, 60) if watch.value[p]["events"] and watch.value[p + 1]["events"])
    first, second = watch.value[a], watch.value[a + 1]
    first["events"], second["events"] = second["events"], first["events"]
    first["revision"] = second["revision"]
    del first["time_ns"]


def after_bookmark(watch):
    place = next(p for p, r in enumerate(watch.value) if p > 40 and not r["events"])
    watch.value[place - 1], watch.value[place] = watch.value[place], watch.value[place - 1]


def header_back(watch):
    responses_of(watch)[40]["revision"] -= 5


def wrong_key(watch):
    """A watch of key a that still gets one event of key b."""
    watch.key = "a"
    stray = next(r for r in responses_of(watch)[30:] if r["events"][0]["key"] == "b")
    for response in responses_of(watch):
        if response is not stray:
            response["events"] = [one for one in response["events"] if one["key"] == "a"]
    watch.value = [response for response in watch.value if response["events"]]


FAULTS = {
    "unordered": swap,
    "duplicate": lambda w: responses_of(w)[40]["events"].append(responses_of(w)[40]["events"][0]),
    "missing": lambda w: drop_revision(w, 40),
    "not-resumed": lambda w: drop_revision(w, 0),
    "split": split,
    "bookmark": after_bookmark,
    "previous-value": lambda w: responses_of(w)[40]["events"][0].update(prev={"value": "a2", "revision": 2}),
    "time-travel": header_back,
    "wrong-key": wrong_key,
    "before-start": lambda w: w.extra.update(start_revision=4),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    changes = store(random.Random(1), 100)
    watch = session(changes)
    valid = history(*writes(changes), session(changes, "a"), session(changes, start=40), watch)
    assert Watch().check(valid).valid is Valid.YES
    FAULTS[name](watch)
    result = Watch().check(valid)
    assert result.valid is Valid.NO
    assert found(result) == {name}
    assert {example["operations"][-1] for example in result.details["examples"]} == {watch.index}


def test_an_event_before_its_write_is_time_travel():
    changes = store(random.Random(1), 20)
    watch = session(changes)
    responses_of(watch)[5]["time_ns"] = 10
    assert found(Watch().check(history(*writes(changes), watch))) == {"time-travel"}


def test_a_value_that_differs_from_the_acknowledged_one_is_a_disagreement():
    changes = store(random.Random(1), 20)
    watch = session(changes)
    one = responses_of(watch)[19]["events"][0]
    one["value"] = changes[0][2] if one["key"] == changes[0][1] else changes[1][2]
    assert "disagree" in found(Watch().check(history(*writes(changes), watch)))


def test_no_events_is_unknown():
    assert Watch().check(history(op(0, "watch", [], 0, 1, key="a"))).valid is Valid.UNKNOWN
