"""The command ``raftmon``: one module a command, imported only when it is asked for.

A command module offers ``parser() -> argparse.ArgumentParser`` (a ``CommandParser``) and ``main(arguments) -> int``.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.commands import COMMANDS
from raftmon.driver.cli.output import neutral_output
from raftmon.setup.errors import EXIT_INTERNAL, EXIT_USAGE, InputError, RaftmonError
from raftmon.setup.kinds import unknown

__all__ = ["CommandParser", "main"]


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = ["usage: raftmon COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    lines += [
        "",
        "raftmon COMMAND --help explains one, with an example.",
        "Exit status: 0 valid, 1 invalid, 2 unknown, 64 wrong arguments, 70 raftmon's own failure.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never raises (but for KeyboardInterrupt's 130)."""
    try:
        with neutral_output():
            return _run(argv)
    except Exception:  # what went wrong could not be written either; Python's own status would be that of *invalid*
        _discard_streams(sys.stdout, sys.stderr)
        return EXIT_INTERNAL


def _discard_streams(*streams: TextIO) -> None:
    """What is still to be written cannot be: it must not fail again as Python ends, with its own status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _run(argv: Sequence[str] | None) -> int:
    # numpy's BLAS would start a thread for each processor, and a process with threads cannot fork into a sandbox.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else EXIT_USAGE
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        print(f"raftmon: {unknown('command', name, COMMANDS)}", file=sys.stderr)
        return EXIT_USAGE
    try:
        module = importlib.import_module(COMMANDS[name].module)
        parser = module.parser()
        parse = parser.parse_intermixed_args if parser.intermixed else parser.parse_args
        status = int(module.main(parse(rest)))
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"raftmon {name}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except RaftmonError as error:
        print(f"raftmon {name}: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader of our output went away (raftmon … | head)
        _discard_streams(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if _no_more_processes(error):
            said = "this user may start no more processes or threads: raise `ulimit -u`, or end some"
            print(f"raftmon {name}: {said}", file=sys.stderr)
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the output"
            print(f"raftmon {name}: cannot write {where}: {error.strerror}; make room and try again", file=sys.stderr)
            _discard_streams(sys.stdout)
        else:
            traceback.print_exc()
            said = "this is a fault of raftmon itself; please report it with the text above"
            print(f"raftmon {name}: {said}", file=sys.stderr)
        return EXIT_INTERNAL


def _no_more_processes(error: BaseException) -> bool:
    """Whether the limit of processes was met (setrlimit(2), RLIMIT_NPROC): fork gives EAGAIN, threads a text."""
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN
