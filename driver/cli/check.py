"""``raftmon check``: judge a recorded run, a history in any format, or a folder of them. From disk alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.checkers.asked_for import checkers_for, chosen_checkers
from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.checkers.checkers import checker
from raftmon.driver.checkers.per_key import PerKey
from raftmon.driver.checkers.safe import MEMORY_MB, TIMEOUT_S, check_safely
from raftmon.driver.checkers.search.models import MODELS
from raftmon.driver.checkers.understanding import explaining
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.listing import checker_lines
from raftmon.driver.cli.progress import progress
from raftmon.driver.cli.standard_input import is_stream, name_of_input, spooled_input
from raftmon.driver.exports.packed import unpack
from raftmon.driver.histories.formats import FORMATS, Reading, is_history_folder, read_history
from raftmon.driver.histories.model import History
from raftmon.driver.results.verdict import stores_result
from raftmon.driver.results.wire import wire_results
from raftmon.driver.run_folder import RunFolder, find_run
from raftmon.setup.errors import EXIT_USAGE, InputError
from raftmon.setup.kinds import packages_read_once

__all__ = ["main", "parser"]

_SHOWN_PROBLEMS = 20


def parser() -> CommandParser:
    """The options of ``raftmon check``."""
    made = CommandParser(
        "check",
        "Check a recorded run (default: the newest), a history, or every history in a folder. "
        "Exit status: 0 valid, 1 invalid, 2 unknown, 64 wrong arguments or no history, 70 raftmon's own failure.",
        "raftmon check store/latest\nraftmon check history.edn --checker queue:order=any\n"
        "raftmon check jepsen.edn --initial 0 --level sequential\ncat history.json | raftmon check -\n"
        "raftmon check --format jepsen-log shared/histories/jepsen-etcd --json",
    )
    made.add_argument(
        "what", nargs="?", metavar="RUN|FILE|DIR|-", help="default: the newest run in the store; - is standard input"
    )
    made.add_argument("--format", default="auto", metavar="NAME", help=f"auto, {', '.join(FORMATS)} (default: auto)")
    made.add_argument(
        "--checker",
        action="append",
        metavar="NAME",
        help="instead of what the history asks for; repeat for several; options behind a colon (queue:order=any); "
        "--list has them all; or FILE.py:Name, a checker or a model of your own",
    )
    made.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="is the history linearizable as this model? fifo-queue, stack, counter, … or FILE.py:Name",
    )
    made.add_argument(
        "--per-key", action="store_true", help="judge every key on its own; values [key, value] are taken apart"
    )
    made.add_argument("--list", action="store_true", help="list every checker and the functions it understands")
    made.add_argument(
        "--initial", metavar="VALUE", help="what a register holds before it is written, as JSON (default: null)"
    )
    made.add_argument(
        "--level",
        metavar="NAME",
        help="isolation level of transactions (default: strict-serializable) or consistency level of other models "
        "(default: linearizable; sequential, causal, pram, monotonic, monotonic-reads, read-your-writes, …)",
    )
    made.add_argument(
        "--explain",
        action="store_true",
        help="take as long as --timeout allows, not 2 s, to make a counterexample small",
    )
    made.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="for each checker (default: 60 s)")
    made.add_argument("--memory", type=float, default=MEMORY_MB, metavar="MB", help="for each checker (default: 4000)")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--html", type=Path, metavar="FILE", help="draw the history and the verdict as one offline page")
    made.add_store()
    return made


def main(arguments: argparse.Namespace) -> int:
    """Judge, print, and return the verdict's exit status."""
    if arguments.timeout <= 0 or arguments.memory <= 0:
        raise InputError("--timeout and --memory must be more than 0")
    if arguments.list:
        return _list()
    arguments.checker = [*(arguments.checker or ()), *map(_of_model, arguments.model or ())]
    for name in arguments.checker:
        checker(name)  # a name that is none is told before anything is read
    if is_stream(arguments.what):
        with spooled_input(arguments.what) as path:
            return _check_file(path, arguments, name_of_input(arguments.what))
    path = _path(arguments)
    if path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(prefix="raftmon-") as folder:
            return _check_file(unpack(path, Path(folder)).path, arguments, str(path))
    if path.is_dir() and not is_history_folder(path):
        if arguments.html is not None:
            raise InputError(f"--html draws one history, and {path} is a folder of them: name a file")
        with packages_read_once():
            return _check_folder(path, arguments)
    return _check_file(path, arguments)


def _of_model(name: str) -> str:
    """The checker that searches with a model."""
    if ".py:" in name:
        return name
    if name not in MODELS:
        raise InputError(f"there is no model {name!r} (available: {', '.join(MODELS)}, or FILE.py:Name)")
    return f"linearizable-{name}"


def _list() -> int:
    """Every checker, what it asks and what it understands."""
    print("\n".join(checker_lines()))
    return 0


def _read(path: Path, arguments: argparse.Namespace) -> History:
    reading = Reading()
    with progress(f"reading {path.name}", reading.share):
        history = read_history(path, arguments.format, reading)
    if arguments.initial is not None:
        history.meta.initial = _value(arguments.initial)
    return history


