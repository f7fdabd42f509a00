"""Numbers, names and bytes as the rule language spells them: ``cursor`` reads back exactly what was written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal

from raftmon.monitor.rules.language.tokens import NAME

__all__ = ["host", "hosts", "literal", "number", "regex", "share"]


def number(value: float, scale: int = 1) -> str:
    """Exactly, without an exponent: what is parsed back is the same float."""
    text = format(Decimal(repr(value)) * scale, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(value: float) -> str:
    """A number from 0 to 1 as a percentage."""
    return f"{number(value, 100)}%"


def host(name: str, reserved: Collection[str] = ()) -> str:
    """A name, in quotes where it is ``reserved`` or would not be read as one."""
    return name if re.fullmatch(NAME, name, re.ASCII) and name not in reserved else f'"{name}"'


def hosts(names: Iterable[str] | None, reserved: Collection[str] = ()) -> str:
    """Names with commas between; None is every host."""
    return "*" if names is None else ",".join(host(name, reserved) for name in sorted(names))


def literal(data: bytes) -> str:
    """Bytes in double quotes."""
    special = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    out = "".join(special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data)
    return f'"{out}"'


def regex(pattern: bytes) -> str:
    """A regular expression between slashes."""
    text = pattern.decode("utf-8", "backslashreplace")
    return "/" + re.sub(r"\\.|/", lambda found: "\\/" if found[0] == "/" else found[0], text, flags=re.DOTALL) + "/"
