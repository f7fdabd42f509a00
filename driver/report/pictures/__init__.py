"""A picture for each kind of check: cycles of transactions, elements of sets, watches, leases, locks.

``picture`` in ``kinds`` chooses; the others draw SVG text from a history and a checker's result, without reading files.
"""
