"""``raftmon explore``: looks for violations by itself, guided by the states of the cluster that the wire shows.

``coverage`` says what a state is, ``schedules`` draws and mutates schedules, ``corpus`` keeps those that reached new
states, ``arena`` plays one after the other on a warm cluster, ``explore`` goes round.
"""
