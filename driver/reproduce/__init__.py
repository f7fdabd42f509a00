"""``raftmon reproduce``: known bugs and published experiments as scenarios, each on affected and on control versions.

``scenario`` says what a scenario is, ``stage`` what it is given, ``loading`` finds it, ``attempt`` runs it,
``rounds`` repeats them and says what came of it, ``library`` holds ours.
"""
