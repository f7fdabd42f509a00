from itertools import islice, pairwise
from random import Random

import pytest

from raftmon.driver.clients.arrivals import arrivals_ns
from raftmon.setup.errors import InputError


def first(arrival, slot, slots=4, rate=100.0, count=1000):
    return list(islice(arrivals_ns(arrival, rate, slot, slots, Random(slot)), count))


def test_uniform_slots_take_turns_evenly():
    merged = sorted(time_ns for slot in range(4) for time_ns in first("uniform", slot, count=100))
    gaps = {later - earlier for earlier, later in pairwise(merged)}
    assert gaps == {10_000_000}


def test_poisson_has_the_rate_on_average_and_never_goes_back():
    times = first("poisson", 0, count=20_000)
    assert times == sorted(times)
    assert times[-1] / len(times) == pytest.approx(40_000_000, rel=0.03)


def test_the_same_random_gives_the_same_times():
    assert first("poisson", 2) == first("poisson", 2)


def test_an_unknown_arrival_lists_those_there_are():
    with pytest.raises(InputError, match="poisson"):
        next(arrivals_ns("bursty", 1.0, 0, 1, Random(1)))
