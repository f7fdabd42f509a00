"""The actions a rule can take on a packet."""

from monitor.actions.kinds import (
    Accept,
    Action,
    Call,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Loss,
    LossBursts,
    Mirror,
    Rate,
    Reject,
    Reorder,
    Replace,
    Rewrite,
    Unrecorded,
)

__all__ = [
    "Accept",
    "Action",
    "Call",
    "Corrupt",
    "Delay",
    "Drop",
    "Duplicate",
    "Loss",
    "LossBursts",
    "Mirror",
    "Rate",
    "Reject",
    "Reorder",
    "Replace",
    "Rewrite",
    "Unrecorded",
]
