"""From a run's folder to results.json: the verdict, its reasons, statistics, the summary."""
