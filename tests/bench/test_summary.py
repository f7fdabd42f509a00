import pytest

from tests.bench import summary


def one(rtt, packets=None, puts=None, disk=None, cost=None):
    found = {"rtt_100_us": {"p50": rtt}, "rtt_1400_us": {"p50": rtt + 1}}
    if packets:
        found["bulk"] = {"packets_per_s": packets}
    if puts:
        found["etcd"] = {"clients_1": {"puts_per_s": puts}, "clients_8": {"puts_per_s": puts * 2}}
        found["etcd"]["cost"] = {"loop_us": cost, "recorder_us": 1}
    if disk:
        found["etcd_disk"] = {"clients_1": {"puts_per_s": disk}, "clients_8": {"puts_per_s": disk * 3}}
    return found


ROUNDS = {
    "a_no_queue": [one(10, 900, 100, 50), one(10, 900, 100, 50), one(10, 900, 100, 50)],
    "b_c_loop": [one(20, 200, 98, cost=4), one(20, 200, 98, cost=4), one(20, 200, 98, cost=4)],
    "c_raftmon": [one(22, 120, 95, 48, 7), one(23, 100, 96, 49, 8), one(90, 10, 40, 10, 90)],
    "d_raftmon_1000_rules_elsewhere": [one(22), one(23), one(90)],
    "e_raftmon_10_rules_here": [one(25), one(26), one(95)],
    "f_scapy_loop": [one(310), one(310), one(310)],
}


def test_ratios_are_medians_of_the_ratios_inside_each_round():
    found = summary.ratios(ROUNDS)
    assert found["rtt_added_vs_c"] == 1.3
    assert found["rtt_added_vs_scapy"] == pytest.approx(300 / 13, abs=0.001)
    assert found["rules_other_links_cost"] == 0
    assert found["rules_this_link_added_us"] == 3
    assert found["bulk_vs_c"] == 0.5
    assert found["etcd_throughput_ratio"] == 0.95
    assert found["etcd_throughput_ratio_c_loop"] == 0.98
    assert found["etcd_disk_throughput_ratio"] == 0.96
    assert found["etcd_disk_throughput_ratio_decoding"] is None
    assert found["cost_vs_c_etcd"] == 9 / 5


def test_the_cost_of_a_disk_of_our_own_is_a_ratio_inside_its_variant():
    with_disk = {
        **one(10, disk=100),
        "etcd_fuse": {"clients_1": {"puts_per_s": 40}, "clients_8": {"puts_per_s": 150}},
    }
    found = summary.ratios({"h_own_disks": [with_disk]})
    assert found["own_disks_throughput_ratio_1_client"] == 0.4
    assert found["own_disks_throughput_ratio"] == 0.5
    assert summary.ratios(ROUNDS)["own_disks_throughput_ratio"] is None


def test_a_ratio_whose_variant_was_left_out_is_none():
    found = summary.ratios({key: ROUNDS[key] for key in ("a_no_queue", "c_raftmon")})
    assert found["rtt_added_vs_c"] is None
    assert found["rtt_added_raftmon_us"] == 13


def test_the_spread_of_a_ratio_is_that_of_its_rounds():
    found = summary.ratios_spread(ROUNDS)
    assert found["rtt_added_vs_c"] == [1.2, 8.0]
    assert found["rtt_added_vs_c_one_processor"] is None


def test_medians_keep_the_shape_and_the_spread():
    found = summary.medians(ROUNDS["c_raftmon"])
    assert found["rtt_100_us"]["p50"] == {"median": 23, "least": 22, "greatest": 90}
