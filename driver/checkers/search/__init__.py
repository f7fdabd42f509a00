"""Linearizability by search (Wing and Gong, with Lowe's memoisation) over a model of the object."""
