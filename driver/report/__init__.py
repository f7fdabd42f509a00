"""Pictures of histories: text timelines, the offline page of a linearization, a run's report."""
