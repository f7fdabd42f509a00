"""Formats are recognised, written and read back."""

import gzip
import random

import pytest

from raftmon.driver.histories.formats import FORMATS, detect, read_history
from raftmon.driver.histories.model import History
from raftmon.driver.histories.writers import write_history
from raftmon.setup.errors import InputError
from tests import shared
from tests.driver.histories.synthetic import register_deeds, simulate


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'{"process":0}\n', "jsonl"),
        (b'\xef\xbb\xbf\n{"process":0}', "jsonl"),
        (b"{:process 0, :f :read}", "edn"),
        (b"; remark\n[{:process 0}", "edn"),
        (b"#jepsen.history.Op{:index 0}", "edn"),
        (b'{:process 0, :type :invoke, :f :append, :key "0"}', "append-kv"),
        (b"INFO  jepsen.util - 0\t:invoke\t:read\tnil", "jepsen-log"),
        (b"0\t:invoke\t:read\tnil", "jepsen-log"),
        (b"", "jsonl"),
    ],
)
def test_a_format_is_recognised_by_how_a_file_begins(head, name):
    assert detect(head) == name


def made(seed, **options):
    deeds = register_deeds(2, **options)
    return simulate(deeds, {}, 150, 4, random.Random(seed), indefinite=0.1, latency_ns=10**6)


def essence(history):
    """What every format with times keeps."""
    return sorted(
        ((o.process, o.f, repr(o.key), repr(o.value), o.call_ns, o.return_ns, o.outcome.value) for o in history),
        key=repr,
    )


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "edn", "edn.gz"])
@pytest.mark.parametrize("seed", range(3))
def test_a_history_comes_back_as_it_was_written(ending, seed, tmp_path):
    history = made(seed)
    write_history(history, tmp_path / f"h.{ending}")
    again = read_history(tmp_path / f"h.{ending}")
    assert again.problems == []
    assert essence(again) == essence(history)
    assert [o.seen for o in again if o.has_seen] == [o.seen for o in history if o.has_seen]


def test_a_text_log_keeps_order_and_answers(tmp_path):
    history = made(1, cas=0)
    for operation in history:
        operation.key = None
    write_history(history, tmp_path / "h.log")
    again = read_history(tmp_path / "h.log")
    kept = [(o.f, repr(o.value), o.outcome) for o in again]
    assert kept == [(o.f, repr(o.value), o.outcome) for o in history]
    assert again.meta.ordered_only


def test_everything_a_json_line_says_is_kept(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_text(
        '{"index":4,"time_ns":1,"process":2,"type":"invoke","f":"cas","key":"k","value":[1,2],"node":"n1","host":"c1"}\n'
        '{"index":6,"time_ns":3,"process":2,"type":"fail","f":"cas","key":"k","value":[1,2],"seen":null,"error":"no",'
        '"revision":9}\n'
    )
    (operation,) = read_history(path)
    assert (operation.index, operation.node, operation.host) == (4, "n1", "c1")
    assert (operation.seen, operation.has_seen, operation.error) == (None, True, "no")
    assert operation.extra == {"revision": 9}


def test_a_runs_folder_is_read_with_its_configuration(tmp_path):
    write_history(made(1), tmp_path / "history.jsonl")
    (tmp_path / "config.json").write_text('{"config": {"workload": "register"}}')
    history = read_history(tmp_path)
    assert history.meta.folder == tmp_path
    assert history.meta.config == {"config": {"workload": "register"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"no history at all\n", "nothing in it is an event"),
        (b"\x00\xff" * 50, "is UTF-16 or UTF-32"),
    ],
)
def test_what_is_no_history_is_bad_input(tmp_path, content, words):
    path = tmp_path / "h.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_history(path)


def test_a_folder_without_a_history_is_bad_input(tmp_path):
    with pytest.raises(InputError, match=r"holds no history\.jsonl"):
        read_history(tmp_path)


def test_a_format_that_is_not_there_is_bad_input(tmp_path):
    (tmp_path / "h.jsonl").write_text("")
    with pytest.raises(InputError, match="unknown format 'yaml'"):
        read_history(tmp_path / "h.jsonl", "yaml")
    with pytest.raises(InputError, match="tells no format"):
        write_history(History([]), tmp_path / "h.yaml")
    with pytest.raises(InputError, match="cannot be written"):
        write_history(History([]), tmp_path / "missing" / "h.edn")


def test_a_gzip_file_is_known_by_its_bytes_and_not_its_name(tmp_path):
    write_history(made(2), tmp_path / "h.jsonl")
    (tmp_path / "odd.name").write_bytes(gzip.compress((tmp_path / "h.jsonl").read_bytes()))
    assert len(read_history(tmp_path / "odd.name")) == 150


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_an_empty_file(name, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    history = read_history(tmp_path / "empty", name)
    assert len(history) == 0
    assert "empty" in history.problems[0].sentence


SHARED = shared.SHARED / "histories"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not on this machine")
@pytest.mark.parametrize("path", sorted(SHARED.glob("*/*.[lt][ox]*")), ids=lambda path: path.name)
def test_shared_histories_have_nothing_wrong_with_them(path):
    history = read_history(path)
    assert history.problems == []
    assert len(history) > 10
