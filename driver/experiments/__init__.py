"""``raftmon compare --scenarios``: the published experiments on consensus under network faults, on several systems.

``published`` is the table of experiments, ``play`` runs one on one system, ``measure`` says what it showed, ``rounds``
repeats them, ``tables`` and ``picture`` present what came of it.
"""
