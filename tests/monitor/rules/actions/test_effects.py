"""What each action does to the packets of one link."""

from __future__ import annotations

import random
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.packets.checksums import transport_sum_is_valid
from raftmon.monitor.packets.view import TCP, UDP, PacketView
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.actions.binding import Scene
from raftmon.monitor.rules.actions.decision import Decision, Order
from raftmon.monitor.rules.actions.effects import bind, draw_delay_ns
from raftmon.monitor.rules.actions.token_bucket import TokenBucket
from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.verdict import Copy, Verdict
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

LINK = Link("n1", "n2")
MS = 1_000_000


def scene() -> Scene:
    return Scene(LINK, random.Random(7))


def apply(action: kinds.Action, data: bytes, now_ns: int = 1) -> Verdict | None:
    """The verdict of one action alone; None where it had nothing to do."""
    decision = Decision(PacketView(data, LINK, now_ns))
    return decision.finish(Order()) if bind(action, scene())(decision) else None


def changed(action: kinds.Action, data: bytes) -> bytes:
    verdict = apply(action, data)
    assert verdict is not None
    assert verdict.copies[0].data is not None
    return verdict.copies[0].data


PACKET = craft(LINK, payload=b"hello hello")


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto"])
def test_delays_have_the_mean_that_was_asked_for(distribution: kinds.Distribution) -> None:
    rng = random.Random(3)
    action = kinds.Delay(50, 10, distribution)
    drawn = [draw_delay_ns(action, rng) / MS for _ in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(50, rel=0.01)
    if distribution == "uniform":
        assert 40 <= min(drawn) <= max(drawn) <= 60
    elif distribution == "pareto":
        assert min(drawn) >= 40
        assert max(drawn) > 150
    else:
        spread = (sum((ms - 50) ** 2 for ms in drawn) / len(drawn)) ** 0.5
        assert spread == pytest.approx(10, rel=0.05)


@given(st.floats(0, 100), st.floats(0, 1000), st.sampled_from(["uniform", "normal", "pareto"]), st.integers())
def test_no_delay_is_negative(ms: float, jitter_ms: float, distribution: kinds.Distribution, seed: int) -> None:
    assert draw_delay_ns(kinds.Delay(ms, jitter_ms, distribution), random.Random(seed)) >= 0


def losses(action: kinds.Action, packets: int) -> list[bool]:
    effect = bind(action, scene())
    return [effect(Decision(PacketView(PACKET, LINK, 1))) for _ in range(packets)]


def test_independent_loss_has_its_rate() -> None:
    assert sum(losses(kinds.Loss(0.2), 20_000)) / 20_000 == pytest.approx(0.2, rel=0.05)


def test_gilbert_elliott_loss_comes_in_bursts_of_the_expected_rate_and_length() -> None:
    lost = losses(kinds.LossBursts(0.02, 0.25), 60_000)
    assert sum(lost) / len(lost) == pytest.approx(0.02 / (0.02 + 0.25), rel=0.1)
    bursts = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    assert sum(bursts) / len(bursts) == pytest.approx(1 / 0.25, rel=0.1)


def test_gilbert_elliott_states_have_losses_of_their_own() -> None:
    lost = losses(kinds.LossBursts(0.1, 0.1, bad=0.5, good=0.1), 60_000)
    assert sum(lost) / len(lost) == pytest.approx(0.3, rel=0.1)


def test_duplicates_follow_at_their_gap() -> None:
    verdict = apply(kinds.Duplicate(2, 3), PACKET)
    assert verdict is not None
    assert [copy.due_ns for copy in verdict.copies] == [0, 1 + 3 * MS, 1 + 6 * MS]
    assert apply(kinds.Duplicate(), PACKET) == Verdict((Copy(), Copy()), "", "duplicate x1")


def different_bits(one: bytes, two: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(two, "big")).bit_count()


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("version", [4, 6])
def test_corrupt_leaves_the_checksum_wrong_unless_it_repairs(protocol: int, version: int) -> None:
    data = craft(LINK, protocol, payload=b"some payload", version=version)
    wrong = changed(kinds.Corrupt(), data)
    assert different_bits(wrong, data) == 1
    assert not transport_sum_is_valid(wrong)
    right = changed(kinds.Corrupt(repair=True), data)
    assert transport_sum_is_valid(right)
    assert different_bits(PacketView(right).payload, PacketView(data).payload) == 1


@given(st.integers(2, 40), st.integers())
def test_many_flips_never_cancel_out_in_the_sum(bits: int, seed: int) -> None:
    decision = Decision(PacketView(PACKET, LINK, 1))
    bind(kinds.Corrupt(bits), Scene(LINK, random.Random(seed)))(decision)
    (copy,) = decision.finish(Order()).copies
    assert copy.data is not None
    view = PacketView(copy.data)
    assert view.malformed is not None or not transport_sum_is_valid(copy.data)


def test_corrupt_and_repair_pass_by_what_has_no_payload() -> None:
    assert apply(kinds.Corrupt(repair=True), craft(LINK)) is None
    assert apply(kinds.Corrupt(), craft(LINK)) is not None
    assert apply(kinds.Corrupt(), b"") is None


@given(
    st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(20, 1500)), min_size=1, max_size=60),
    st.floats(1, 10_000),
    st.integers(1, 20_000),
    st.integers(0, 100_000),
)
def test_no_window_carries_more_than_burst_and_rate(
    packets: list[tuple[int, int]], kbit_s: float, burst_bytes: int, queue_bytes: int
) -> None:
    bucket = TokenBucket(kinds.Rate(kbit_s, queue_bytes, burst_bytes))
    now_ns, left = 0, []
    for gap_ns, size in packets:
        now_ns += gap_ns
        depart_ns = bucket.depart_ns(now_ns, size)
        if depart_ns is not None:
            assert depart_ns >= now_ns
            assert (depart_ns - now_ns) * kbit_s / 8e6 <= queue_bytes + 1
            left.append((depart_ns, size))
    assert [time for time, _ in left] == sorted(time for time, _ in left)
    for first in range(len(left)):
        sent = 0
        for time, size in left[first:]:
            sent += size
            assert sent <= burst_bytes + (time - left[first][0]) * kbit_s / 8e6 + left[first][1] + 2


