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

from driver.cli.arguments import CommandParser
from driver.cli.registry import COMMANDS
from setup.errors import EXIT_INTERNAL, EXIT_USAGE, InputError, RaftmonError

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
        return _run(argv)
    except Exception:  # what went wrong could not be written either; Python's own status would be that of *invalid*
        _let_output_go()
        return EXIT_INTERNAL


def _let_output_go() -> None:
    """What is still to be written cannot be: it must not fail again as Python ends, with a status of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _run(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else EXIT_USAGE
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        print(f"raftmon: there is no command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return EXIT_USAGE
    try:
        module = importlib.import_module(COMMANDS[name].module)
        parser = module.parser()
        parse = parser.parse_intermixed_args if getattr(parser, "intermixed", False) else parser.parse_args
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _own_fault(name)
        where = error.filename or "the output"
        print(f"raftmon {name}: cannot write {where}: {error.strerror}; make room and try again", file=sys.stderr)
        sys.stderr.flush()
        _let_output_go()
        return EXIT_INTERNAL
    except Exception:
        return _own_fault(name)


def _own_fault(name: str) -> int:
    traceback.print_exc()
    print(f"raftmon {name}: this is a fault of raftmon itself; please report it with the text above", file=sys.stderr)
    return EXIT_INTERNAL
