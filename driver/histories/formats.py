"""The formats there are, how one is recognised, and ``read_history``."""

from __future__ import annotations

import gc
import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jepsen import read_edn, read_text_log
from raftmon.driver.histories.jsonl import read_jsonl
from raftmon.driver.histories.model import History, Meta
from raftmon.driver.histories.pairing import pair
from raftmon.setup.errors import InputError

__all__ = ["FORMATS", "Format", "detect", "read_history"]

_HEAD_BYTES = 65536
_GZIP = b"\x1f\x8b"


class Format(NamedTuple):
    """One kind of file: how to read it and what it is, in a line."""

    read: Callable[[BinaryIO], Events]
    summary: str


def _text(read: Callable[[str], Events]) -> Callable[[BinaryIO], Events]:
    return lambda file: read(file.read().decode("utf-8", errors="replace"))


FORMATS: dict[str, Format] = {
    "jsonl": Format(read_jsonl, "raftmon's own: one JSON event a line"),
    "edn": Format(_text(read_edn), "Jepsen's history.edn, Knossos' histories: EDN maps, one a line or in a vector"),
    "jepsen-log": Format(_text(read_text_log), "Jepsen's text log or history.txt"),
    "append-kv": Format(_text(read_edn), "Porcupine's key-value files: EDN maps with get, put and append"),
}


def detect(head: bytes) -> str:
    """The name of the format of a file that begins with ``head``; ``jsonl`` where nothing tells."""
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n,")
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(";")), "")
    start = first.lstrip()
    if start.startswith('{"') or start in ("{", "{}"):
        return "jsonl"
    if start[:1] in ("{", "[", "(", "#"):
        return "append-kv" if ":f :append" in text else "edn"
    if any(word in text for word in (":invoke", ":ok", ":fail", ":info", "jepsen.util")):
        return "jepsen-log"
    return "jsonl"


def _open(path: Path) -> tuple[BinaryIO, str | None]:
    """The file's bytes, unpacked if it is gzip, and what was wrong with the packing."""
    file = path.open("rb")
    if file.peek(2)[:2] != _GZIP:
        return file, None
    file.close()
    return _unpack(path)


def _unpack(path: Path) -> tuple[BinaryIO, str | None]:
    unpacked = io.BytesIO()
    wrong = None
    with gzip.open(path, "rb") as packed:
        try:
            while block := packed.read1(1 << 20):
                unpacked.write(block)
        except (EOFError, OSError, zlib.error) as error:
            wrong = f"the gzip file is damaged ({error}); what came before is read"
    unpacked.seek(0)
    return unpacked, wrong


def read_history(path: Path | str, format: str = "auto") -> History:
    """The history in a file, or ``history.jsonl`` in a run's folder; gzip is unpacked.

    Raises InputError where there is no such file, it cannot be read, or nothing in it is an event. Whatever else is
    wrong with it is in ``problems`` of the answer.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        path = next((path / name for name in ("history.jsonl", "history.jsonl.gz") if (path / name).exists()), path)
        if path.is_dir():
            raise InputError(f"{path} holds no history.jsonl; name a run's folder or a history")
    if format != "auto" and format not in FORMATS:
        raise InputError(f"there is no format {format!r}; there are auto, {', '.join(FORMATS)}")
    collecting = gc.isenabled()
    gc.disable()  # millions of new objects, none of them garbage: collections would take most of the time
    try:
        file, wrong = _open(path)
        with file:
            if format == "auto":
                head = file.read(_HEAD_BYTES)
                format = detect(head)
                file.seek(0)
            events = FORMATS[format].read(file)
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
