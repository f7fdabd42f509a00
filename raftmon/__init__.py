"""raftmon runs a consensus cluster on one Linux host and intercepts every packet between its nodes.

The rooms lie at the top of the repository (``monitor/``, ``adapters/``, ``driver/``, ``setup/``) and are packages of
this one: ``raftmon.monitor`` and so on. What your own files import is small:

``raftmon.rules``
    packet and message rules
``raftmon.systems``
    adapters of systems under test
``raftmon.checkers``
    histories and checkers
``raftmon.testing``
    the pytest plugin's fixtures
``raftmon.codecs``
    codecs of your own for raftmon decode, messages and run
``raftmon.faults``
    faults of your own
``raftmon.topologies``
    topologies of your own
``raftmon.workloads``
    workloads of your own
``raftmon.scenario``
    scenarios for ``raftmon reproduce``

``raftmon.load(run)`` gives a recorded run as pandas data frames, for notebooks.
"""

from typing import Any

__all__ = ["load"]


def load(run: Any = None, store: Any = "store") -> Any:
    """A recorded run: ``operations``, ``messages`` and ``events`` as data frames, ``results``, ``config``, ``verdict``.

    ``run`` is a run's folder or a part of its name, the newest of ``store`` where nothing is given. Raises InputError
    where there is none, or pandas is missing.
    """
    from raftmon.driver.exports.frames import load as load_run  # the package itself imports nothing

    return load_run(run, store)
