"""Walks over the tokens of one line and reads what words are made of: numbers, times, hosts, bytes.

The words of the language (``action_words``, ``condition_words``, ``message_words``) parse their parameters with it;
``raftmon.monitor.rules.language.grammar`` puts the words together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from raftmon.monitor.rules.conditions import ROLES
from raftmon.monitor.rules.language.tokens import Token, complain, did_you_mean, tokenize
from raftmon.setup.errors import InputError

__all__ = ["Cursor"]

T = TypeVar("T")
_TIME_MS = {"us": Decimal("0.001"), "µs": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000), "min": Decimal(60000)}
_BYTES = {"": 1, "B": 1, "kB": 1000, "MB": 1_000_000, "KiB": 1024, "MiB": 1024 * 1024}
_KBIT = {"bit": Decimal("0.001"), "kbit": Decimal(1), "Mbit": Decimal(1000), "Gbit": Decimal(1_000_000)}


class Cursor:
    """Walks over one line. ``names`` are the known hosts; none means that names are not checked."""

    def __init__(self, line: str, names: Sequence[str] = ()) -> None:
        self.line = line
        self.names = tuple(names)
        self.tokens = tokenize(line)
        self.position = 0

    @property
    def here(self) -> Token:
        """The next token."""
        return self.tokens[self.position]

    def take(self) -> Token:
        """The next token, passed over (the end stays)."""
        token = self.here
        if token.kind != "end":
            self.position += 1
        return token

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or signs."""
        return self.here.kind in ("name", "sign") and self.here.text in texts

    def accept(self, *texts: str) -> bool:
        """Pass over the next token if it is one of these."""
        found = self.at(*texts)
        if found:
            self.take()
        return found

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        """Raise InputError pointing at ``token`` (the next one unless given)."""
        token = token or self.here
        raise complain(self.line, token.column, message, token.width)

    def expect(self, kind: str, what: str) -> Token:
        """The next token, which must be of that kind."""
        if self.here.kind != kind:
            self.fail(f"expected {what}, not {self.here}")
        return self.take()

    def expect_text(self, *texts: str) -> str:
        """The next token, which must be one of these words or signs."""
        if not self.at(*texts):
            self.fail(f"expected {' or '.join(texts)}, not {self.here}")
        return self.take().text

    def _scaled(self, units: dict[str, Any], what: str, example: str) -> Decimal:
        token = self.expect("number", f"{what} such as {example}")
        if token.unit not in units:
            wanted = ", ".join(unit or "no unit" for unit in units)
            self.fail(f"expected {what} such as {example} (units: {wanted}), not {token}", token)
        return Decimal(token.text) * Decimal(units[token.unit])

    def time_ms(self) -> float:
        """A time, in milliseconds."""
        return float(self._scaled(_TIME_MS, "a time", "50ms or 2s"))

    def byte_count(self) -> int:
        """A number of bytes."""
        token = self.here
        count = self._scaled(_BYTES, "a number of bytes", "1000 or 64kB")
        if count != int(count):
            self.fail("expected a whole number of bytes", token)
        return int(count)

    def kbit_s(self) -> float:
        """A bit rate, in kbit/s."""
        return float(self._scaled(_KBIT, "a rate", "512kbit or 10Mbit"))

    def share(self) -> float:
        """A percentage, as a number from 0 to 1."""
        token = self.here
        share = self._scaled({"%": Decimal("0.01")}, "a percentage", "10%")
        if share > 1:
            self.fail("expected a percentage from 0% to 100%", token)
        return float(share)

    def whole(self, what: str, least: int = 0, most: int = 2**31) -> int:
        """A whole number between two bounds."""
        token = self.expect("number", what)
        if token.unit or "." in token.text or not least <= int(token.text) <= most:
            self.fail(f"expected {what} ({least} to {most}), not {token}", token)
        return int(token.text)

    def at_number(self, *units: str) -> bool:
        """Whether the next token is a number with one of these units."""
        return self.here.kind == "number" and self.here.unit in units

    def comparison(self) -> str:
        """One of < <= > >= = !=."""
        return self.expect_text("<", "<=", ">", ">=", "=", "!=")

    def literal(self) -> bytes:
        r"""A text in double quotes as bytes: UTF-8, with the escapes \n \r \t \0 \" \\ and \xNN."""
        token = self.expect("string", 'bytes in double quotes such as "vote"')
        out, rest, simple = bytearray(), token.text, {"n": 10, "r": 13, "t": 9, "0": 0, '"': 34, "\\": 92}
        while rest:
            if rest[0] != "\\":
                out += rest[0].encode("utf-8", "surrogatepass")
                rest = rest[1:]
            elif rest[1] in simple:
                out.append(simple[rest[1]])
                rest = rest[2:]
            else:
                try:
                    out.append(int(rest[2:4], 16) if rest[1] == "x" and rest[2:4].isalnum() and rest[3:4] else 256)
                except ValueError:
                    self.fail(rf"\{rest[1]} is no escape; there are \n \r \t \0 \" \\ and \xNN", token)
                rest = rest[4:]
        return bytes(out)

    def hosts(self) -> frozenset[str] | None:
        """Names with commas between, each of which must exist; None for ``*``."""
        if self.accept("*"):
            return None
        found = []
        while True:
            if self.here.kind not in ("name", "string"):
                self.fail(f"expected a host's name or *, not {self.here}")
            token = self.take()
            if self.names and token.text not in self.names and token.text not in ROLES:
                hint = did_you_mean(token.text, self.names)
                self.fail(f"unknown host {token.text!r} (available: {', '.join(self.names)}){hint}", token)
            found.append(token.text)
            if not self.accept(","):
                return frozenset(found)

    def checked(self, token: Token, make: Callable[[], T]) -> T:
        """What ``make`` gives; an error without a place gets the token's."""
        try:
            return make()
        except InputError as error:
            if str(error).startswith("column "):
                raise
            raise complain(self.line, token.column, str(error), token.width) from error
