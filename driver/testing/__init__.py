"""The pytest plugin, its fixtures, the shell of a live run and the four test scripts."""
