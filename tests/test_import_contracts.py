"""The contracts of setup.cfg see a circle, and an import that goes up, when one is planted in a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The import package as plain folders, and the contracts."""
    folder = tmp_path_factory.mktemp("contracts")
    for room in ("driver", "adapters", "monitor", "setup"):
        shutil.copytree(ROOT / room, folder / "raftmon" / room, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "raftmon" / "__init__.py", folder / "raftmon")
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def checked(copy: Path, contract: str) -> tuple[int, str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    options = ["--config", "setup.cfg", "--no-cache", "--no-logo", "--contract", contract]
    environment = {**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", command, *options],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def planted(copy: Path, contract: str, module: str, imported: str) -> tuple[int, str]:
    """What the contract says while ``module`` imports ``imported``."""
    file = copy / module
    before = file.read_text()
    try:
        file.write_text(f"{before}\nimport {imported}\n")
        return checked(copy, contract)
    finally:
        file.write_text(before)


@pytest.mark.parametrize("contract", ["monitor-rooms", "monitor-circles", "driver-rooms", "driver-circles"])
def test_the_copy_keeps_the_contract(copy, contract):
    status, text = checked(copy, contract)
    assert status == 0, text
    assert "1 kept, 0 broken" in text


@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        ("monitor-rooms", "raftmon.monitor.packets.checksums", "raftmon.monitor.rules.rule"),
        ("driver-rooms", "raftmon.driver.faults.schedule", "raftmon.driver.run.config"),
    ],
)
def test_an_import_from_a_lower_room_breaks_the_layers(copy, contract, module, imported):
    status, text = planted(copy, contract, f"{module.replace('.', '/')}.py", imported)
    assert status != 0
    assert "0 kept, 1 broken" in text
    assert f"{module} -> {imported}" in text


@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        ("monitor-circles", "raftmon/monitor/rules/rule.py", "raftmon.monitor.rules.serialization"),
        ("monitor-circles", "raftmon/monitor/rules/language/cursor.py", "raftmon.monitor.rules.language.grammar"),
        ("monitor-circles", "raftmon/monitor/raft/message.py", "raftmon.monitor.raft.tracker"),
        ("driver-circles", "raftmon/driver/reproduce/scenario.py", "raftmon.driver.reproduce.loading"),
        ("driver-circles", "raftmon/driver/quantities.py", "raftmon.driver.run.config"),
    ],
)
def test_a_circle_inside_a_room_breaks_the_contract(copy, contract, module, imported):
    status, text = planted(copy, contract, module, imported)
    assert status != 0, text
    assert "0 kept, 1 broken" in text
