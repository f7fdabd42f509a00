"""Files that still import raftmon by the names it had are told the new ones, wherever they are loaded."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from raftmon.adapters.systems import system
from raftmon.driver.checkers.checkers import checker
from raftmon.monitor.rules.scripts import Scripts
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import PUBLIC_OF_OLD, import_advice


@pytest.mark.parametrize(
    ("load", "line", "public"),
    [
        (lambda path: Scripts([path]), "from monitor.api import drop", "raftmon.rules"),
        (lambda path: Scripts([path]), "import monitor.rules", "raftmon.rules"),
        (lambda path: system(str(path)), "from adapters.base import Definite", "raftmon.systems"),
        (lambda path: system(str(path)), "from setup.topology import Host", "raftmon.systems"),
        (lambda path: checker(f"{path}:Mine"), "from driver.checkers import Result", "raftmon.checkers"),
    ],
)
@pytest.mark.parametrize("shadowed", [False, True])
def test_an_old_import_is_answered_with_the_new_one(load, line, public, shadowed, tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text(line + "\n")
    old = line.split()[1].split(".")[0]
    if shadowed:  # a file of the user's with that name: what it lacks is what failed
        (tmp_path / f"{old}.py").write_text("")
    # without the checkout, whose folders have these names
    monkeypatch.setattr(
        sys, "path", [str(tmp_path), *(p for p in sys.path if not Path(p or ".", "setup.cfg").exists())]
    )
    for name in [name for name in sys.modules if name.split(".")[0] == old]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    with pytest.raises(InputError) as refused:
        load(file)
    assert f"is called raftmon.{old} today: import what you need from {public} " in str(refused.value)


def test_other_failures_are_not_explained_away():
    assert import_advice(ModuleNotFoundError("no numpy", name="numpy")) is None
    assert import_advice(ImportError("nameless")) is None
    assert import_advice(ValueError("driver")) is None


def test_the_modules_that_are_named_are_there():
    for words in PUBLIC_OF_OLD.values():
        for word in words.split():
            if word.startswith("raftmon."):
                assert importlib.import_module(word).__all__


def test_pytest_tells_a_test_file_the_new_import(tmp_path):
    (tmp_path / "test_mine.py").write_text("from driver.fixtures import eventually\n")
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "is called raftmon.driver today" in ended.stdout
    assert "raftmon.testing" in ended.stdout


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [("raftmon.codecs", "Operation", "LoggedOperation"), ("raftmon.workloads", "Told", "OperationResult")],
)
def test_an_old_name_of_a_public_module_is_answered_with_the_new_one(module, old, new, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"from {module} import {old}\n")
    with pytest.raises(InputError, match=f"{old} is called {new} today: from {module} import {new}"):
        system(str(file))
    assert new in importlib.import_module(module).__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module(module).nothing  # noqa: B018
