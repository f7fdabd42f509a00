"""One run: its configuration, its plan, and the phases from cluster start to verdict."""
