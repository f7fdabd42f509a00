"""messages.sqlite: written while a run is live, read by every command afterwards."""
