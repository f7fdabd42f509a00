"""Tests marked ``net``, and those that use raftmon's fixtures, run in a sandbox of their own: the plugin does it.

`make test` runs two tests at a time (pytest-xdist). A file's tests stay together, in their order, since what a file
sets up is then set up once; those of ``SPREAD`` take long and share little, so they are dealt out one by one.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing of what is tested: the machine may be busy.
settings.register_profile("raftmon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raftmon")

SPREAD = ("adapters/contract/test_systems.py", "setup/test_wheel.py", "driver/run/test_real.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if not item.nodeid.split("::")[0].endswith(SPREAD):
                item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
