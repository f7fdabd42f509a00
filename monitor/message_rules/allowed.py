"""What a protocol allows to be done to its messages."""

from __future__ import annotations

from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.rules.actions.kinds import Action, Forge
from raftmon.setup.errors import InputError

__all__ = ["refuse"]


def refuse(codec: Codec, action: Action, whose: str) -> None:
    """Raise InputError for what this protocol does not allow."""
    word = type(action).__name__.lower()
    if (why := codec.refuses.get(word)) is not None:
        raise InputError(f"{whose}: {word} is impossible with {codec.name}: {why}; hold or cut the link instead")
    if isinstance(action, Forge) and action.kind not in codec.forges:
        possible = ", ".join(sorted(codec.forges)) or "none"
        raise InputError(f"{whose}: a {action.kind} of {codec.name} cannot be forged (possible: {possible})")
