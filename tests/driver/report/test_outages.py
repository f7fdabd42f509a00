"""Why nobody was served: the sentence names who stepped down, whose request did it, and who led after."""

from raftmon.driver.report.outages import outage_sentences

NAMES = ["", "MsgVote", "n1", "n2", "n3", "MsgVoteResp"]
FAULT = {"name": "partial-partition", "start": 4.0, "stop": 8.0}


def state(at_s, node, term, role):
    return [at_s, node, term, role, 1, 1, None]


def vote(at_s, source, target, term, delivered=1, kind=1):
    return [
        1,
        at_s,
        kind,
        NAMES.index(source),
        NAMES.index(target),
        term,
        0,
        0,
        0,
        0,
        None,
        None,
        0,
        9,
        0,
        delivered,
        60,
    ]


STATES = [state(-1, "n2", 2, "leader"), state(6, "n1", 3, "candidate"), state(9.65, "n2", 5, "follower")]
LED = [state(10.9, "n2", 6, "leader")]


def said(states, messages, faults=(FAULT,)):
    story = {"outages": [{"start": 9.6, "stop": 11.0}], "states": states, "faults": list(faults)}
    return outage_sentences(story | {"messages": {"rows": messages, "names": NAMES}})[0]


def test_a_leader_that_steps_down_after_the_heal():
    votes = [
        vote(6, "n1", "n3", 3),
        vote(9.64, "n1", "n3", 5),
        vote(9.645, "n1", "n2", 5),
        vote(9.646, "n2", "n1", 5, 1, 5),
    ]
    assert said(STATES + LED, votes) == (
        "From 9.6 s no operation succeeded for 1.4 s. n2, which led term 2, stepped down at 9.65 s when n1 asked for "
        "votes in term 5, 1.7 s after partial-partition had healed. n2 led term 6 from 10.90 s."
    )


def test_what_is_not_known_is_not_said():
    assert "when" not in said(STATES + LED, [vote(9.645, "n1", "n2", 5, delivered=0), vote(3, "n1", "n2", 5)])
    going_on = [{**FAULT, "start": 9.62, "stop": None}]
    assert "healed" not in said(STATES + LED, [vote(9.645, "n1", "n2", 5)], going_on)
    assert said(STATES, []).endswith("No new leader was seen before its end.")
    assert said(STATES[:1] + LED, []).startswith("From 9.6 s no operation succeeded for 1.4 s. n2 had led term 2")
    assert said(STATES[:1], []).endswith("n2 led term 2 all the time, as far as the wire shows.")
    killed = said(STATES[:1] + LED, [], [{"name": "kill-leader", "start": 9.5, "stop": 10.5}])
    assert killed.startswith("From 9.6 s, during kill-leader, no operation succeeded for 1.4 s.")
    assert said([], []) == "From 9.6 s no operation succeeded for 1.4 s."
    assert outage_sentences({}) == []
