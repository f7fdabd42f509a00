"""The words a rules file imports make the actions they are named after."""

from __future__ import annotations

import pytest

from raftmon.monitor.rules import api
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.actions.kinds import Forge, Hold
from raftmon.monitor.rules.task import Task
from raftmon.setup.errors import InputError


@pytest.mark.parametrize(
    ("made", "action"),
    [
        (api.accept(), kinds.Accept()),
        (api.drop(), kinds.Drop()),
        (api.reject(), kinds.Reject()),
        (api.delay(5), kinds.Delay(5)),
        (api.delay(5, 1, "normal", keep_order=False), kinds.Delay(5, 1, "normal", False)),
        (api.loss(0.5), kinds.Loss(0.5)),
        (api.loss_bursts(0.1, 0.2, 0.9), kinds.LossBursts(0.1, 0.2, 0.9)),
        (api.duplicate(2, 3), kinds.Duplicate(2, 3)),
        (api.reorder(5), kinds.Reorder(5)),
        (api.corrupt(2, repair=True), kinds.Corrupt(2, True)),
        (api.rate(512), kinds.Rate(512)),
        (api.rewrite(bytearray(b"x")), kinds.Payload(b"x")),
        (api.rewrite(bytes.upper), kinds.Rewrite(bytes.upper)),
        (api.mirror(), kinds.Mirror()),
        (api.unrecorded(), kinds.Unrecorded()),
        (api.hold(), Hold()),
        (api.kill("n1"), kinds.Kill("n1")),
        (api.pause("target", 5), kinds.Pause("target", 5)),
        (api.replay("leader changes", 3), kinds.Replay("leader changes", 3)),
        (api.forge("MsgVote", term=9, index=4, log_term=2, commit=3), Forge("MsgVote", 9, 4, 2, 3)),
        (api.forge("MsgVoteResp", reject=True), Forge("MsgVoteResp", reject=True)),
    ],
)
def test_word(made: kinds.Action, action: kinds.Action) -> None:
    assert made == action


def test_every_word_of_the_language_can_be_imported() -> None:
    from raftmon.monitor.rules.language.vocabulary import ACTIONS

    assert set(ACTIONS) <= set(api.__all__)


def test_impossible_numbers_are_refused_where_they_are_given() -> None:
    with pytest.raises(InputError, match="a delay in ms"):
        api.delay(-5)


def test_a_message_of_no_known_kind_cannot_be_forged() -> None:
    with pytest.raises(InputError, match="there is no message kind 'MsgVotes'"):
        api.forge("MsgVotes")


def test_work_holds_or_drops_its_packet() -> None:
    task = Task("look", lambda: None)
    held, dropped = api.work(task, hold=True), api.work(task)
    assert (len(held.copies), len(dropped.copies)) == (1, 0)
    assert held.task is dropped.task is task
