"""``raftmon shrink``: a run that failed, made smaller while it still fails, ends as a scenario file of a few lines.

``sequential`` says how often a candidate must be tried, ``oracle`` tries it, ``passes`` says what can be left out,
``triggers`` turns times into messages, ``scenario_file`` writes what is left.
"""
