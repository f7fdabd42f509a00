"""A system's options: a mapping from the command line or a file, read with checks, unknown names refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raftmon.setup.errors import InputError

__all__ = ["Options"]

_FLAGS = {True: ("true", "1", "yes", "on"), False: ("false", "0", "no", "off")}


class Options:
    """Reads options one by one; ``done`` refuses unknown ones. Every error is an InputError."""

    def __init__(self, system: str, given: Mapping[str, Any] | None) -> None:
        self._system = system
        self._given = dict(given or {})
        self._known: list[str] = []

    def _take(self, name: str, default: Any) -> Any:
        self._known.append(name)
        value = self._given.pop(name, None)
        return default if value is None else value

    def _refuse(self, name: str, value: Any, wanted: str) -> InputError:
        return InputError(f"option {name} of the system {self._system} is {value!r}: give {wanted}")

    def text(self, name: str, default: str | None) -> str | None:
        """A string."""
        value = self._take(name, default)
        if value is not None and not isinstance(value, str):
            raise self._refuse(name, value, "a text")
        return value

    def number(self, name: str, default: float | None, *, least: float = 0, most: float = 1e9) -> float | int | None:
        """A number in a range; a whole one stays an int."""
        value = self._take(name, default)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self._refuse(name, value, f"a number from {least:g} to {most:g}") from None
        if not least <= number <= most:
            raise self._refuse(name, value, f"a number from {least:g} to {most:g}")
        return int(number) if number.is_integer() else number

    def flag(self, name: str, default: bool | None) -> bool | None:
        """True or false."""
        value = self._take(name, default)
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if value is not None and not isinstance(value, bool):
            raise self._refuse(name, value, "true or false")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A list of strings, or one string with commas; empty where not given."""
        value = self._take(name, ())
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise self._refuse(name, value, "a list of texts")
        return tuple(value)

    def done(self) -> None:
        """Raise InputError if an option was given that the system does not have."""
        if self._given:
            unknown = ", ".join(sorted(map(repr, self._given)))
            known = ", ".join(self._known) or "no options at all"
            raise InputError(f"the system {self._system} has no option {unknown}; it has {known}")
