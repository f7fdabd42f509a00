"""``raftmon test``: the test scripts that people run, by name."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from raftmon.adapters.systems import with_server
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.testing import scripts
from raftmon.monitor.raft.codec_contract import test_codec
from raftmon.monitor.raft.codecs.table import BUILT_IN, codec_from
from raftmon.setup.errors import EXIT_INTERNAL, EXIT_INVALID, EXIT_USAGE, InputError
from raftmon.setup.python import end_with_parent, module_command

__all__ = ["SCRIPTS", "main", "parser"]

_SCRIPTS = Path(scripts.__file__).parent
SCRIPTS = {
    "sanity": "test_sanity.py",
    "multi-client": "test_multi_client.py",
    "restart": "test_restart.py",
    "partition": "test_partition.py",
}
_PYTEST_STATUS = {0: 0, 1: EXIT_INVALID, 4: EXIT_USAGE}
_ALONE = ("-p", "no:cacheprovider", "--import-mode=importlib")
"""The scripts may lie where nothing can be written, and beside the user's own tests."""
_NO_TESTS = 5  # pytest's exit status where nothing was selected


def parser() -> CommandParser:
    """The options of ``raftmon test``."""
    made = CommandParser(
        "test",
        "Run raftmon's test scripts against a system, or check that an adapter or codec keeps its contract.",
        "raftmon test sanity\nraftmon test all --system etcd --server etcd@3.5.1 --nodes 5 --junit results.xml\n"
        "raftmon test adapter ./my_system.py\nraftmon test codec ./my_codec.py capture.pcap",
    )
    made.add_argument("script", choices=[*SCRIPTS, "all", "adapter", "codec"], help="which script")
    made.add_argument("path", nargs="?", metavar="SYSTEM", help="with adapter: a name or a .py file")
    made.add_argument("capture", nargs="?", type=Path, metavar="CAPTURE", help="with codec: a pcap or pcapng file")
    made.add_argument("--system", default="etcd", metavar="NAME", help="the system under test (default: etcd)")
    made.add_argument("--server", metavar="SPEC", help="its server: etcd@3.5.1 or a path")
    made.add_argument("--nodes", type=int, default=3, metavar="N", help="nodes of each cluster (default: 3)")
    made.add_argument("--rules", action="append", default=[], metavar="FILE.py", help="your own rules in every cluster")
    made.add_argument("--seed", default="0", metavar="N", help="random seed (default: 0)")
    made.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="run it N times, stop at a failure (default: 1)"
    )
    made.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    made.add_argument("-k", metavar="EXPRESSION", help="only tests whose name fits, as in pytest")
    made.add_store()
    return made


def _targets(arguments: argparse.Namespace) -> list[Path]:
    if arguments.path is not None:
        raise InputError(f"raftmon test {arguments.script} takes no {arguments.path!r}; use --system {arguments.path}")
    names = list(SCRIPTS) if arguments.script == "all" else [arguments.script]
    return [_SCRIPTS / SCRIPTS[name] for name in names]


def _contract(arguments: argparse.Namespace) -> list[str]:
    """The command that holds an adapter to its contract."""
    if arguments.path is None:
        raise InputError("raftmon test adapter needs a system: a name or the path of a .py file")
    if arguments.junit is not None or arguments.k is not None:
        raise InputError("raftmon test adapter has neither --junit nor -k: it prints one line for each promise")
    command = [*module_command("raftmon.adapters.contract"), arguments.path, "--nodes", str(arguments.nodes)]
    server = with_server(arguments.path, arguments.server, {}).get("server")
    return [*command, "--server", server] if server else command


def _codec(arguments: argparse.Namespace) -> int:
    """Hold a codec to its contract on a capture; 0 if every promise is kept."""
    if arguments.path is None or arguments.capture is None:
        raise InputError("raftmon test codec needs a codec (a name or a .py file) and a capture of its protocol")
    built_in = {codec.name: codec for codec in BUILT_IN}
    codec = built_in.get(arguments.path) or codec_from(arguments.path)
    promises = test_codec(codec, arguments.capture, arguments.seed)
    for promise in promises:
        print(f"{'kept    ' if promise.kept else 'BROKEN  '} {promise.text}\n         {promise.seen}")
    return 0 if all(promise.kept for promise in promises) else EXIT_INVALID


def main(arguments: argparse.Namespace) -> int:
    """Run pytest with the plugin's options; 0 all passed, 1 something failed."""
    if arguments.repeat < 1:
        raise InputError(f"--repeat is {arguments.repeat}: give 1 or more")
    if arguments.script == "codec":
        return _codec(arguments)
    if arguments.capture is not None:
        raise InputError(f"raftmon test {arguments.script} takes no {str(arguments.capture)!r}")
    if arguments.script == "adapter":
        return _rounds(_contract(arguments), arguments.repeat, None)
    targets = _targets(arguments)
    command = [*module_command("pytest"), *map(str, targets), "-q", *_ALONE, "--system", arguments.system]
    command += ["--nodes", str(arguments.nodes), "--seed", arguments.seed, "--store", str(arguments.store)]
    for name in ("server", "k"):
        if getattr(arguments, name) is not None:
            command += [f"--{name}" if len(name) > 1 else f"-{name}", getattr(arguments, name)]
    for path in arguments.rules:
        command += ["--rules", str(Path(path).resolve())]
    return _rounds(command, arguments.repeat, arguments.junit)


def _rounds(command: list[str], rounds: int, junit: Path | None) -> int:
    """Run it so many times, until a round fails; each round has its own JUnit file."""
    for number in range(1, rounds + 1):
        if rounds > 1:
            print(f"round {number} of {rounds}", flush=True)
        file = junit.with_stem(f"{junit.stem}-{number}") if junit is not None and rounds > 1 else junit
        status = subprocess.run(
            [*command, *([f"--junit-xml={file}"] if file else [])], check=False, preexec_fn=end_with_parent
        ).returncode
        if status == _NO_TESTS:
            raise InputError("no test of the script has a name that fits -k: leave -k out to run them all")
        if status:
            return _PYTEST_STATUS.get(status, status if status >= EXIT_USAGE else EXIT_INTERNAL)
    return 0
