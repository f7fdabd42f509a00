import pytest

from raftmon.adapters.etcd import EtcdAdapter
from raftmon.adapters.hooks import nodes_needed
from raftmon.adapters.systems import SYSTEMS, system, system_names
from raftmon.setup.errors import InputError

MINE = """
class Mine:
    name = "mine"
    def __init__(self, options=None): self.options = options
    def command(self, node, topology, folder): ...
    def ready(self, node, topology, timeout_s): ...
    def connect(self, node, timeout_s): ...
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "mine.py").write_text(text)
        return str(tmp_path / "mine.py")

    return write


def test_every_built_in_system_can_be_made():
    for name in SYSTEMS:
        assert system(name).name
    assert isinstance(system("etcd-no-pre-vote"), EtcdAdapter)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(InputError, match=r"available: etcd, etcd-pre-vote, .*\.py file"):
        system("consul")


def test_a_class_in_a_file_is_a_system_and_gets_its_options(file):
    assert system(file(MINE), {"a": 1}).options == {"a": 1}


def test_a_class_without_options_is_made_without_and_refuses_some(file):
    text = MINE.replace("def __init__(self, options=None): self.options = options", "pass")
    assert system(file(text)).name == "mine"
    with pytest.raises(InputError, match="takes no options"):
        system(file(text), {"a": 1})


def test_of_several_classes_the_file_names_one(file):
    two = MINE + MINE.replace("Mine", "Other").replace('"mine"', '"other"')
    with pytest.raises(InputError, match="Mine, Other"):
        system(file(two))
    assert system(file(two + "ADAPTER = Other\n")).name == "other"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "must define one class"),
        ("def", "fails when it is loaded: SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        (MINE.replace('name = "mine"', ""), "lacks name"),
        (MINE.replace("self.options = options", "1 / 0"), "could not be made: ZeroDivisionError"),
        (MINE + "class ADAPTER: pass", "lacks command"),
    ],
)
def test_a_file_that_will_not_do_is_told_why(file, text, words):
    with pytest.raises(InputError, match=words):
        system(file(text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no file .*gone\.py"):
        system(str(tmp_path / "gone.py"))


def test_a_system_from_an_entry_point_is_found(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(MINE)
    info = tmp_path / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[raftmon.systems]\ntheirs = theirs:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "theirs" in system_names()
    assert system("theirs").name == "mine"


def test_only_systems_without_nodes_say_so():
    assert [name for name in SYSTEMS if not nodes_needed(system(name))] == ["memory", "nothing"]
