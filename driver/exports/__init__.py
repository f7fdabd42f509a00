"""A run in other people's formats.

``rows`` reads operations, messages and events of a run as plain rows; ``tables`` writes them as CSV or Parquet,
``frames`` gives data frames, ``perfetto`` a trace for ui.perfetto.dev, ``spans`` OpenTelemetry spans, ``packed`` a run
as one zip.
"""
