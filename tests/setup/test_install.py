import pytest

from raftmon.setup import install
from raftmon.setup.install import Failed, choose_python, install_packages, main, missing_packages, set_up


class FakeMachine:
    """Answers by the first words of a command; notes what was run."""

    def __init__(self, *, commands=("gcc", "iptables-restore", "apt-get"), files=True, root=False, answers=None):
        self.commands, self.files, self.root = commands, files, root
        self.answers = answers or {}
        self.ran = []

    def run(self, command, *, quiet=True):
        line = " ".join(command)
        self.ran.append(line)
        for start, answer in self.answers.items():
            if line.startswith(start):
                return answer.pop(0) if isinstance(answer, list) else answer
        return 0, "1 1 1\n"

    def has_file(self, path):
        return self.files

    def has_command(self, name):
        return name in self.commands

    def is_root(self):
        return self.root


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "setup.cfg").write_text("[metadata]\n")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(install, "ROOT", tmp_path)
    return tmp_path


def test_a_python_that_the_caller_cannot_use_is_passed_over():
    machine = FakeMachine(answers={"/usr/bin/python3": (126, "Permission denied"), "python3 ": (0, "0 1 1")})
    assert choose_python(machine)[0] == "python3.13"


def test_no_usable_python_is_the_users_to_change():
    with pytest.raises(Failed, match=r"Python 3\.11 or newer") as caught:
        choose_python(FakeMachine(answers={"": (127, "")}))
    assert caught.value.status == 64


def test_packages_are_judged_by_what_they_bring():
    everything_there = FakeMachine()
    assert missing_packages(everything_there, "/usr/bin/python3", True, True) == []
    bare = FakeMachine(commands=(), files=False)
    assert missing_packages(bare, "/usr/bin/python3", True, True, dev=True)[-3:] == ["tshark", "tcpdump", "chromium"]
    assert missing_packages(bare, "/usr/bin/python3", False, False) == [
        "gcc", "libc6-dev", "python3-dev", "python3-venv", "libnetfilter-queue-dev", "iptables", "libfuse3-3",
    ]  # fmt: skip
    assert missing_packages(everything_there, "python3.12", False, True) == ["python3.12-dev"]


def test_root_and_sudo_install_by_apt():
    root = FakeMachine(root=True)
    install_packages(root, ["gcc"])
    assert root.ran[-1].startswith("sh -c export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get install -y")
    user = FakeMachine()
    install_packages(user, ["gcc"])
    assert user.ran[0] == "sudo -n true"
    assert user.ran[1].startswith("sudo -n sh -c")


def test_without_sudo_the_one_line_to_run_is_said():
    user = FakeMachine(answers={"sudo": (1, "a password is required")})
    with pytest.raises(Failed, match=r"sudo sh -c 'apt-get update && apt-get install .* gcc iptables'") as caught:
        install_packages(user, ["gcc", "iptables"])
    assert caught.value.status == 64
    assert user.ran == ["sudo -n true"]


def test_without_apt_the_needed_things_are_named():
    with pytest.raises(Failed, match="what Debian calls gcc"):
        install_packages(FakeMachine(commands=()), ["gcc"])


def test_a_second_time_nothing_is_installed(checkout):
    machine = FakeMachine()
    set_up(machine, dev=False, say=lambda words: None)
    assert any("pip install" in line for line in machine.ran)
    machine.ran.clear()
    set_up(machine, dev=False, say=lambda words: None)
    assert len(machine.ran) == 1
    assert "servers.resolve" in machine.ran[0]


def test_a_changed_setup_cfg_installs_again_and_dev_holds_the_rest(checkout):
    set_up(FakeMachine(), dev=True, say=lambda words: None)
    assert install.is_fresh(dev=True)
    assert install.is_fresh(dev=False)
    (checkout / "setup.cfg").write_text("[metadata]\nname = other\n")
    assert not install.is_fresh(dev=False)


def test_a_failed_pip_leaves_no_stamp_and_shows_its_end(checkout):
    pip = f"{checkout}/.venv/bin/python -m pip"
    set_up(FakeMachine(), dev=False, say=lambda words: None)
    (checkout / "setup.cfg").write_text("changed")
    with pytest.raises(Failed, match="no such package"):
        set_up(FakeMachine(answers={pip: (1, "ERROR: no such package")}), dev=False, say=lambda words: None)
    assert not install.is_fresh(dev=False)
    assert list((checkout / ".venv").glob("*.stamp")) == []


def test_a_broken_environment_is_made_anew(checkout):
    machine = FakeMachine(answers={f"{checkout}/.venv/bin/python -c import pip": (127, "")})
    set_up(machine, dev=False, say=lambda words: None)
    assert "/usr/bin/python3 -m venv --clear .venv" in machine.ran


def test_under_sudo_the_environment_is_the_callers(checkout, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1001")
    root = FakeMachine(root=True)
    set_up(root, dev=False, say=lambda words: None)
    assert "chown -R 1000:1001 .venv" in root.ran
    user = FakeMachine()
    (checkout / "setup.cfg").write_text("changed")
    set_up(user, dev=False, say=lambda words: None)
    assert not any(line.startswith("chown") for line in user.ran)


def test_stale_package_lists_are_fetched_once_and_the_server_tried_again(checkout):
    code = f"{checkout}/.venv/bin/python -c import sys; from raftmon.setup import servers"
    machine = FakeMachine(root=True, answers={code: [(1, "404"), (0, "")]})
    set_up(machine, dev=False, say=lambda words: None)
    assert "apt-get update -q" in machine.ran
    broken = FakeMachine(answers={code: (1, "apt knows no package"), "sudo": (1, "")})
    with pytest.raises(Failed, match="no server binary could be fetched: apt knows no package"):
        set_up(broken, dev=False, say=lambda words: None)


def test_the_script_ends_with_the_failures_status_and_words(monkeypatch, capsys):
    def fails(machine, dev):
        raise Failed("run this once", 64)

    monkeypatch.setattr(install, "set_up", fails)
    assert main([]) == 64
    assert capsys.readouterr().err == "setup: run this once\n"


def test_without_root_chromium_comes_into_the_cache_and_is_no_reason_to_stop(checkout):
    everything = ("gcc", "iptables-restore", "apt-get", "tshark", "tcpdump")
    user = FakeMachine(commands=everything, answers={"sudo": (1, "a password is required")})
    set_up(user, dev=True, say=lambda words: None)
    assert "browsers.fetch_browser" in user.ran[-1]
    assert not any("apt-get install" in line for line in user.ran)
    user = FakeMachine(commands=(*everything, "google-chrome"))
    set_up(user, dev=True, say=lambda words: None)
    assert not any("browsers" in line for line in user.ran)


def test_a_browser_that_cannot_be_had_is_said(checkout):
    code = f"{checkout}/.venv/bin/python -c import sys; from raftmon.setup import browsers"
    with pytest.raises(Failed, match="tests of the pages need Chromium: apt cannot say"):
        set_up(FakeMachine(answers={code: (1, "apt cannot say")}), dev=True, say=lambda words: None)
