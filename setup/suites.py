"""Other suites of Debian than the machine's own, through a private state of apt: no root, nothing installed.

The archive's address and keyring are those of the machine's own apt configuration; lists and packages stay in a folder
of the cache. Only signed lists are taken, and each package has the checksum that its list names.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from raftmon.setup.errors import RaftmonError

__all__ = ["Suite"]

_LONGEST_UPDATE_S = 300.0
_LISTS_LAST_S = 24 * 3600.0
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NAME = re.compile(r"^[a-z]{2,20}$")


class Suite:
    """One suite (``trixie``, ``sid``) seen through apt with its state in ``folder``."""

    def __init__(self, name: str, folder: Path) -> None:
        if not _NAME.match(name):
            raise RaftmonError(f"{name!r} is no name of a Debian suite")
        self.name = name
        self._folder = folder / name

    @property
    def options(self) -> list[str]:
        """What every apt command needs to see this suite and nothing else of the machine's."""
        return [
            f"-oDir::Etc::sourcelist={self._folder / 'suite.sources'}",
            "-oDir::Etc::sourceparts=/dev/null",
            "-oDir::Etc::preferences=/dev/null",
            "-oDir::Etc::preferencesparts=/dev/null",
            f"-oDir::State::Lists={self._folder / 'lists'}",
            "-oDir::State::status=/dev/null",
            f"-oDir::Cache={self._folder / 'cache'}",
            "-oAPT::Sandbox::User=",
        ]

    def update(self) -> None:
        """Fetch the suite's lists unless they are fresh (a day). Raises RaftmonError if that cannot be done."""
        stamp = self._folder / "updated"
        try:
            fresh = time.time() - stamp.stat().st_mtime < _LISTS_LAST_S
        except OSError:
            fresh = False
        if fresh:
            return
        try:
            (self._folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (self._folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            (self._folder / "suite.sources").write_text(self._source(archive()))
        except OSError as error:
            raise RaftmonError(f"cannot write apt's lists of {self.name} into {self._folder}: {error}") from error
        try:
            done = subprocess.run(
                ["apt-get", "-q", *self.options, "-oAPT::Update::Error-Mode=any", "update"],
                capture_output=True,
                text=True,
                timeout=_LONGEST_UPDATE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RaftmonError(f"cannot fetch the package lists of Debian {self.name}: {error}") from error
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[-400:]
            raise RaftmonError(f"cannot fetch the package lists of Debian {self.name}: {said}")
        stamp.touch()

    def _source(self, uri: str) -> str:
        keyring = f"Signed-By: {_KEYRING}\n" if _KEYRING.is_file() else ""
        return f"Types: deb\nURIs: {uri}\nSuites: {self.name}\nComponents: main\n{keyring}"


def archive() -> str:
    """The Debian archive that the machine's own apt uses. Raises RaftmonError if it uses none."""
    form = "$(ORIGIN)\t$(LABEL)\t$(COMPONENT)\t$(REPO_URI)"
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise RaftmonError("newer servers come from Debian's suites, and there is no apt-get here") from error
    found = debian_archive([line.split("\t") for line in done.stdout.splitlines()])
    if found is None:
        raise RaftmonError(
            "newer servers come from Debian's suites, but this machine's apt has no Debian archive in its lists: "
            "run `sudo apt-get update` on Debian, or give --server the path of a binary"
        )
    return found


def debian_archive(rows: Sequence[Sequence[str]]) -> str | None:
    """The first Debian archive (not the security one) among (origin, label, component, uri) rows."""
    for row in rows:
        if len(row) == 4 and row[0] == row[1] == "Debian" and row[2] == "main":
            return row[3]
    return None
