"""How a kind of thing is looked up: built in, installed, from a file."""

from __future__ import annotations

import sys

import pytest

from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line, is_file

KINDS = Kinds("toy", "raftmon.toys", lambda name, thing: thing, lambda thing: isinstance(thing, int), "TOY", "number")
BUILTIN = {"ball": 1, "kite": 2}


def install(folder, monkeypatch, text: str, points: str) -> None:
    monkeypatch.delitem(sys.modules, "raftmon_toys", raising=False)
    (folder / "raftmon_toys.py").write_text(text)
    info = folder / "raftmon_toys-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: raftmon-toys\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[raftmon.toys]\n{points}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_installed_ones_are_found_behind_those_built_in(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "DRUM = 3\nBALL = 4\n", "drum = raftmon_toys:DRUM\nball = raftmon_toys:BALL")
    assert KINDS.names(BUILTIN) == ["ball", "kite", "drum"]
    assert KINDS.rows(BUILTIN) == {"ball": 1, "kite": 2, "drum": 3}


def test_one_that_cannot_be_loaded_names_its_package(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "import no_such_module\n", "drum = raftmon_toys:DRUM")
    with pytest.raises(InputError, match="the toy drum of the package raftmon-toys cannot be loaded: ModuleNotFound"):
        KINDS.rows(BUILTIN)


def test_an_unknown_name_is_told_with_what_was_meant_and_what_there_is():
    with pytest.raises(InputError) as told:
        KINDS.find("bal", BUILTIN)
    assert str(told.value) == "unknown toy 'bal': did you mean ball? (available: ball, kite, or FILE.py)"


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("DRUM = 3\n", "", 3),
        ("DRUM = 3\nHORN = 4\n", ":HORN", 4),
        ("DRUM = 3\nHORN = 4\nTOY = HORN\n", "", 4),
        ("DRUM = 3\n_HORN = 4\n", "", 3),
    ],
)
def test_a_file_gives_the_one_it_defines_or_the_one_that_is_named(tmp_path, text, name, found):
    (tmp_path / "mine.py").write_text(text)
    assert KINDS.find(f"{tmp_path}/mine.py{name}", BUILTIN) == found


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "", "must define one number"),
        ("DRUM = 3\nHORN = 4\n", "", r"found: DRUM, HORN\).*set TOY = one"),
        ("DRUM = 3\n", ":HORN", "has nothing named 'HORN'"),
        ("1 / 0\n", "", "fails when it is loaded: ZeroDivisionError"),
    ],
)
def test_a_file_that_will_not_do_is_told_why(tmp_path, text, name, words):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InputError, match=words):
        KINDS.find(f"{tmp_path}/mine.py{name}", BUILTIN)


def test_what_is_a_file_and_what_a_name_with_options():
    assert [is_file(name) for name in ("a.py", "a/b.py:C", "queue:order=any", "wan:tokyo")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_first_line_of_a_docstring_is_a_summary():
    assert first_line(first_line) == "The first line of a docstring, as a summary; empty if there is none"
