"""``python -m driver.cli`` is ``raftmon``."""

import sys

from driver.cli import main

sys.exit(main())
