import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.fidelity import Histogram, MonitorCounters, disturbances

GOOD = {"finished": True, "record": True, "recorder": {"finished": True, "errors": []}}


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_at_most_one_thirtysecond_above_the_exact_one(values, part):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[math.ceil(part * len(values)) - 1]
    assert exact <= histogram.quantile(part) <= exact * (1 + 1 / 32) + 1


def test_the_largest_is_exact_and_nothing_is_zero():
    histogram = Histogram()
    assert histogram.summary(1) == {"p50": 0, "p99": 0, "max": 0}
    histogram.add(-5)
    histogram.add(123_457)
    assert histogram.summary(1000)["max"] == 123.457


def test_an_undisturbed_run_has_no_reasons():
    assert disturbances({**GOOD, **MonitorCounters().as_dict()}) == []


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({"finished": False}, "did not end properly"),
        ({"queue_kernel_dropped": 3}, "dropped 3 packets"),
        ({"queue_user_dropped": 4}, "4 packets were lost"),
        ({"queue_id_gaps": 4}, "4 packets never reached"),
        ({"truncated": 1}, "came cut"),
        ({"recorder_lost_packets": 1}, "missing in the record"),
        ({"hold_overflow": 1}, "too many were held"),
        ({"own_errors": 1}, "itself failed"),
        ({"own_time_us": {"p99": 25000.0, "max": 3e6}}, "25000 us a packet"),
        ({"own_time_us": {"p99": 20.0, "max": 1.5e6}}, "1.5 s for one packet"),
        ({"hold_lateness_ms": {"p99": 2.0, "max": 1001.0}}, "left 1.0 s late"),
        ({"stalls_ms": {"monitor": 1001.0}}, "the monitor stood still for 1.0 s, and no packet moved"),
        ({"stalls_ms": {"recorder": 10_500.0}}, "the recorder stood still for 10.5 s"),
        ({"stalls_ms": {"driver": 5001.0, "monitor": 999.0}}, "the driver stood still for 5.0 s, and faults came"),
        ({"longest_stall_ms": 2000.0}, "the monitor stood still for 2.0 s"),
        ({"hold_lateness_ms": {"p99": 21.0}}, "21.0 ms late"),
        ({"recorder": {"finished": True, "lag_ms": {"max": 31_000}}}, "31.0 s behind"),
        ({"recorder": {}}, "did not finish its files"),
        (
            {
                "recorder": {
                    "finished": True,
                    "sinks": {"messages": {"codec_failures": 2, "codec_failure": "TypeError: x"}},
                }
            },
            "a decoder failed on 2 connections, whose later messages are missing in the record; first TypeError: x",
        ),
        ({"recorder": {"finished": True, "errors": ["raft: KeyError: 3"]}}, "raft: KeyError"),
    ],
)
def test_each_disturbance_is_a_reason_in_words(counters, words):
    reasons = disturbances({**GOOD, **counters})
    assert len(reasons) == 1
    assert words in reasons[0]


def test_counts_the_machine_does_not_give_are_no_reason():
    assert disturbances({**GOOD, "queue_kernel_dropped": None, "queue_user_dropped": None}) == []
