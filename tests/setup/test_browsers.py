"""Chromium from the cache: a launcher that gives it its own libraries and fonts; what apt says is what is fetched."""

import subprocess

import pytest

from raftmon.setup import browsers
from raftmon.setup.browsers import browser, launcher, would_install
from raftmon.setup.errors import RaftmonError
from raftmon.setup.suites import Suite


def test_the_systems_browser_comes_first_and_the_cached_one_else(tmp_path, monkeypatch):
    monkeypatch.setenv("RAFTMON_CACHE", str(tmp_path))
    monkeypatch.setattr(browsers.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "google-chrome" else None)
    assert browser() == "/usr/bin/google-chrome"
    monkeypatch.setattr(browsers.shutil, "which", lambda _name: None)
    assert browser() is None
    (tmp_path / "chromium").mkdir()
    (tmp_path / "chromium" / "chromium").touch()
    assert browser() == str(tmp_path / "chromium" / "chromium")


def test_the_launcher_starts_the_unpacked_browser_with_its_libraries_wherever_the_cache_is(tmp_path):
    folder = tmp_path / "a cache's folder"
    inner = folder / "usr" / "lib" / "chromium" / "chromium"
    inner.parent.mkdir(parents=True)
    inner.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH|$FONTCONFIG_FILE|$1"\n')
    inner.chmod(0o755)
    launcher(folder, folder)
    said = subprocess.run([folder / "chromium", "--x y"], capture_output=True, text=True, check=True).stdout.strip()
    libraries, fonts, argument = said.split("|")
    assert libraries.split(":")[0].startswith(f"{folder}/usr/lib/")
    assert fonts == f"{folder}/fonts.conf"
    assert argument == "--x y"


def test_what_apt_would_install_is_read_from_its_own_words(tmp_path, monkeypatch):
    said = (
        "Reading...\nInst libnss3 (2:3.87 Debian:12/stable [amd64])\nInst chromium (1 x [amd64]) []\nConf libnss3 (x)\n"
    )
    answer = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(browsers.subprocess, "run", lambda *_args, **_more: answer)
    assert would_install(Suite("bookworm", tmp_path), tmp_path / "status") == ["libnss3", "chromium"]
    answer.returncode, answer.stderr = 100, "E: Unable to locate package"
    with pytest.raises(RaftmonError, match="Unable to locate package"):
        would_install(Suite("bookworm", tmp_path), tmp_path / "status")
