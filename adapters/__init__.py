"""One module a system: how to start a node and how to read, write and compare-and-set. Knows no packets."""
