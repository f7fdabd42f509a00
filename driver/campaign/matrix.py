"""A sweep's matrix: the product of systems, workloads, faults, topologies, sizes and seeds, as cells.

A matrix is plain data and the same cells come of it every time, each with a name that says what it is: that is what a
sweep is resumed by.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup.errors import InputError

__all__ = ["Cell", "Matrix", "split_list"]

MOST_CELLS = 100_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep: what it is, and the options of ``raftmon run`` that do it. ``number`` counts from 0."""

    number: int
    system: str
    workload: str
    fault: str
    topology: str
    nodes: int
    seed: str
    options: tuple[str, ...]

    @property
    def key(self) -> str:
        """The same for the same run, in every sweep of this matrix."""
        return "/".join((self.system, self.workload, self.fault, self.topology, str(self.nodes), self.seed))


@dataclass(frozen=True, slots=True)
class Matrix:
    """The lists whose product is taken, and ``options`` of ``raftmon run`` that every cell has.

    A system may have its server's version: ``nats@2.9.10`` is system nats with server nats@2.9.10. A fault may be a
    whole schedule. ``repeat`` runs each cell with so many seeds, ``seed``, ``seed + 1``, … Raises InputError.
    """

    systems: tuple[str, ...] = ("etcd",)
    workloads: tuple[str, ...] = ("register",)
    faults: tuple[str, ...] = ("none",)
    topologies: tuple[str, ...] = ("simple",)
    nodes: tuple[int, ...] = (3,)
    repeat: int = 1
    seed: int = 1
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no matrix."""
        for field in ("systems", "workloads", "faults", "topologies", "nodes"):
            values = getattr(self, field)
            if not values:
                raise InputError(f"the sweep's list of {field} is empty: name at least one")
            if len(set(values)) < len(values):
                raise InputError(
                    f"the sweep's list of {field} has an entry twice: use --repeat for more runs of a cell"
                )
        if self.repeat < 1:
            raise InputError(f"--repeat is {self.repeat}: give 1 or more")
        if self.count > MOST_CELLS:
            raise InputError(f"that is a sweep of {self.count:,} runs: at most {MOST_CELLS:,} at once")

    @property
    def count(self) -> int:
        """How many cells there are."""
        lists = (self.systems, self.workloads, self.faults, self.topologies, self.nodes)
        total = self.repeat
        for values in lists:
            total *= len(values)
        return total

    def cells(self) -> Iterator[Cell]:
        """Every cell; all of one seed come before the next, so that a sweep that is cut short has each once."""
        product = itertools.product(
            range(self.repeat), self.systems, self.workloads, self.faults, self.topologies, self.nodes
        )
        for number, (round_, system, workload, fault, topology, nodes) in enumerate(product):
            name, version, _ = system.partition("@")
            options = ["--system", name if version and not system.endswith(".py") else system]
            if version and not system.endswith(".py"):
                options += ["--server", system]
            options += ["--workload", workload, "--fault", fault, "--topology", topology, "--nodes", str(nodes)]
            seed = str(self.seed + round_)
            options += ["--seed", seed, *self.options]
            yield Cell(number, system, workload, fault, topology, nodes, seed, tuple(options))

    @property
    def digest(self) -> str:
        """Eight letters that are the same for the same matrix."""
        return hashlib.sha256(orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` turns back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "the matrix") -> Matrix:
        """The matrix of such an object. Raises InputError that names the entry that is wrong."""
        kinds = {field.name: field.default for field in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for name, found in value.items():
            if name not in kinds:
                raise InputError(f"{where}: there is no entry {name!r} (available: {', '.join(kinds)})")
            given[name] = _checked(where, name, found, kinds[name])
        return cls(**given)

    @classmethod
    def from_toml(cls, path: Path) -> Matrix:
        """The matrix in a file. Raises InputError."""
        try:
            return cls.from_json(tomllib.loads(path.read_text()), f"--matrix {path}")
        except OSError as error:
            raise InputError(f"--matrix {path}: it cannot be read ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"--matrix {path}: this is not TOML: {error}") from error


def _checked(where: str, name: str, found: Any, default: Any) -> Any:
    if isinstance(default, int):
        if isinstance(found, int) and not isinstance(found, bool):
            return found
        raise InputError(f"{where}: {name} is {found!r}: give a whole number")
    kind = int if name == "nodes" else str
    if isinstance(found, Sequence) and not isinstance(found, str) and all(type(one) is kind for one in found):
        return tuple(found)
    raise InputError(f"{where}: {name} is {found!r}: give a list of {'numbers' if kind is int else 'texts'}")


def split_list(text: str, option: str) -> tuple[str, ...]:
    """``a,b(c=1,d=2),e+f`` as (``a``, ``b(c=1,d=2)``, ``e,f``): commas in parentheses do not divide, + joins faults.

    Raises InputError for an empty entry.
    """
    depth, words = 0, [""]
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += "," if letter == "+" and depth == 0 and option == "--faults" else letter
    found = tuple(word.strip() for word in words)
    if not all(found):
        raise InputError(f"{option} {text!r} has an empty entry")
    return found
