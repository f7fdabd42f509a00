"""Which directory entries a power cut would take: an undo list of what was made, renamed and removed since the commit.

A file system's journal commits in order (ext4, XFS and btrfs all do): one commit makes everything before it durable.
``commit`` is called for a sync of a folder, and, where the file system is taken for ext4, for a sync of any file
(data=ordered commits the running transaction). What is removed is kept in a graveyard by a hard link until then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GRAVEYARD", "EntryJournal", "TreeChange"]

GRAVEYARD = ".raftmon-removed"
"""Folder at the top of the backing folder that holds what was removed and not committed; hidden from the node."""


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One change of the tree and how to take it back; paths are those of the backing folder."""

    sentence: str
    undo: Callable[[], None]
    grave: Path | None = None


class EntryJournal:
    """The uncommitted changes of one disk's tree, oldest first. Not thread-safe; the file system holds a lock.

    ``graveyard`` is a folder on the same file system as the tree.
    """

    def __init__(self, graveyard: Path) -> None:
        self._graveyard = graveyard
        self._changes: list[TreeChange] = []
        self._count = 0
        graveyard.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self._changes)

    def created(self, path: Path) -> None:
        """A file, symbolic link or hard link was made at ``path``."""
        self._add(f"{path.name} created", lambda: path.unlink(missing_ok=True))

    def made_folder(self, path: Path) -> None:
        """A folder was made at ``path``."""
        self._add(f"{path.name}/ created", path.rmdir)

    def removing(self, path: Path) -> None:
        """The file at ``path`` is about to lose its name."""
        grave = self._bury(path)
        self._add(f"{path.name} removed", lambda: os.link(grave, path, follow_symlinks=False), grave)

    def removed_folder(self, path: Path, mode: int) -> None:
        """The empty folder at ``path`` was removed."""
        self._add(f"{path.name}/ removed", lambda: path.mkdir(mode & 0o7777))

    def renaming(self, old: Path, new: Path) -> None:
        """``old`` is about to become ``new``, which may replace a file or an empty folder."""
        grave: Path | None = None
        replaced_mode: int | None = None
        if new.is_dir() and not new.is_symlink():
            replaced_mode = new.stat().st_mode
        elif os.path.lexists(new):
            grave = self._bury(new)

        def undo() -> None:
            os.rename(new, old)
            if grave is not None:
                os.link(grave, new, follow_symlinks=False)
            elif replaced_mode is not None:
                new.mkdir(replaced_mode & 0o7777)

        self._add(f"{old.name} renamed to {new.name}", undo, grave)

    def cancel_last(self) -> None:
        """The change noted last was refused by the backing file system."""
        self._drop(self._changes.pop())

    def commit(self) -> None:
        """Everything so far is durable."""
        for change in self._changes:
            self._drop(change)
        self._changes.clear()

    def cut(self) -> list[str]:
        """Take back every uncommitted change, newest first; what was taken back, in words, oldest first."""
        undone = []
        while self._changes:
            change = self._changes.pop()
            with contextlib.suppress(FileNotFoundError):
                change.undo()
            self._drop(change)
            undone.append(change.sentence)
        return undone[::-1]

    def _add(self, sentence: str, undo: Callable[[], None], grave: Path | None = None) -> None:
        self._changes.append(TreeChange(sentence, undo, grave))

    def _bury(self, path: Path) -> Path:
        self._count += 1
        grave = self._graveyard / str(self._count)
        os.link(path, grave, follow_symlinks=False)
        return grave

    @staticmethod
    def _drop(change: TreeChange) -> None:
        if change.grave is not None:
            change.grave.unlink(missing_ok=True)
