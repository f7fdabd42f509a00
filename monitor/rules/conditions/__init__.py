"""Which packets a rule is about: frozen trees, combined with and, or, not.

Every match knows how to *specialise* itself on one link: what depends on the link alone becomes true or false there,
once, so a rule that cannot concern a link costs that link nothing. What is left is compiled into closures.
"""

from raftmon.monitor.rules.conditions.headers import Address, Family, Flag, Fragment, Malformed, Port, ProtocolIs
from raftmon.monitor.rules.conditions.payload import Age, Dialled, PayloadHas, PayloadMatches, PayloadSize, Size
from raftmon.monitor.rules.conditions.tree import (
    ALWAYS,
    NEVER,
    ROLES,
    AllOf,
    Always,
    AnyOf,
    Connections,
    Leaf,
    Links,
    Match,
    Never,
    Not,
    Test,
    both,
    either,
    negate,
)

__all__ = [
    "ALWAYS",
    "NEVER",
    "ROLES",
    "Address",
    "Age",
    "AllOf",
    "Always",
    "AnyOf",
    "Connections",
    "Dialled",
    "Family",
    "Flag",
    "Fragment",
    "Leaf",
    "Links",
    "Malformed",
    "Match",
    "Never",
    "Not",
    "PayloadHas",
    "PayloadMatches",
    "PayloadSize",
    "Port",
    "ProtocolIs",
    "Size",
    "Test",
    "both",
    "either",
    "negate",
]
