"""What a pickle would build, found without building it: how much, how deep, how often shared.

A pickle of 130 bytes can hold a tuple that, unfolded, has 2**40 elements; hashing it (as a key) never ends, and hashing
one that is deep enough overflows the stack. So its opcodes are followed first with weights in the place of values
(pickletools.py documents each). Tuples, which alone can be hashed, are weighed exactly; lists that are filled later
weigh less than they will, but nothing here walks through those.
"""

from __future__ import annotations

import pickletools
from typing import Final

from raftmon.monitor.raft.codecs.protobuf import Malformed

__all__ = ["MAX_DEPTH", "check_pickle"]

MAX_DEPTH: Final = 100
_MAX_SPREAD: Final = 16  # how many times more than its opcodes a pickle may weigh unfolded
_FLOOR: Final = 10_000

# What imports, makes objects or sets state. GLOBAL and REDUCE stay: up to protocol 2 bytes are written with them.
_FORBIDDEN = frozenset({
    "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4",
    "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER",
})  # fmt: skip
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})
_FROM_MARK = frozenset({"TUPLE", "LIST", "DICT", "FROZENSET"})
_INTO_FROM_MARK = frozenset({"APPENDS", "SETITEMS", "ADDITEMS"})
_FROM_TOP = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "REDUCE": 2}
_INTO = {"APPEND": 1, "SETITEM": 2}
_EMPTY = frozenset({"EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"})

_Cell = list[int]  # weight, depth
_SCALAR: _Cell = [1, 0]
_MARK: _Cell = [0, -1]


class _Machine:
    def __init__(self, most: int) -> None:
        self.stack: list[_Cell] = []
        self.memo: dict[int, _Cell] = {}
        self.most = most

    def to_mark(self) -> list[_Cell]:
        parts = []
        while (cell := self.stack.pop()) is not _MARK:
            parts.append(cell)
        return parts

    def top(self, count: int) -> list[_Cell]:
        if len(self.stack) < count:
            raise IndexError("an opcode without its operands")
        parts = self.stack[-count:]
        del self.stack[-count:]
        return parts

    def grow(self, cell: _Cell, parts: list[_Cell]) -> None:
        cell[0] += sum(part[0] for part in parts)
        cell[1] = max([cell[1], *(part[1] + 1 for part in parts)])
        if cell[0] > self.most:
            raise Malformed("a pickle that shares so much that it never ends")
        if cell[1] > MAX_DEPTH:
            raise Malformed(f"a pickle deeper than {MAX_DEPTH}")

    def new(self, parts: list[_Cell]) -> None:
        cell = [1, 1]
        self.grow(cell, parts)
        self.stack.append(cell)

    def step(self, name: str, argument: object) -> None:
        if name in _FROM_TOP:
            self.new(self.top(_FROM_TOP[name]))
        elif name in _EMPTY:
            self.stack.append([1, 1])
        elif name in _FROM_MARK:
            self.new(self.to_mark())
        elif name in _INTO:
            parts = self.top(_INTO[name])
            self.grow(self.stack[-1], parts)
        elif name in _INTO_FROM_MARK:
            parts = self.to_mark()
            self.grow(self.stack[-1], parts)
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif "PUT" in name:
            assert isinstance(argument, int)
            self.memo[argument] = self.stack[-1]
        elif "GET" in name:
            assert isinstance(argument, int)
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name == "POP":
            self.stack.pop()
        elif name == "POP_MARK":
            self.to_mark()
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        else:
            self.stack.append(_SCALAR)


def check_pickle(data: bytes) -> None:
    """Raise Malformed for a pickle that makes objects, or more than it should; whatever genops raises for none."""
    most = _MAX_SPREAD * len(data) + _FLOOR
    machine = _Machine(most)
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in _FORBIDDEN:
            raise Malformed(f"a pickle with {name}")
        if "PUT" in name and isinstance(argument, int) and not 0 <= argument <= len(data):
            raise Malformed("a pickle with a memo beyond its size")
        if name not in _NOTHING:
            machine.step(name, argument)
