#!/usr/bin/env python3
"""Sets up what is missing and nothing else: Debian packages, .venv, the default server binary. ``make`` runs it.

    python3 setup/install.py [--dev]

It needs nothing but Python's standard library, and is quick when nothing is missing. Packages are installed by apt as
root or through a sudo that asks for no password; otherwise the one line to run is printed and the exit status is 64.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Failed", "Machine", "main"]

ROOT = Path(__file__).resolve().parents[1]
EXIT_USAGE, EXIT_INTERNAL = (
    64,
    70,
)  # as in raftmon.setup.errors, which is not importable before the environment is there
OLDEST_PYTHON = (3, 11)
_FUSE = (
    "/usr/lib/x86_64-linux-gnu/libfuse3.so.3",
    "/usr/lib/aarch64-linux-gnu/libfuse3.so.3",
    "/usr/lib64/libfuse3.so.3",
)
_CANDIDATES = ("/usr/bin/python3", "python3", "python3.13", "python3.12", "python3.11")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PROBE = (
    "import sys, os, sysconfig, importlib.util as u; v = sys.version_info >= (3, 11); "
    "print(int(v), int(os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h'))), "
    "int(u.find_spec('ensurepip') is not None))"
)


class Failed(Exception):
    """What could not be set up, in words; ``status`` is the exit status."""

    def __init__(self, message: str, status: int = EXIT_INTERNAL) -> None:
        super().__init__(message)
        self.status = status


class Machine:
    """What the script asks of the machine; tests put another in its place."""

    def run(self, command: Sequence[str], *, quiet: bool = True) -> tuple[int, str]:
        """Exit status (127: not there) and output; the output is shown at once unless ``quiet``."""
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE if quiet else None,
                stderr=subprocess.STDOUT if quiet else None,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
                check=False,
            )
        except OSError as error:
            return 127, str(error)
        return done.returncode, done.stdout or ""

    def has_file(self, path: str) -> bool:
        """Whether a file is there."""
        return Path(path).exists()

    def has_command(self, name: str) -> bool:
        """Whether a command is there, the administrator's folders included."""
        return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None

    def is_root(self) -> bool:
        """Whether apt can be called without sudo."""
        return os.geteuid() == 0


def _say(words: str) -> None:
    print(f"setup: {words}", file=sys.stderr, flush=True)


def choose_python(machine: Machine) -> tuple[str, bool, bool]:
    """A Python of 3.11 or newer that the caller can use, whether it has its headers, and whether it can make venvs.

    The system's own comes first: others (pyenv's, say) often lie in a home that other users cannot read.
    """
    for name in (*_CANDIDATES, sys.executable):
        status, output = machine.run([name, "-I", "-c", _PROBE])
        words = output.split()
        if status == 0 and len(words) == 3 and words[0] == "1":
            return name, words[1] == "1", words[2] == "1"
    raise Failed("raftmon needs Python 3.11 or newer: install one (Debian 12 has it as python3)", EXIT_USAGE)


def missing_packages(machine: Machine, python: str, has_headers: bool, has_venv: bool, dev: bool = False) -> list[str]:
    """The Debian packages that are truly missing, judged by what they bring; with ``dev`` also what tests look with."""
    prefix = "python3" if python.endswith("python3") else Path(python).name
    checks: list[tuple[bool, list[str]]] = [
        (machine.has_command("gcc"), ["gcc", "libc6-dev"]),  # NetfilterQueue and python-iptables come as source
        (has_headers, [f"{prefix}-dev"]),
        (has_venv, [f"{prefix}-venv"]),
        (machine.has_file("/usr/include/libnetfilter_queue/libnetfilter_queue.h"), ["libnetfilter-queue-dev"]),
        (machine.has_command("iptables-restore"), ["iptables"]),
        (any(map(machine.has_file, _FUSE)), ["libfuse3-3"]),  # the nodes' disks (setup/disks)
    ]
    if dev:
        checks += [(machine.has_command(name), [name]) for name in ("tshark", "tcpdump")]
        checks += [(any(map(machine.has_command, BROWSERS)), ["chromium"])]
    return [name for there, names in checks if not there for name in names]


def may_install(machine: Machine) -> bool:
    """Whether apt can be called: as root, or by a sudo without password."""
    return machine.is_root() or machine.run(["sudo", "-n", "true"])[0] == 0


def install_packages(machine: Machine, packages: list[str]) -> None:
    """Install them by apt, as root or by a sudo without password; otherwise say the one line to run."""
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if not machine.has_command("apt-get"):
        raise Failed(
            "needed and not found: what Debian calls " + " ".join(packages) + "; install them as your system does",
            EXIT_USAGE,
        )
    prefix = [] if machine.is_root() else ["sudo", "-n"]
    if not may_install(machine):
        raise Failed(
            f"some packages are missing; run this once, then again what you ran:\n\n  sudo sh -c '{line}'\n", 64
        )
    _say(f"installing {' '.join(packages)} (apt)")
    status, output = machine.run([*prefix, "sh", "-c", f"export DEBIAN_FRONTEND=noninteractive; {line}"])
    if status != 0:
        raise Failed(f"apt could not install {' '.join(packages)}:\n{_tail(output)}")


