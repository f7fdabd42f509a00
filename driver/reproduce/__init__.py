"""``raftmon reproduce``: known bugs and published experiments as scenarios, each on affected and on control versions.

``scenario`` says what a scenario is, ``stage`` what it is given, ``attempt`` runs one in a sandbox, ``rounds`` repeats
them and says what came of it, ``library`` holds ours.
"""
