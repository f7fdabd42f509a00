"""A run's linearization page, made when it is asked for by ``raftmon check --html`` in a process of its own."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from pathlib import Path

from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.python import end_with_parent, module_command

__all__ = ["linearization_page"]

_CHECK_S, _LONGEST_S = 20, 120.0
_ONE = threading.Lock()


def linearization_page(folder: RunFolder) -> str:
    """The page. Raises InputError with what the check said if there is none to draw, or it takes too long."""
    with _ONE, tempfile.TemporaryDirectory(prefix="raftmon-serve-") as made:
        target = Path(made) / "page.html"
        command = module_command(
            "raftmon.driver.cli", "check", str(folder.path), "--html", str(target), "--timeout", str(_CHECK_S)
        )
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_LONGEST_S, check=False, preexec_fn=end_with_parent
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"the check took longer than {_LONGEST_S:g} s: run raftmon check {folder.path}") from error
        if not target.is_file():
            said = " ".join(done.stderr.split())[-400:] or f"raftmon check ended with {done.returncode}"
            raise InputError(f"there is no linearization to draw: {said}")
        return target.read_text(encoding="utf-8")
