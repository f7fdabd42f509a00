"""The command ``raftmon``: one module a command, imported only when it is asked for.

A command module offers ``parser() -> argparse.ArgumentParser`` (a ``CommandParser``) and ``main(arguments) -> int``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.commands import COMMANDS
from raftmon.driver.cli.output import neutral_output
from raftmon.driver.cli.surroundings import ready_streams, why_failed
from raftmon.setup.errors import EXIT_INTERNAL, EXIT_USAGE, NO_ROOM, InputError, RaftmonError
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
        ready_streams()
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
        if (why := why_failed(error)) is not None:
            print(f"raftmon {name}: {why}", file=sys.stderr)
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                _discard_streams(sys.stdout)
        else:
            traceback.print_exc()
            said = "this is a fault of raftmon itself; please report it with the text above"
            print(f"raftmon {name}: {said}", file=sys.stderr)
        return EXIT_INTERNAL
