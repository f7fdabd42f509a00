import pytest

from raftmon.driver.workloads.workloads import WORKLOADS, workload
from raftmon.setup.errors import InputError


def test_every_workload_there_is_can_be_made_and_says_its_name():
    for name in WORKLOADS:
        assert workload(name).name == name


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(InputError, match="register"):
        workload("ledger")


def test_an_unknown_parameter_lists_those_there_are():
    with pytest.raises(InputError, match="keys"):
        workload("register", {"kyes": 3})


def test_a_parameter_of_the_wrong_kind_is_refused():
    with pytest.raises(InputError, match="cannot use"):
        workload("register", {"keys": "many"})
