"""``python -m raftmon.driver.cli`` is ``raftmon``."""

import sys

from raftmon.driver.cli import main

sys.exit(main())
