"""A cluster under test: its nodes, its monitor process, who leads, whether it is healthy."""
