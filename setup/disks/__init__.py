"""A node's disk under test: a FUSE filesystem that knows exactly what was synced, and can misbehave.

``pages`` and ``entries`` are the pure record of what a power cut would take; ``behaviour`` says which calls are slow or
fail; ``filesystem`` serves them (mfusepy); ``__main__`` is the process, one a node; ``disk`` is the driver's handle.
"""
