"""What every adapter must do, one function a promise; each raises Broken or Skipped with a sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from raftmon.adapters.base import Client, Definite
from raftmon.adapters.contract.context import Broken, Context, Skipped
from raftmon.adapters.contract.loopback import RELAY
from raftmon.adapters.contract.operations import OPERATION_CHECKS
from raftmon.adapters.contract.relay import Relay
from raftmon.adapters.hooks import hooks
from raftmon.setup.topology import Host

__all__ = ["CHECKS", "Check"]

SLACK_S = 1.0  # beyond a time-out, for a machine that is busy
RECOVERY_S = 5.0
_THREADS, _INCREMENTS = 4, 15


Check = Callable[[Context], None]


def _expect(found: Any, wanted: Any, what: str) -> None:
    if found != wanted or type(found) is not type(wanted):
        raise Broken(f"{what} gave {found!r}, not {wanted!r}")


def _misses(client: Client, key: str, expected: Any, new: Any, holds: Any) -> None:
    """A cas that must fail, say so definitely, tell no lie about what it saw, and leave the value alone."""
    try:
        client.cas(key, expected, new)
    except Definite as failure:
        if failure.has_seen:
            _expect(failure.seen, holds, f"what a cas({expected!r} -> {new!r}) that failed says it saw")
    else:
        raise Broken(f"cas({expected!r} -> {new!r}) succeeded although the key held {holds!r}")
    _expect(client.read(key), holds, "a read after a cas that failed")


def _acknowledged_write(client: Client, key: str, value: Any, timeout_s: float) -> None:
    """Write until it is acknowledged: after a fault, a cluster may honestly answer "unknown" once before it serves."""
    deadline = time.monotonic() + RECOVERY_S + timeout_s
    while True:
        try:
            client.write(key, value)
            return
        except Exception as error:
            if time.monotonic() > deadline:
                raise Broken(f"a healed cluster acknowledged no write: {type(error).__name__}: {error}") from error
            time.sleep(0.02)


def ready_node_says_so(context: Context) -> None:
    """``ready`` is true of a node that serves."""
    for node in context.nodes:
        if not context.adapter.ready(node, context.cluster.topology, context.timeout_s):
            raise Broken(f"ready said that {node.name} does not serve, but it does")


def key_never_written_reads_none(context: Context) -> None:
    """A key that nobody wrote reads None."""
    with context.client() as client:
        _expect(client.read("contract-never"), None, "a read of a key that nobody wrote")


def write_is_read_back_through_every_node(context: Context) -> None:
    """What was written through one node is read through all."""
    for number, writer in enumerate(context.nodes):
        with context.client(writer) as client:
            client.write("contract-all", number)
        for reader in context.nodes:
            with context.client(reader) as client:
                _expect(client.read("contract-all"), number, f"a read through {reader.name} of {writer.name}'s write")


def values_keep_their_kind(context: Context) -> None:
    """Numbers come back as numbers, texts as texts."""
    with context.client() as client:
        for value in (0, 17, -3, 2**53 + 1, "", "17", "two words", "ünïcode"):
            client.write("contract-kind", value)
            _expect(client.read("contract-kind"), value, f"a read after write({value!r})")


def keys_are_apart(context: Context) -> None:
    """Writing one key changes no other."""
    with context.client() as client:
        for key in ("contract-a", "contract-ab", "contract-b"):
            client.write(key, key)
        for key in ("contract-a", "contract-ab", "contract-b"):
            _expect(client.read(key), key, f"a read of {key}")


def cas_sets_what_it_expects_and_nothing_else(context: Context) -> None:
    """A cas succeeds on the value it expects; otherwise it fails definitely and changes nothing."""
    with context.client() as client:
        client.write("contract-cas", 1)
        client.cas("contract-cas", 1, 2)
        _expect(client.read("contract-cas"), 2, "a read after cas(1 -> 2)")
        _misses(client, "contract-cas", 1, 3, 2)
        _misses(client, "contract-cas", "2", 3, 2)
        client.cas("contract-cas", 2, 2)
        _expect(client.read("contract-cas"), 2, "a read after cas(2 -> 2)")


def cas_from_none_creates(context: Context) -> None:
    """A cas that expects None sets a key that was never written, and no other."""
    with context.client() as client:
        _misses(client, "contract-create", 1, 2, None)
        client.cas("contract-create", None, 3)
        _expect(client.read("contract-create"), 3, "a read after cas(None -> 3)")
        _misses(client, "contract-create", None, 4, 3)


def cas_is_atomic(context: Context) -> None:
    """Threads that count up by cas through all nodes lose no step."""
    with context.client() as client:
        client.write("contract-count", 0)
    errors: list[str] = []

    def count(node: Host) -> None:
        try:
            with context.client(node) as client:
                done = 0
                while done < _INCREMENTS:
                    value = client.read("contract-count")
                    try:
                        client.cas("contract-count", value, value + 1)
                        done += 1
                    except Definite:
                        continue
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=count, args=(context.nodes[number % len(context.nodes)],)) for number in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise Broken(f"on a healthy cluster a client that counted got {errors[0]}")
    with context.client() as client:
        _expect(client.read("contract-count"), _THREADS * _INCREMENTS, "a counter, after all had counted,")


def lost_answer_is_unknown(context: Context) -> None:
    """A cas that took effect and whose answer was lost is never reported as failed, nor sent again."""
    port = hooks(context.adapter).client_port
    if port is None:
        raise Skipped("the adapter has no client_port, so nothing can be put between client and node")
    node = context.nodes[0]
    relayed = Host(node.name, RELAY.index, RELAY.net)
    with context.client() as witness, Relay((RELAY.address, port), (node.address, port)) as relay:
        witness.write("contract-lost", 1)
        client = context.adapter.connect(relayed, context.timeout_s)
        try:
            _expect(client.read("contract-lost"), 1, "a read through a relay")
            relay.mute()
            outcome = _CasInThread(client, "contract-lost", 1, 2)
            while outcome.running and witness.read("contract-lost") != 2:
                continue
            relay.cut()
            outcome.join()
        finally:
            client.close()
        holds = witness.read("contract-lost")
    if outcome.returned:
        raise Broken("a cas whose answer was lost was reported as done: was it sent again, or never awaited?")
    if isinstance(outcome.error, Definite) and holds == 2:
        raise Broken(f"a cas whose answer was lost took effect, but was reported as certainly failed: {outcome.error}")


class _CasInThread:
    """One cas, in its own thread: whether it still runs, returned, or what it raised."""

    def __init__(self, client: Client, key: str, expected: Any, new: Any) -> None:
        self.returned = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(client, key, expected, new), daemon=True)
        self._thread.start()

    def _run(self, client: Client, key: str, expected: Any, new: Any) -> None:
        try:
            client.cas(key, expected, new)
            self.returned = True
        except Exception as error:
            self.error = error

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()


def dead_or_stopped_node_fails_in_time(context: Context) -> None:
    """An operation on a node that is dead, or alive and silent, ends within its time-out, and never as ok."""
    context.needs_nodes()
    node = context.nodes[-1]
    kill, pause = (context.cluster.kill, context.cluster.start), (context.cluster.pause, context.cluster.resume)
    for what, (harm, heal) in {"dead": kill, "stopped": pause}.items():
        with context.client(node) as client:
            _acknowledged_write(client, "contract-dead", what, context.timeout_s)
            harm(node)
            try:
                if context.adapter.ready(node, context.cluster.topology, min(context.timeout_s, 1.0)):
                    raise Broken(f"ready said that a {what} node serves")
                for f, call in {
                    "read": lambda client=client: client.read("contract-dead"),
                    "write": lambda client=client: client.write("contract-dead", "x"),
                    "cas": lambda client=client: client.cas("contract-dead", "x", "y"),
                }.items():
                    _fails_in_time(f"{f} on a {what} node", call, context.timeout_s)
            finally:
                heal(node)


def _fails_in_time(what: str, call: Callable[[], Any], timeout_s: float) -> None:
    began = time.monotonic()
    try:
        call()
    except Exception:
        took_s = time.monotonic() - began
        if took_s > timeout_s + SLACK_S:
            raise Broken(f"a {what} took {took_s:.1f} s to fail; its time-out is {timeout_s:g} s") from None
    else:
        raise Broken(f"a {what} came back as done")


def acknowledged_writes_survive_a_restart(context: Context) -> None:
    """What was acknowledged is there after the node died; a client of it, made before, finds it again by itself."""
    context.needs_nodes()
    node = context.nodes[0]
    with context.client(node) as client:
        _acknowledged_write(client, "contract-kept", "kept", context.timeout_s)
        context.cluster.kill(node)
        context.cluster.start(node)
        deadline = time.monotonic() + RECOVERY_S + context.timeout_s
        while True:
            try:
                found = client.read("contract-kept")
                break
            except Exception as error:
                if time.monotonic() > deadline:
                    raise Broken(f"a client did not find its restarted node again: {error}") from error
                time.sleep(0.02)
        _expect(found, "kept", "a read after the node was killed and restarted")


def close_never_raises(context: Context) -> None:
    """``close`` may be called twice."""
    client = context.adapter.connect(context.nodes[0], context.timeout_s)
    client.read("contract-never")
    try:
        client.close()
        client.close()
    except Exception as error:
        raise Broken(f"close raised {type(error).__name__}: {error}") from error


CHECKS: tuple[Check, ...] = (
    ready_node_says_so,
    key_never_written_reads_none,
    write_is_read_back_through_every_node,
    values_keep_their_kind,
    keys_are_apart,
    cas_sets_what_it_expects_and_nothing_else,
    cas_from_none_creates,
    cas_is_atomic,
    lost_answer_is_unknown,
    close_never_raises,
    *OPERATION_CHECKS,
    acknowledged_writes_survive_a_restart,
    dead_or_stopped_node_fails_in_time,
)
