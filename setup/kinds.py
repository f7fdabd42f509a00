"""Kinds of things that others can add: built-in rows, entry points of installed packages, and ``.py`` files.

Systems, checkers, faults, workloads and topologies each have a table of rows by name. ``Kinds`` looks a name up in the
table, then among the entry points of a group, then takes it as ``FILE.py`` or ``FILE.py:NAME``. What an entry point or
a file offers may be a whole row, or the class alone: ``adopt`` makes a row of it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from raftmon.setup.errors import InputError, suggestion
from raftmon.setup.old_imports import load_failure

__all__ = ["Kinds", "first_line", "is_file", "packages_read_once", "unknown"]

Row = TypeVar("Row")


_remembered: dict[str, importlib.metadata.EntryPoints] | None = None


@contextmanager
def packages_read_once() -> Iterator[None]:
    """Within, the installed packages are looked through once a group and not once a name: for loops over many files."""
    global _remembered
    before, _remembered = _remembered, {} if _remembered is None else _remembered
    try:
        yield
    finally:
        _remembered = before


def _points(group: str) -> importlib.metadata.EntryPoints:
    if _remembered is None:
        return importlib.metadata.entry_points(group=group)
    if group not in _remembered:
        _remembered[group] = importlib.metadata.entry_points(group=group)
    return _remembered[group]


def unknown(noun: str, name: str, known: Iterable[str], also: str = "") -> InputError:
    """``unknown fault 'x': did you mean y? (available: ...)``; ``also`` is what may be given beside the names."""
    listed = list(known)
    close = suggestion(name, listed).strip()
    return InputError(f"unknown {noun} {name!r}{': ' + close if close else ''} (available: {', '.join(listed)}{also})")


def is_file(name: str) -> bool:
    """Whether a name is ``FILE.py`` or ``FILE.py:NAME``."""
    return name.endswith(".py") or ".py:" in name


def first_line(thing: Any) -> str:
    """The first line of a docstring, as a summary; empty if there is none."""
    return (getattr(thing, "__doc__", None) or "").strip().split("\n")[0].rstrip(".")


@dataclass(frozen=True, slots=True)
class Kinds(Generic[Row]):
    """One kind of thing. ``noun`` is what one is called, ``group`` the entry points' group.

    ``adopt(name, thing)`` makes a row of what an entry point or a file offers, and raises InputError for what is none.
    ``fits`` says which classes and rows of a file can be meant where it does not say which; ``chosen`` is the name by
    which a file with several says so; ``shape`` says in words what fits.
    """

    noun: str
    group: str
    adopt: Callable[[str, Any], Row]
    fits: Callable[[Any], bool]
    chosen: str
    shape: str

    def names(self, builtin: Iterable[str]) -> list[str]:
        """All names, built-in ones first."""
        known = list(builtin)
        points = _points(self.group)
        return [*known, *sorted({point.name for point in points} - set(known))]

    def rows(self, builtin: Mapping[str, Row]) -> dict[str, Row]:
        """Every row there is by name, those of entry points too. Raises InputError for one that cannot be loaded."""
        return {name: self.find(name, builtin) for name in self.names(builtin)}

    def find(self, name: str, builtin: Mapping[str, Row], also: str = ", or FILE.py") -> Row:
        """The row of that name. Raises InputError if there is none, or it cannot be loaded."""
        if name in builtin:
            return builtin[name]
        if is_file(name):
            return self.adopt(name, self._from_file(name))
        for point in _points(self.group).select(name=name):
            return self.adopt(name, self._loaded(point))
        raise unknown(self.noun, name, self.names(builtin), also)

    def _loaded(self, point: importlib.metadata.EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as error:
            package = f" of the package {point.dist.name}" if point.dist is not None else ""
            raise InputError(
                f"the {self.noun} {point.name}{package} cannot be loaded: {load_failure(error)}; mend the package or "
                "uninstall it"
            ) from error

    def _from_file(self, name: str) -> Any:
        text, _, attribute = (name, "", "") if name.endswith(".py") else name.rpartition(":")
        path = Path(text)
        spec = importlib.util.spec_from_file_location(f"raftmon_{self.noun}_{path.stem}", path.resolve())
        if not path.is_file() or spec is None or spec.loader is None:
            raise InputError(f"the {self.noun} {name!r} cannot be loaded: there is no file {path}")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise InputError(f"{path} fails when it is loaded: {load_failure(error)}") from error
        attribute = attribute or (self.chosen if hasattr(module, self.chosen) else "")
        if attribute:
            if not hasattr(module, attribute):
                raise InputError(f"{path} has nothing named {attribute!r}")
            return getattr(module, attribute)
        return self._only_one(path, module)

    def _only_one(self, path: Path, module: Any) -> Any:
        found = {
            name: thing
            for name, thing in vars(module).items()
            if not name.startswith("_")
            and (getattr(thing, "__module__", None) == module.__name__ or not isinstance(thing, type))
            and self.fits(thing)
        }
        if len(found) != 1:
            raise InputError(
                f"{path} must define one {self.shape} (found: {', '.join(found) or 'none'}); with several, set "
                f"{self.chosen} = one, or give {path}:NAME"
            )
        return next(iter(found.values()))
