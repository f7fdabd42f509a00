from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.clients.latency import BUCKETS, bucket, bucket_ms, percentile_ms


@given(st.integers(0, 10**14))
def test_a_bucket_is_at_most_seven_percent_wide(latency_ns):
    number = bucket(latency_ns)
    assert 0 <= number < BUCKETS
    assert abs(bucket_ms(number) * 1e6 - latency_ns) <= max(1, 0.07 * latency_ns)


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_buckets_keep_the_order(one, other):
    assert (one <= other) <= (bucket(one) <= bucket(other))


def test_percentiles_of_a_thousand_latencies():
    counts = {}
    for milliseconds in range(1, 1001):
        number = bucket(milliseconds * 1_000_000)
        counts[number] = counts.get(number, 0) + 1
    p50, p99 = percentile_ms(counts, (0.5, 0.99))
    assert abs(p50 - 500) < 35
    assert abs(p99 - 990) < 70


def test_no_operations_no_percentiles():
    assert percentile_ms({}, (0.5,)) == [None]


def test_a_clock_that_went_back_counts_as_nothing():
    assert bucket(-5) == 0