def _value(text: str) -> Any:
    """A value given on the command line: JSON, otherwise the text as it is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _check_file(path: Path, arguments: argparse.Namespace, name: str | None = None) -> int:
    name = str(path) if name is None else name
    history = _read(path, arguments)
    start = time.perf_counter()
    results = _judge(history, arguments)
    seconds = time.perf_counter() - start
    if arguments.html is not None:
        _draw(history, results, arguments.html)
    if arguments.json:
        print(_json(_report(name, history, results, seconds)))
    else:
        _print(name, history, results, seconds)
    return combine(results).exit_status


def _path(arguments: argparse.Namespace) -> Path:
    if arguments.what is not None and Path(arguments.what).exists():
        return Path(arguments.what)
    if arguments.what is not None and ("/" in arguments.what or "." in arguments.what):
        raise InputError(f"there is no file or folder {arguments.what}")
    return find_run(arguments.what, arguments.store).path


def _judge(history: History, arguments: argparse.Namespace) -> list[Result]:
    config = history.meta.config.get("config", history.meta.config)
    workload = config.get("workload", "") if isinstance(config, dict) else ""
    chosen = arguments.checker
    if chosen:
        checkers = [Assumptions(), *chosen_checkers(chosen, history, level=arguments.level)]
    else:
        checkers = checkers_for(str(workload), history, level=arguments.level)
    if arguments.per_key:
        checkers = [one if isinstance(one, Assumptions) else PerKey(one) for one in checkers]
    if arguments.explain:
        checkers = [explaining(one, arguments.timeout) for one in checkers]
    results = []
    for one in checkers:
        with progress(f"checking ({one.name})", limit_s=arguments.timeout):
            results.append(check_safely(one, history, arguments.timeout, arguments.memory))
    if history.meta.folder is not None and not chosen:
        folder = RunFolder(history.meta.folder)
        nodes = history.meta.config.get("nodes")
        results += wire_results(folder, history, str(workload))
        results += stores_result(folder, list(nodes) if isinstance(nodes, dict) else [])
    return results


def _check_folder(folder: Path, arguments: argparse.Namespace) -> int:
    """Every history in a folder; files in which nothing is an event are passed over."""
    verdicts: dict[str, str] = {}
    results: list[Result] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            history = _read(path, arguments)
        except InputError as error:
            print(f"raftmon check: passed over: {error}", file=sys.stderr)
            continue
        if not len(history) and history.meta.lines:
            print(
                f"raftmon check: passed over: {path} holds no history (read as {history.meta.format})", file=sys.stderr
            )
            continue
        judged = _judge(history, arguments)
        verdict = combine(judged)
        verdicts[path.name] = verdict.value
        results.append(Result(verdict, path.name, ""))
        if not arguments.json:
            print(f"{path.name}: {_gist(judged)}")
    if not verdicts:
        print(f"raftmon check: there is no history in {folder} (read as {arguments.format})", file=sys.stderr)
        return EXIT_USAGE
    if arguments.json:
        print(_json(verdicts))
    return combine(results).exit_status


def _gist(results: Sequence[Result]) -> str:
    """The sentence that decided."""
    verdict = combine(results)
    decisive = [result for result in results if result.valid is verdict] or list(results)
    return decisive[-1].sentence if verdict is Valid.YES else decisive[0].sentence


def _report(name: str, history: History, results: Sequence[Result], seconds: float) -> dict[str, Any]:
    return {
        "file": name.encode(errors="backslashreplace").decode(),
        "valid": combine(results).value,
        "seconds": round(seconds, 6),
        "operations": len(history),
        "format": history.meta.format,
        "problems": [{"line": problem.line, "sentence": problem.sentence} for problem in history.problems],
        "notes": [{"line": note.line, "sentence": note.sentence} for note in history.notes],
        "checkers": {result.checker: result.as_json() for result in results},
    }


def _json(value: Any) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(value, default=repr, option=options).decode()


def _print(name: str, history: History, results: Sequence[Result], seconds: float) -> None:
    processes = len(set(history.columns.process.tolist()))
    print(f"{name}: {len(history)} operations of {processes} processes, read as {history.meta.format}")
    for title, found in (("problems", history.problems), ("notes", history.notes)):
        if found:
            print(f"{title}:")
            print("\n".join(f"  {problem}" for problem in found[:_SHOWN_PROBLEMS]))
            if len(found) > _SHOWN_PROBLEMS:
                print(f"  and {len(found) - _SHOWN_PROBLEMS} more (--json gives them all)")
    width = max(len(result.checker) for result in results)
    for result in results:
        print(f"{result.checker:<{width}}  {result.sentence}  [{result.seconds:.2f} s]")
        if result.counterexample is not None and result.counterexample.timeline:
            print("\n".join(f"    {line}" for line in result.counterexample.timeline.splitlines()))
    print(f"verdict: {combine(results).value} ({seconds:.2f} s)")


def _draw(history: History, results: Sequence[Result], target: Path) -> None:
    from raftmon.driver.report.page import write_page  # only where it is asked for

    write_page(history, results, target)
