import json
import os
import threading

import pytest

from raftmon.driver.cli import main as raftmon
from raftmon.setup import servers
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.servers import Recipe, install, resolve
from raftmon.setup.unpack import Origin

SCRIPT = "#!/bin/sh\necho etcd Version: {version}\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAFTMON_CACHE", str(tmp_path))
    return tmp_path / "servers"


class Source:
    """Stands in for a registry: counts what is fetched, and can fail half way."""

    def __init__(self, says="9.9.1", error=None):
        self.says, self.error, self.fetched = says, error, 0

    def __call__(self, folder, state=None):
        self.fetched += 1
        (folder / "bin").mkdir()
        (folder / "bin/etcd").write_text(SCRIPT.format(version=self.says))
        if self.error:
            raise self.error
        return Origin("a test's etcd", {"etcd.deb": "00"})


@pytest.fixture
def recipe(monkeypatch, cache):
    def make(*sources):
        made = tuple(
            Recipe("etcd", f"9.9.{number}", source, "bin/etcd", {}, 1, "for a test")
            for number, source in enumerate(sources, start=1)
        )
        monkeypatch.setattr(servers, "RECIPES", made)

    return make


def test_a_server_is_fetched_once_and_then_found(recipe, cache):
    source = Source()
    recipe(source)
    first = resolve("etcd")
    assert resolve("etcd@9.9.1") == resolve("etcd") == first
    assert source.fetched == 1
    assert first.path == cache / "etcd@9.9.1/bin/etcd"
    assert (first.spec, first.origin) == ("etcd@9.9.1", "a test's etcd")
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "etcd@9.9.1"]


def test_a_server_that_is_built_from_our_sources_is_built_again_when_they_change(monkeypatch, cache, tmp_path):
    ours, source = tmp_path / "ours", Source()
    ours.mkdir()
    (ours / "main.go").write_text("package main")
    made = Recipe("etcd", "9.9.1", source, "bin/etcd", {}, 1, "for a test", sources=ours)
    monkeypatch.setattr(servers, "RECIPES", (made,))
    assert resolve("etcd") == resolve("etcd")
    assert source.fetched == 1
    (ours / "main.go").write_text("package main // changed")
    assert servers.available()[0][1] is None
    resolve("etcd")
    assert source.fetched == 2


@pytest.mark.parametrize("damage", ["no stamp", "torn stamp", "short binary", "no binary"])
def test_a_half_done_install_is_detected_and_redone(recipe, cache, damage):
    source = Source()
    recipe(source)
    binary = resolve("etcd").path
    stamp = cache / "etcd@9.9.1/raftmon-server.json"
    {
        "no stamp": stamp.unlink,
        "torn stamp": lambda: stamp.write_text(stamp.read_text()[:20]),
        "short binary": lambda: binary.write_text("#!/bin/sh\n"),
        "no binary": binary.unlink,
    }[damage]()
    assert servers.available()[0][1] is None
    assert resolve("etcd").path.read_text() == SCRIPT.format(version="9.9.1")
    assert source.fetched == 2


def test_what_an_interrupted_install_left_is_removed_by_the_next(recipe, cache):
    source = Source(error=RaftmonError("the network went away"))
    recipe(source)
    (cache / ".new-etcd@9.9.1-dead").mkdir(parents=True)
    with pytest.raises(RaftmonError, match="the network went away"):
        resolve("etcd")
    source.error = None
    resolve("etcd")
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "etcd@9.9.1"]


def test_a_binary_of_another_version_than_promised_is_refused(recipe, cache):
    recipe(Source(says="3.6.0"))
    with pytest.raises(RaftmonError, match=r"is version 3\.6\.0, not 9\.9\.1"):
        install("etcd")
    assert servers.available()[0][1] is None


def test_where_the_default_cannot_be_had_the_next_version_is_taken(recipe):
    recipe(Source(error=RaftmonError("there is no apt-get here")), Source(says="9.9.2"))
    assert resolve("etcd").version == "9.9.2"
    with pytest.raises(RaftmonError, match="no apt-get"):
        resolve("etcd@9.9.1")


