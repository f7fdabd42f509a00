"""Faults: what is done to a cluster from outside the test, when, and how it is healed."""
