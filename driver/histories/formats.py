"""Registry of formats: how one is recognised, and ``read_history``."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import orjson

from raftmon.driver.histories.csv_table import is_table, read_csv
from raftmon.driver.histories.encodings import open_packed, text_of, utf8_of
from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jepsen import read_edn, read_text_log
from raftmon.driver.histories.json_array import read_json_array
from raftmon.driver.histories.jsonl import read_jsonl
from raftmon.driver.histories.model import History, Meta
from raftmon.driver.histories.pairing import pair
from raftmon.driver.histories.porcupine import is_porcupine, read_porcupine
from raftmon.driver.histories.robustness import is_robustness_report, read_robustness
from raftmon.setup.errors import InputError

__all__ = ["FORMATS", "Format", "Reading", "detect", "is_history_folder", "read_history"]

_HEAD_BYTES = 65536
_JSON_ARRAY = re.compile(r"\[\s*\{\s*\"")
_GO_SOURCE = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*package\s+\w+\s*\n", re.DOTALL)
_OF_A_RUN = ("history.jsonl", "history.jsonl.gz", "config.json")
_OF_JEPSEN = {"results.edn", "test.jepsen", "test.fressian"}
_IN_A_FOLDER = ("history.jsonl", "history.jsonl.gz", "history.edn", "history.json", "history.txt")


class Format(NamedTuple):
    """One kind of file: how to read it and what it is, in a line."""

    read: Callable[[BinaryIO], Events]
    summary: str


def _bytes(read: Callable[[bytes], Events]) -> Callable[[BinaryIO], Events]:
    return lambda file: read(utf8_of(file.read()))


def _text(read: Callable[[str], Events]) -> Callable[[BinaryIO], Events]:
    return lambda file: read(text_of(file.read()))


FORMATS: dict[str, Format] = {
    "jsonl": Format(read_jsonl, "raftmon's own: one JSON event a line"),
    "json": Format(read_json_array, "one JSON array of events"),
    "edn": Format(_bytes(read_edn), "Jepsen's history.edn, Knossos' histories: EDN maps, one a line or in a vector"),
    "jepsen-log": Format(_text(read_text_log), "Jepsen's text log or history.txt"),
    "csv": Format(_text(read_csv), "a table of events or operations with a header (process, type, f, value, …)"),
    "porcupine": Format(_text(read_porcupine), "Porcupine's visualisation (HTML, or the JSON in it) or operations"),
    "append-kv": Format(_bytes(read_edn), "Porcupine's key-value files: EDN maps with get, put and append"),
}


def detect(head: bytes) -> str:
    """The name of the format of a file that begins with ``head``; ``jsonl`` where nothing tells."""
    text = text_of(head).lstrip("\ufeff \t\r\n,")
    if is_porcupine(text):
        return "porcupine"
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(";")), "")
    start = first.lstrip()
    if start.startswith('{"') or start in ("{", "{}"):
        return "jsonl"
    if _JSON_ARRAY.match(text):
        return "json"
    if start[:1] in ("{", "[", "(", "#"):
        return "append-kv" if ":f :append" in text else "edn"
    if is_table(start):
        return "csv"
    if any(word in text for word in (":invoke", ":ok", ":fail", ":info", "jepsen.util")):
        return "jepsen-log"
    return "jsonl"


def is_history_folder(path: Path) -> bool:
    """Whether a folder is one history: a run, one of Jepsen's store, or a report of etcd's robustness tests."""
    if is_robustness_report(path) or any((path / name).exists() for name in _OF_A_RUN):
        return True
    names = {one.name for one in path.iterdir()}
    known = any(name in names for name in _IN_A_FOLDER)
    return known and (bool(names & _OF_JEPSEN) or all(name.startswith("history.") for name in names))


@dataclass(slots=True)
class Reading:
    """How far a file has been read; for whoever shows it while it is."""

    size: int = 0
    done: int = 0

    def share(self) -> float | None:
        """Between 0 and 1; None if nobody knows: a file that is read in one go."""
        return self.done / self.size if self.size and self.done < self.size else None


class _Watched:
    """A file whose reader's progress goes into ``reading``."""

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        self._file, self._reading = file, reading
        reading.size = file.seek(0, 2)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._reading.done += len(data)
        return data


def read_history(path: Path | str, format: str = "auto", reading: Reading | None = None) -> History:
    """The history in a file, or in a folder: a run's, one of Jepsen's store, a report of etcd's robustness tests.

    Gzip is unpacked. ``reading`` says meanwhile how far it is.

    Raises InputError if there is no such file, it cannot be read, or nothing in it is an event. Whatever else is
    wrong with it is in ``problems`` of the answer.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        if is_robustness_report(path):
            return _made(read_robustness(path), path, folder, "etcd-robustness", None)
        path = next((path / name for name in _IN_A_FOLDER if (path / name).exists()), path)
        if path.is_dir():
            raise InputError(f"{path} holds no {', '.join(_IN_A_FOLDER)}; name a run's folder or a history")
    if format != "auto" and format not in FORMATS:
        raise InputError(f"unknown format {format!r} (available: auto, {', '.join(FORMATS)})")
    collecting = gc.isenabled()
    gc.disable()  # millions of new objects, none of them garbage: collections would take most of the time
    try:
        file, wrong = open_packed(path)
        with file:
            head = utf8_of(file.read(_HEAD_BYTES), str(path))
            if format == "auto" and _GO_SOURCE.match(text_of(head)):
                raise InputError(
                    f"{path} is Go source, which raftmon does not run: write the history with Porcupine's "
                    "VisualizePath and check that page, or write its operations as lines of JSON (docs/histories.md)"
                )
            if format == "auto":
                format = detect(head)
            file.seek(0)
            source = file if reading is None else cast(BinaryIO, _Watched(file, reading))
            events = FORMATS[format].read(source)
        return _made(events, path, folder, format, wrong)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    finally:
        if collecting:
            gc.enable()


def _made(events: Events, path: Path, folder: Path, format: str, wrong: str | None) -> History:
    if wrong:
        events.complain(None, wrong)
    if not len(events):
        if events.lines and not events.others and any(problem.line is not None for problem in events.problems):
            first = events.problems[0]
            raise InputError(f"{path}: nothing in it is an event of a history (read as {format}); {first}")
        events.complain(None, "the file is empty" if not events.lines else "there is no event of a client in it")
    meta = Meta(source=path, format=format)
    config = folder / "config.json"
    if config.is_file():
        meta.folder = folder
        meta.config = _config(config)
    return pair(events, meta)


def _config(path: Path) -> dict[str, object]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
