"""Who is to blame for an anomaly: what clients were told, what the wire shows and what nodes store, side by side.

``evidence`` holds what is known, ``collect`` gathers it from a run's folder, ``judge`` names a cause in one sentence,
``explain`` puts it together for ``raftmon explain``, the summary and the report.
"""