def test_a_full_queue_drops_at_its_tail_and_says_so() -> None:
    effect = bind(kinds.Rate(8, queue_bytes=100, burst_bytes=60), scene())
    comments = []
    for _ in range(4):
        decision = Decision(PacketView(PACKET, LINK, 1))
        effect(decision)
        comments.append(decision.finish(Order()).comment)
    assert comments == ["", "rate: held 42.000 ms", "rate: held 93.000 ms", "rate: queue full"]


def test_replace_changes_every_occurrence_and_repairs() -> None:
    out = changed(kinds.Replace(b"hello", b"bye"), PACKET)
    assert PacketView(out).payload == b"bye bye"
    assert PacketView(out).malformed is None
    assert transport_sum_is_valid(out)
    assert apply(kinds.Replace(b"absent", b"x"), PACKET) is None


def test_rewrites_see_each_other_and_corruption_comes_last() -> None:
    decision = Decision(PacketView(PACKET, LINK, 1))
    for action in (kinds.Corrupt(repair=True), kinds.Replace(b"hello", b"ab"), kinds.Rewrite(lambda p: p.upper())):
        assert bind(action, scene())(decision)
    (copy,) = decision.finish(Order()).copies
    assert copy.data is not None
    assert different_bits(PacketView(copy.data).payload, b"AB AB") == 1
    assert transport_sum_is_valid(copy.data)


def test_corruption_of_a_payload_that_a_rewrite_emptied_is_nothing() -> None:
    decision = Decision(PacketView(PACKET, LINK, 1))
    for action in (kinds.Corrupt(repair=True), kinds.Replace(b"hello hello", b"")):
        assert bind(action, scene())(decision)
    (copy,) = decision.finish(Order()).copies
    assert copy.data == craft(LINK)


def test_rewrite_may_leave_the_payload_and_must_return_bytes() -> None:
    assert apply(kinds.Rewrite(lambda payload: None), PACKET) is None
    assert apply(kinds.Rewrite(lambda payload: payload), PACKET) is None
    with pytest.raises(TypeError, match="return bytes or None"):
        apply(kinds.Rewrite(lambda payload: "text"), PACKET)  # type: ignore[arg-type, return-value]


def test_mirror_and_unrecorded_only_tell_the_recorder() -> None:
    assert apply(kinds.Mirror(), PACKET) == Verdict((Copy(),), "", "mirror", (), True)
    assert apply(kinds.Unrecorded(), PACKET) == Verdict((Copy(),), "", "", (), False)


@pytest.mark.parametrize("action", [kinds.Corrupt(), kinds.Corrupt(3, True), kinds.Replace(b"a", b"b"), kinds.Reject()])
def test_hostile_bytes_harm_no_action(action: kinds.Action) -> None:
    rng = random.Random(1)
    for length in range(120):
        data = bytes([rng.choice((0x45, 0x46, 0x60, 0xFF)), *rng.randbytes(length)])[:length]
        apply(action, data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: kinds.Delay(-1),
        lambda: kinds.Delay(float("nan")),
        lambda: kinds.Delay(1, 1, "cauchy"),  # type: ignore[arg-type]
        lambda: kinds.Delay("5"),  # type: ignore[arg-type]
        lambda: kinds.Delay(True),
        lambda: kinds.Loss(1.5),
        lambda: kinds.LossBursts(0.1, 2),
        lambda: kinds.Duplicate(0),
        lambda: kinds.Duplicate(1.5),  # type: ignore[arg-type]
        lambda: kinds.Reorder(float("inf")),
        lambda: kinds.Corrupt(0),
        lambda: kinds.Rate(0),
        lambda: kinds.Replace(b"", b"x"),
    ],
)
def test_impossible_numbers_are_refused(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]
