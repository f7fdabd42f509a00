"""Histories in memory and on disk: reading them, writing them, converting between formats.

Nothing is imported here: a client host needs an operation's class alone, and starts without numpy.
"""
