"""reckon's workload (Jensen, Howard, Mortier, HAOC 2021: "Examining Raft's behaviour during partial network failures").

Keys are numbers from 0 to ``max_key``, reads and writes are drawn independently, written values are text of
``payload_size`` bytes. Operations start at given times (``--rate``, ``--arrival``: uniform or poisson), whether earlier
ones have ended or not, as long as there are clients to start them: an operation's latency counts from when it should
have started. Unlike reckon's, every value is written once, so that what was read can be judged.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call
from raftmon.driver.workloads.keys import KeyChooser
from raftmon.setup.errors import InputError

__all__ = ["UniformWorkload"]

MAX_PAYLOAD_BYTES = 1_000_000
_FILL = "-"
_LAST_KEYS = 1_000


class UniformWorkload:
    """``write_ratio`` is the share of writes. In the history a value is its number; the payload is only on the wire."""

    name = "uniform"
    needs: tuple[type, ...] = ()

    def __init__(
        self,
        *,
        max_key: int = 1,
        payload_size: int = 10,
        write_ratio: float = 1.0,
        choice: str = "uniform",
        skew: float = 0.99,
    ) -> None:
        if not 0 <= write_ratio <= 1:
            raise InputError(f"--write-ratio is {write_ratio:g}: give a share from 0 to 1")
        if not 1 <= payload_size <= MAX_PAYLOAD_BYTES:
            raise InputError(f"--payload-size is {payload_size}: give 1 to {MAX_PAYLOAD_BYTES} bytes")
        if max_key < 0:
            raise InputError(f"--max-key is {max_key}: give 0 or more")
        digits = len(str(max_key))
        self._keys = KeyChooser([str(number).zfill(digits) for number in range(max_key + 1)], choice, skew)
        self._write_ratio, self._payload_bytes = write_ratio, payload_size
        self._parameters = {
            "max_key": max_key,
            "payload_size": payload_size,
            "write_ratio": write_ratio,
            "choice": choice,
            "skew": skew,
        }

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._parameters)

    def slot(self, slot: int, slots: int, random: Random) -> UniformPlan:
        """The generator of one slot."""
        return UniformPlan(slot, slots, random, self._keys, self._write_ratio)

    def last_calls(self) -> list[Call]:
        """A read of every key, of the first thousand where there are more."""
        return [Call("read", key, None) for key in self._keys.names[:_LAST_KEYS]]

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "read":
            return self.unpacked(client.read(call.key))
        client.write(call.key, self.payload(call.value))
        return call.value

    def payload(self, number: int) -> str:
        """The text that stands for a value on the wire: the number, filled up to ``payload_size`` bytes."""
        return str(number).ljust(self._payload_bytes, _FILL)

    def unpacked(self, text: Any) -> Any:
        """The number in a payload; what is no payload stays what it is, and the checker names it."""
        digits = text.rstrip(_FILL) if isinstance(text, str) else ""
        return int(digits) if digits.isdigit() else text


class UniformPlan:
    """One slot's calls; they depend on nothing that is seen."""

    def __init__(self, slot: int, slots: int, random: Random, keys: KeyChooser, write_ratio: float) -> None:
        self._random = random
        self._keys = keys
        self._write_ratio = write_ratio
        self._next_value = slot + 1
        self._slots = slots

    def next(self) -> Call:
        """Two draws a call."""
        writes = self._random.random() < self._write_ratio
        key = self._keys.choose(self._random.random())
        if not writes:
            return Call("read", key, None)
        value = self._next_value
        self._next_value += self._slots
        return Call("write", key, value)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Nothing is remembered."""
