"""Other suites of Debian: which archive is asked, and that nothing of the machine's own state is touched."""

import pytest

from raftmon.setup import suites
from raftmon.setup.errors import RaftmonError
from raftmon.setup.suites import Suite, debian_archive


def test_the_archive_is_the_one_the_machine_uses_and_never_the_security_one():
    rows = [
        ["Ubuntu", "Ubuntu", "main", "http://somewhere/ubuntu/"],
        ["Debian", "Debian-Security", "main", "http://mirror/debian-security/"],
        ["Debian", "Debian", "contrib", "http://mirror/other/"],
        ["Debian", "Debian", "main", "http://mirror/debian/"],
    ]
    assert debian_archive(rows) == "http://mirror/debian/"
    assert debian_archive(rows[:3]) is None
    assert debian_archive([["Debian"]]) is None


def test_every_path_that_apt_writes_to_is_in_the_cache(tmp_path):
    options = dict(option.removeprefix("-o").split("=", 1) for option in Suite("sid", tmp_path).options)
    assert options["Dir::State::Lists"] == str(tmp_path / "sid" / "lists")
    assert options["Dir::Cache"] == str(tmp_path / "sid" / "cache")
    assert options["Dir::Etc::sourceparts"] == "/dev/null"


def test_lists_are_fetched_once_a_day_and_a_failure_leaves_none_for_fresh(tmp_path, monkeypatch):
    calls = []

    class Done:
        returncode, stdout, stderr = 0, "", "E: no network"

    def run(command, **_):
        calls.append(command)
        return Done

    monkeypatch.setattr(suites.subprocess, "run", run)
    monkeypatch.setattr(suites, "archive", lambda: "http://mirror/debian/")
    Done.returncode = 100
    with pytest.raises(RaftmonError, match="no network"):
        Suite("trixie", tmp_path).update()
    Done.returncode = 0
    Suite("trixie", tmp_path).update()
    Suite("trixie", tmp_path).update()
    assert len(calls) == 2
    assert "Suites: trixie\n" in (tmp_path / "trixie" / "suite.sources").read_text()


@pytest.mark.parametrize("name", ["", "../x", "sid main", "a"])
def test_what_is_no_suite_is_refused(name, tmp_path):
    with pytest.raises(RaftmonError, match="no name of a Debian suite"):
        Suite(name, tmp_path)
