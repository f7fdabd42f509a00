"""What is said of a run's failure where its disk may be the cause."""

from __future__ import annotations

from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import NO_ROOM, InputError, RaftmonError

__all__ = ["is_full", "said_of"]

_LITTLE_MB = 256.0
"""With less than this free, the disk may be why a server or the recorder failed: etcd takes 64 MB a node."""


def is_full(error: BaseException) -> bool:
    """Whether this is the operating system's word that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in NO_ROOM


def said_of(error: BaseException, folder: RunFolder) -> str:
    """What is said of ``error``, with how little room there is where that may be why."""
    free_mb = folder.free_bytes / 1e6
    said = str(error) or type(error).__name__
    if is_full(error) and free_mb > _LITTLE_MB:  # another disk: standard output's, say; or a limit of this user
        left = f"{free_mb:,.0f} MB are free in {folder.path}"
        return f"what the run writes finds no room ({error}), and it ended there; {left}"
    if is_full(error):
        said = f"the disk is full ({error}), and the run ended there"
    elif not isinstance(error, RaftmonError) or isinstance(error, InputError) or free_mb > _LITTLE_MB:
        return said
    return (
        f"{said}\nonly {free_mb:.1f} MB are free on the disk that holds {folder.path} (etcd takes 64 MB a node for its "
        "log at once): make room, or give --store a folder on another disk"
    )