def test_where_none_can_be_had_each_reason_is_given(recipe):
    recipe(Source(error=RaftmonError("no apt-get")), Source(error=RaftmonError("no pip")))
    with pytest.raises(RaftmonError, match="no apt-get; no pip"):
        resolve("etcd")


def test_two_at_once_install_once(recipe):
    source = Source()
    recipe(source)
    found = []
    threads = [threading.Thread(target=lambda: found.append(install("etcd"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.fetched == 1
    assert len(found) == 4


@pytest.mark.parametrize("spec", ["zetcd", "etcd@1.0.0", "etcd@", ""])
def test_an_unknown_server_is_refused_with_those_there_are(spec):
    with pytest.raises(InputError, match=r"etcd@3\.4\.23, etcd@3\.5\.1, .*nats@2\.9\.10, .*zookeeper@3\.8\.0"):
        resolve(spec)


def test_a_path_names_a_binary_whose_version_is_asked(tmp_path):
    path = tmp_path / "etcd-next"
    path.write_text(SCRIPT.format(version="3.7.0"))
    with pytest.raises(InputError, match="not executable"):
        resolve(str(path))
    path.chmod(0o755)
    binary = resolve(str(path))
    assert (binary.system, binary.version, binary.path) == ("etcd", "3.7.0", path)


def test_a_path_without_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no server binary /nonexistent/etcd"):
        resolve("/nonexistent/etcd")
    with pytest.raises(InputError, match="no server binary"):
        resolve(f"{tmp_path}/")


def test_a_cache_that_cannot_be_written_says_how_to_choose_another(recipe, monkeypatch):
    recipe(Source())
    monkeypatch.setenv("RAFTMON_CACHE", "/proc/nowhere")
    with pytest.raises(RaftmonError, match=r"/proc/nowhere/servers.*RAFTMON_CACHE"):
        resolve("etcd")


def test_the_cache_is_the_checkouts_unless_that_is_another_users(monkeypatch, tmp_path):
    monkeypatch.delenv("RAFTMON_CACHE", raising=False)
    monkeypatch.setattr(servers, "_CHECKOUT", tmp_path)
    (tmp_path / "setup.cfg").touch()
    assert servers.cache_folder() == tmp_path / ".cache/raftmon/servers"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/u/.cache")
    assert str(servers.cache_folder()) == "/home/u/.cache/raftmon/servers"


def test_a_server_in_a_checkout_that_another_user_filled_is_found(recipe, monkeypatch, tmp_path):
    recipe(Source())
    monkeypatch.setenv("RAFTMON_CACHE", str(tmp_path / "checkout/.cache/raftmon"))
    there = resolve("etcd")
    monkeypatch.delenv("RAFTMON_CACHE")
    monkeypatch.setattr(servers, "_CHECKOUT", tmp_path / "checkout")  # no setup.cfg: not one to write to
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert resolve("etcd") == there


def test_the_command_lists_and_installs(recipe, capsys):
    recipe(Source())
    assert raftmon(["servers"]) == 0
    assert "not installed (1 MB): raftmon servers install etcd@9.9.1" in capsys.readouterr().out
    assert raftmon(["servers", "install", "etcd"]) == 0
    capsys.readouterr()
    assert raftmon(["servers", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["installed"]
    assert entry["spec"] == "etcd@9.9.1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["servers", "install"], "install what?"),
        (["servers", "install", "etcd@0"], "there is no server 'etcd@0'"),
        (["servers", "list", "etcd"], "did you mean `raftmon servers install`?"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_64(words, sentence, capsys):
    assert raftmon(words) == 64
    assert sentence in capsys.readouterr().err


@pytest.mark.servers
@pytest.mark.parametrize("spec", ["etcd@3.4.23", "etcd@3.5.1", "nats@2.9.10", "zookeeper@3.8.0"])
def test_every_known_server_is_there_and_says_its_version(spec):
    binary = resolve(spec)
    assert binary.spec == spec
    assert servers._asked_version(binary.path) == binary.version
    assert all(os.access(tool, os.X_OK) for tool in binary.tools.values())
