"""The contract finds what is broken: adapters that are wrong in one way each, without a cluster."""

import functools
from types import SimpleNamespace

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.contract import CHECKS, Context, run_contract
from raftmon.adapters.contract.checks import dead_or_stopped_node_fails_in_time
from raftmon.adapters.contract.operations import OPERATION_CHECKS
from raftmon.adapters.memory import MemoryAdapter
from raftmon.setup.topology import Topology


class Wrapped(MemoryAdapter):
    """The honest register, with some client methods replaced."""

    def __init__(self, **replaced):
        super().__init__({"latency_ms": 0})
        self.replaced = replaced

    def connect(self, node, timeout_s):
        honest = super().connect(node, timeout_s)
        verbs = {verb: getattr(honest, verb) for verb in ("read", "write", "cas", "close")}
        for verb, replacement in self.replaced.items():
            verbs[verb] = lambda *given, replacement=replacement: replacement(honest, *given)
        return SimpleNamespace(**verbs)


def broken(adapter):
    cluster = SimpleNamespace(topology=Topology.star(3))
    return {
        result.name: result.sentence for result in run_contract(Context(cluster, adapter, 1.0)) if result.kept is False
    }


def test_an_honest_register_keeps_every_promise():
    assert broken(Wrapped()) == {}


def raising(error):
    def call(*_):
        raise error

    return call


def cas_without_compare(honest, key, expected, new):
    honest.write(key, new)


def cas_in_two_steps(honest, key, expected, new):
    if honest.read(key) != expected:
        raise Definite("other")
    import time

    time.sleep(0.001)
    honest.write(key, new)


def cas_unsure(honest, key, expected, new):
    try:
        honest.cas(key, expected, new)
    except Definite:
        raise Indefinite("perhaps") from None


def cas_that_lies_about_what_it_saw(honest, key, expected, new):
    try:
        honest.cas(key, expected, new)
    except Definite:
        raise Definite("other", seen="nonsense", has_seen=True) from None


def cas_never_creates(honest, key, expected, new):
    if expected is None:
        raise Definite("no")
    honest.cas(key, expected, new)


@pytest.mark.parametrize(
    ("replaced", "names"),
    [
        ({"read": lambda honest, key: honest.read(key) or 0}, {"key_never_written_reads_none"}),
        (
            {"read": lambda honest, key: str(honest.read(key))},
            {"values_keep_their_kind", "key_never_written_reads_none"},
        ),
        ({"write": lambda honest, key, value: None}, {"write_is_read_back_through_every_node", "keys_are_apart"}),
        ({"write": lambda honest, key, value: honest.write(key[:10], value)}, {"keys_are_apart"}),
        ({"cas": cas_without_compare}, {"cas_sets_what_it_expects_and_nothing_else", "cas_from_none_creates"}),
        ({"cas": cas_in_two_steps}, {"cas_is_atomic"}),
        ({"cas": cas_unsure}, {"cas_sets_what_it_expects_and_nothing_else", "cas_from_none_creates"}),
        ({"cas": cas_that_lies_about_what_it_saw}, {"cas_sets_what_it_expects_and_nothing_else"}),
        ({"cas": cas_never_creates}, {"cas_from_none_creates"}),
        ({"close": raising(OSError("gone"))}, {"close_never_raises"}),
    ],
)
def test_an_adapter_that_is_wrong_in_one_way_is_told_so(replaced, names):
    found = broken(Wrapped(**replaced))
    assert names <= set(found)
    assert all(sentence.strip() for sentence in found.values())


def test_an_unready_node_is_told():
    adapter = Wrapped()
    adapter.ready = lambda *_: False
    assert set(broken(adapter)) == {"ready_node_says_so"}


def test_what_cannot_be_checked_is_skipped_with_the_reason():
    cluster = SimpleNamespace(topology=Topology.star(3))
    skipped = [result for result in run_contract(Context(cluster, Wrapped(), 1.0)) if result.kept is None]
    assert len(skipped) == 3 + len(OPERATION_CHECKS)
    assert all(result.sentence in str(result) for result in skipped)


def test_every_check_states_its_promise_in_one_sentence():
    assert all(check.__doc__.strip().endswith(".") and "\n" not in check.__doc__.strip() for check in CHECKS)


class UnansweredOnce(MemoryAdapter):
    """Honest, with a node that can be killed, and whose first write of a key is honestly unknown."""

    nodes_needed = True

    def __init__(self, key):
        super().__init__({"latency_ms": 0})
        self.up, self._unanswered = True, {key}

    def ready(self, *_):
        return self.up

    def connect(self, node, timeout_s):
        honest = super().connect(node, timeout_s)

        def call(verb, key, *given):
            if not self.up:
                raise Indefinite("no answer")
            if verb == "write" and key in self._unanswered:
                self._unanswered.remove(key)
                raise Indefinite("LOST: EOF")
            return getattr(honest, verb)(key, *given)

        verbs = {verb: functools.partial(call, verb) for verb in ("read", "write", "cas")}
        return SimpleNamespace(**verbs, close=honest.close)


def test_one_unknown_answer_after_a_fault_breaks_no_promise():
    """Seen in CI: hashicorp/raft, the first write through a node whose leader had just been killed and restarted."""
    adapter = UnansweredOnce("contract-dead")
    harm, heal = (lambda _: setattr(adapter, "up", False)), (lambda _: setattr(adapter, "up", True))
    cluster = SimpleNamespace(topology=Topology.star(3), kill=harm, start=heal, pause=harm, resume=heal)
    dead_or_stopped_node_fails_in_time(Context(cluster, adapter, 1.0))
    assert adapter.up
