"""Chromium for the tests of the pages: the system's, or one from Debian's packages in the cache.

Only what this machine lacks is fetched: apt works out in a private state which packages would be installed, and they
are unpacked with nothing installed and no root. A launcher gives the browser its libraries and fonts.
"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from raftmon.setup.errors import RaftmonError
from raftmon.setup.servers import cache_folder
from raftmon.setup.suites import Suite
from raftmon.setup.unpack import debian

__all__ = ["browser", "fetch_browser", "launcher", "would_install"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_STATUS = Path("/var/lib/dpkg/status")
_WANTED = ("chromium", "fonts-dejavu-core", "fontconfig-config")
_INST = re.compile(r"^Inst (\S+) ", re.MULTILINE)


def browser() -> str | None:
    """The path of a Chromium that can be started, the system's first; None if there is none."""
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    cached = _folder() / "chromium"
    return str(cached) if cached.is_file() else None


def fetch_browser(status: Path = _STATUS) -> str:
    """Fetch Chromium and what it needs into the cache, and return the launcher's path.

    ``status`` is dpkg's list of what is installed. Raises RaftmonError if apt cannot, or the browser does not start.
    """
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-chromium-", dir=folder.parent))
    try:
        suite = Suite(_release(), cache_folder().parent / "apt")
        suite.update()
        names = would_install(suite, status)
        debian(made, *names, suite=suite)
        launcher(made, folder)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
        made = folder
        said = _version(folder / "chromium")
        if said is None:
            raise RaftmonError("Chromium from Debian's packages does not start here: install chromium by apt")
    except (OSError, RaftmonError) as error:
        shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, RaftmonError):
            raise
        raise RaftmonError(f"cannot write Chromium into {folder}: {error}") from error
    return str(folder / "chromium")


def would_install(suite: Suite, status: Path) -> list[str]:
    """The packages that apt would install for Chromium where ``status`` is what there is, without recommended ones."""
    options = [*suite.options, f"-oDir::State::status={status}"]
    done = subprocess.run(
        ["apt-get", "-q", *options, "-s", "--no-install-recommends", "install", *_WANTED],
        capture_output=True,
        text=True,
        check=False,
    )
    found = _INST.findall(done.stdout)
    if done.returncode != 0 or not found:
        why = " ".join(done.stderr.split())[-300:] or "apt names no package"
        raise RaftmonError(f"apt cannot say what Chromium needs: {why}")
    return found


def launcher(made: Path, folder: Path) -> None:
    """Write the script that starts the browser unpacked in ``made``, which will be moved to ``folder``."""
    libraries = [f"usr/lib/{platform.machine()}-linux-gnu", f"lib/{platform.machine()}-linux-gnu", "usr/lib", "lib"]
    path = ":".join(str(folder / part) for part in libraries)
    (made / "fonts.conf").write_text(
        f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>{folder}/usr/share/fonts</dir>'
        f"<dir>/usr/share/fonts</dir><cachedir>{folder}/fonts-cache</cachedir></fontconfig>\n"
    )
    script = made / "chromium"
    script.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH={shlex.quote(path)}\n"
        f"export FONTCONFIG_FILE={shlex.quote(str(folder / 'fonts.conf'))}\n"
        f'exec {shlex.quote(str(folder / "usr/lib/chromium/chromium"))} "$@"\n'
    )
    script.chmod(0o755)


def _folder() -> Path:
    return cache_folder().parent / "chromium"


def _release() -> str:
    """The Debian release that this machine runs."""
    found = platform.freedesktop_os_release()
    name = found.get("VERSION_CODENAME", "")
    if found.get("ID") != "debian" or not name:
        raise RaftmonError("Chromium is fetched on Debian alone: install chromium as your system does")
    return name


def _version(path: Path) -> str | None:
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
