"""``raftmon serve``: the store in a browser.

``app`` answers requests, ``access`` says who may ask, ``pages`` draws, ``query`` asks a run's records with SQL.
"""