def _tail(output: str, lines: int = 25) -> str:
    return "\n".join(output.splitlines()[-lines:])


def _wanted_hash() -> str:
    """Changes when the dependencies, or what is compiled, may have changed."""
    sources = [path for room in ("driver", "monitor") for path in sorted((ROOT / room).rglob("*.p[yx][xd]"))]
    files = [ROOT / "setup.cfg", ROOT / "pyproject.toml", *sources]
    contents = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(contents + str(ROOT).encode()).hexdigest()


def _stamp(dev: bool) -> Path:
    return ROOT / ".venv" / ("raftmon-dev.stamp" if dev else "raftmon.stamp")


def is_fresh(dev: bool) -> bool:
    """Whether the environment holds what setup.cfg asks for (one for development holds the rest too)."""
    wanted = _wanted_hash()
    for stamp in {_stamp(True), _stamp(dev)}:
        try:
            if stamp.read_text() == wanted:
                return True
        except OSError:
            continue
    return False


def make_environment(machine: Machine, python: str, dev: bool) -> None:
    """Make .venv where it is missing or broken, and install into it; the stamp is written last."""
    inner = str(ROOT / ".venv" / "bin" / "python")
    if machine.run([inner, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"])[0] != 0:
        _say(f"making .venv with {python}")
        status, output = machine.run([python, "-m", "venv", "--clear", ".venv"])
        if status != 0:
            raise Failed(f"{python} could not make .venv:\n{_tail(output)}")
    for old in (_stamp(False), _stamp(True)):
        old.unlink(missing_ok=True)
    _say("installing the Python packages" + (" and the tools of development" if dev else "") + " into .venv")
    what = ".[dev]" if dev else "."
    status, output = machine.run([inner, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", what])
    if status != 0:
        raise Failed(f"pip could not install raftmon into .venv:\n{_tail(output)}")
    _stamp(dev).write_text(_wanted_hash())
    if machine.is_root() and "SUDO_UID" in os.environ:  # under sudo: the caller must be able to renew or remove it
        machine.run(["chown", "-R", f"{os.environ['SUDO_UID']}:{os.environ.get('SUDO_GID', '')}", ".venv"])


def install_servers(machine: Machine, dev: bool) -> None:
    """The default server; for development all that the tests use. apt's lists are fetched once if they are stale."""
    inner = str(ROOT / ".venv" / "bin" / "python")
    which = "[r.spec for r in servers.RECIPES if r.developed]" if dev else "['etcd']"
    code = (
        "import sys; from raftmon.setup import servers; from raftmon.setup.errors import RaftmonError\n"
        "try:\n"
        f" for spec in {which}: servers.resolve(spec)\n"
        "except RaftmonError as error: sys.exit(str(error))"
    )
    status, output = machine.run([inner, "-c", code])
    if status != 0 and machine.has_command("apt-get"):
        prefix = [] if machine.is_root() else ["sudo", "-n"]
        if machine.run([*prefix, "apt-get", "update", "-q"])[0] == 0:
            status, output = machine.run([inner, "-c", code])
    if status != 0:
        raise Failed(f"no server binary could be fetched: {_tail(output)}")


def install_browser(machine: Machine) -> None:
    """A Chromium for the tests of the pages in the cache, where the system has none: no root is needed."""
    if any(map(machine.has_command, BROWSERS)):
        return
    inner = str(ROOT / ".venv" / "bin" / "python")
    code = (
        "import sys; from raftmon.setup import browsers; from raftmon.setup.errors import RaftmonError\n"
        "try:\n"
        " browsers.browser() or browsers.fetch_browser()\n"
        "except RaftmonError as error: sys.exit(str(error))"
    )
    status, output = machine.run([inner, "-c", code])
    if status != 0:
        raise Failed(f"the tests of the pages need Chromium: {_tail(output)}")


def set_up(machine: Machine, dev: bool, say: Callable[[str], None] = _say) -> None:
    """Do what is missing. Raises Failed."""
    if not is_fresh(dev):
        python, has_headers, has_venv = choose_python(machine)
        packages = missing_packages(machine, python, has_headers, has_venv, dev)
        if "chromium" in packages and not may_install(machine):
            packages.remove("chromium")  # it comes into the cache
        if packages:
            install_packages(machine, packages)
            python, *_ = choose_python(machine)
        make_environment(machine, python, dev)
        say("ready")
    install_servers(machine, dev)
    if dev:
        install_browser(machine)


def main(argv: Sequence[str] | None = None) -> int:
    """Set up; 0, or the status of what failed."""
    parser = argparse.ArgumentParser(description="Set up what raftmon needs on this machine; does nothing twice.")
    parser.add_argument("--dev", action="store_true", help="also what `make test` needs")
    arguments = parser.parse_args(argv)
    try:
        set_up(Machine(), arguments.dev)
    except Failed as error:
        _say(str(error))
        return error.status
    except OSError as error:
        _say(f"{error}; is this checkout yours to write?")
        return EXIT_INTERNAL
    return 0


if __name__ == "__main__":
    sys.exit(main())
