"""A run as one zip that ``raftmon check`` and any browser open anywhere; node data and live files are left out."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from raftmon.driver.exports.whole import written_whole
from raftmon.driver.run_folder import CONFIG, LIVE, RunFolder
from raftmon.setup.errors import InputError

__all__ = ["pack", "unpack"]

_MOST_BYTES = 20 * 1024**3
_MOST_FILES = 100_000
# Encrypted, of an unknown method or version, or damaged: zipfile says each in its own way.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, EOFError)


def pack(folder: RunFolder, target: Path) -> tuple[int, int]:
    """Write ``target``; (files, bytes of the zip). Raises InputError if it is there or cannot be written."""
    if not (folder.path / CONFIG).is_file():
        raise InputError(f"{folder.path} is no run's folder: it has no {CONFIG}")
    if target.exists():
        raise InputError(f"{target} exists: name another file")
    top = f"{folder.path.parent.name}/{folder.path.name}"
    files = 0
    try:
        with (
            written_whole(target) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=5) as archive,
        ):
            for path in sorted(folder.path.rglob("*")):
                inside = path.relative_to(folder.path)
                if path.is_symlink() or not path.is_file() or path.name == LIVE or not _wanted(inside):
                    continue
                archive.write(path, f"{top}/{inside}")
                files += 1
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}): name another place") from error
    return files, target.stat().st_size


def _wanted(inside: Path) -> bool:
    """Of a node's folder only what it said: its data is large, and no analysis reads it."""
    return inside.parts[0] != "nodes" or inside.suffix == ".log"


def unpack(source: Path, into: Path) -> RunFolder:
    """The run in such a zip, under a folder that is empty or new.

    Raises InputError for a file that is no run's zip, that would write outside, or that is too large.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check(source, members)
            folder = into.joinpath(*Path(members[0].filename).parts[:2])
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for member in members:
                target = into.joinpath(*Path(member.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as content, target.open("wb") as file:
                    left = member.file_size
                    while chunk := content.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise InputError(f"{source}: {member.filename} is longer than the zip says")
                        file.write(chunk)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{source} is no zip of a run, or damaged: {error}") from error
    return RunFolder(folder)


def _check(source: Path, members: list[zipfile.ZipInfo]) -> None:
    parts = [Path(member.filename).parts for member in members]
    if len({one[:2] for one in parts}) != 1 or not any(one[2:] == (CONFIG,) for one in parts):
        raise InputError(f"{source} is no zip of a run: raftmon export RUN --zip makes one")
    if any(len(one) < 3 or ".." in one or one[0].startswith("/") for one in parts):
        raise InputError(f"{source} would write outside its folder: it was not made by raftmon")
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        raise InputError(f"{source} is larger than any run of raftmon ({_MOST_BYTES // 1024**3} GiB at most)")
