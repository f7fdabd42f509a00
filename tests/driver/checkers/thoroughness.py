"""How many random histories differential tests try: few in ``make test``, 10,000 or more in ``make differential``."""

from __future__ import annotations

import os

__all__ = ["TIMES"]

TIMES = int(os.environ.get("RAFTMON_DIFFERENTIAL", "1"))
"""By how much each test multiplies its own small number."""
