"""A suite that every adapter must pass, and what it needs to run."""
