"""docs/architecture.md draws the tree that is there, docs/api.md lists what the public modules offer."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("monitor", "adapters", "driver", "setup", "examples")
PUBLIC = sorted(file.stem for file in (ROOT / "raftmon").glob("*.py") if file.stem != "__init__")


def drawn_tree() -> list[str]:
    """The folders that docs/architecture.md draws, each with its parents: ``monitor/raft/codecs``."""
    text = (ROOT / "docs" / "architecture.md").read_text().split("## The tree\n")[1].split("\n## ")[0]
    found: list[str] = []
    above: list[str] = []
    for indent, name in re.findall(r"^    ( *)([a-z_]+)/ ", text, re.MULTILINE):
        above = [*above[: len(indent) // 2], name]
        found.append("/".join(above))
    return found


def test_the_tree_in_the_docs_is_the_tree_that_is_there():
    there = {"raftmon", *ROOMS}
    for room in ROOMS:
        for file in (ROOT / room).rglob("*"):
            if file.suffix in (".py", ".go") and "__pycache__" not in file.parts:
                there.add(str(file.parent.relative_to(ROOT)))
    drawn = drawn_tree()
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == there, "docs/architecture.md, section 'The tree': add or take away these folders"


def test_the_package_holds_a_link_to_each_room_and_its_public_modules_alone():
    entries = {entry.name: entry for entry in (ROOT / "raftmon").iterdir() if entry.name != "__pycache__"}
    assert set(entries) == {*ROOMS, "__init__.py", *(f"{name}.py" for name in PUBLIC)}
    if (ROOT / "raftmon" / "monitor").is_symlink():  # an unpacked sdist holds the folders themselves
        for room in ROOMS:
            assert entries[room].resolve() == ROOT / room
    text = importlib.import_module("raftmon").__doc__
    assert text is not None
    assert [name for name in PUBLIC if f"raftmon.{name}" not in text] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_docs(name: str):
    text = (ROOT / "docs" / "api.md").read_text().split(f"## raftmon.{name}\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| .", text, re.MULTILINE)
    offered = importlib.import_module(f"raftmon.{name}").__all__
    assert len(offered) == len(set(offered))
    assert sorted(listed) == sorted(offered), f"docs/api.md, section raftmon.{name}, and its __all__ differ"


def test_a_module_does_one_job():
    """Past 300 lines there are two jobs in a module."""
    sizes = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > 300} == {}


def test_nothing_imports_a_room_by_another_name_than_raftmon():
    wrong = []
    for room in (*ROOMS, "tests", "raftmon"):
        for file in (ROOT / room).rglob("*.py"):
            if file.resolve().is_relative_to(ROOT / room):
                wrong += [f"{file}:{line}" for line, top in _imports(file) if top in (*ROOMS, "scripts")]
    assert wrong == []
    pattern = re.compile(r"^\s*(from|import) (monitor|driver|adapters|setup)\b", re.MULTILINE)
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    assert [page.name for page in pages if pattern.search(page.read_text())] == []


def _imports(file: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.split(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append((node.lineno, node.module.split(".")[0]))
    return found
