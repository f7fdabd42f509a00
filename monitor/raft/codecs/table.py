"""Registry of codecs: built in, entry points of ``raftmon.codecs``, or a ``.py`` file."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path

from raftmon.monitor.raft.codecs import dqlite, hashicorp, nats, ovsdb, pysyncobj, zookeeper, zookeeper_election
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.codecs.etcd.codec import CODEC as ETCD
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import load_failure

__all__ = ["BUILT_IN", "ENTRY_POINTS", "all_codecs", "codec_from", "codec_of"]

ENTRY_POINTS = "raftmon.codecs"

BUILT_IN: tuple[Codec, ...] = (
    ETCD,
    nats.CODEC,
    pysyncobj.CODEC,
    ovsdb.CODEC,
    hashicorp.CODEC,
    zookeeper.QUORUM,
    zookeeper_election.ELECTION,
    dqlite.CODEC,
)
"""In the order in which a connection's first bytes are shown to them."""


def all_codecs(paths: Iterable[str] = ()) -> tuple[Codec, ...]:
    """Every codec: those of ``paths`` first, then the built-in ones, then the installed packages'.

    Raises InputError if one cannot be loaded, is no Codec, or bears the name of another.
    """
    found = [(codec_from(path), path) for path in paths]
    found += [(codec, "raftmon") for codec in BUILT_IN]
    for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        where = f"the entry point {point.name} = {point.value} of {ENTRY_POINTS}"
        try:
            found.append((_checked(point.load(), where), where))
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{where} cannot be loaded: {load_failure(error)}; mend its package or uninstall it"
            ) from error
    names: dict[str, str] = {}
    for codec, where in found:
        if codec.name in names:
            raise InputError(
                f"two codecs are called {codec.name!r}: one of {names[codec.name]} and one of {where}; rename one"
            )
        names[codec.name] = where
    return tuple(codec for codec, _ in found)


def codec_of(system: str | None, codecs: Sequence[Codec] = BUILT_IN) -> Codec | None:
    """The codec of what the nodes of this adapter speak, None if there is none."""
    return None if system is None else next((codec for codec in codecs if codec.speaks(system)), None)


def codec_from(path: str) -> Codec:
    """The ``CODEC`` that a ``.py`` file defines. Raises InputError."""
    file = Path(path)
    if file.suffix != ".py" or not file.is_file():
        raise InputError(f"--codec {path}: there is no such .py file")
    spec = importlib.util.spec_from_file_location(f"raftmon_codec_{file.stem}", file.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} fails when it is loaded: {load_failure(error)}") from error
    if not hasattr(module, "CODEC"):
        raise InputError(f"{path} defines no CODEC: write CODEC = Codec(…) (docs/raft.md)")
    return _checked(module.CODEC, path)


def _checked(codec: object, where: str) -> Codec:
    if not isinstance(codec, Codec):
        raise InputError(f"{where} gives {codec!r}, which is no raftmon.codecs.Codec (docs/raft.md)")
    if not codec.name or not codec.summary:
        raise InputError(f"{where}: a codec needs a name and a summary")
    if not codec.editable and not codec.why_not:
        raise InputError(f"{where}: the codec {codec.name} cannot be edited, so its why_not must say why")
    return codec
