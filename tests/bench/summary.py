"""From single rounds to medians, spreads, ratios and a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Numbers = Mapping[str, Any]

_ROWS = (
    *(
        f"RTT us, {size} {part}"
        for size in ("100 B", "1,400 B", "100 B, one processor:")
        for part in ("p50", "p99", "max")
    ),
    *("bulk MB/s", "bulk packets/s"),
    *(
        f"puts/s, {clients}, {place}" + part
        for place in ("tmpfs", "disk", "raftmon's disk")
        for clients in ("1 client", "8 clients")
        for part in ("", ": p99 ms")
    ),
    *(f"loop+recorder us a packet, {place}" for place in ("RTT 100 B", "bulk", "etcd")),
)


def medians(rounds: Sequence[Numbers]) -> dict[str, Any]:
    """The same shape, with median, least and greatest in the place of each number."""
    found: dict[str, Any] = {}
    for key, value in rounds[0].items():
        values = [one[key] for one in rounds]
        if isinstance(value, Mapping):
            found[key] = medians(values)
        else:
            found[key] = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return found


def ratios(rounds: Mapping[str, Sequence[Numbers]]) -> dict[str, float | None]:
    """The figures that must hold: each a median over the rounds of the ratio inside one round."""
    return {key: None if not found else round(statistics.median(found), 3) for key, found in _ratios(rounds).items()}


def ratios_spread(rounds: Mapping[str, Sequence[Numbers]]) -> dict[str, list[float] | None]:
    """The least and the greatest of the same ratios."""
    return {
        key: None if not found else [round(min(found), 3), round(max(found), 3)]
        for key, found in _ratios(rounds).items()
    }


def _ratios(rounds: Mapping[str, Sequence[Numbers]]) -> dict[str, list[float]]:
    """Each ratio in each round; none where a variant was left out."""

    def over_rounds(make: Any) -> list[float]:
        found = []
        for number in range(len(next(iter(rounds.values())))):
            try:
                found.append(make({key: all_rounds[number] for key, all_rounds in rounds.items()}))
            except (KeyError, ZeroDivisionError):
                return []
        return found

    def added(one: Numbers, key: str, size: str = "100") -> float:
        name = f"rtt_{size}_us"
        return float(one[key][name]["p50"] - one["a_no_queue"][name]["p50"])

    def spent(figures: Numbers) -> float:
        return float(sum(figures["cost"].values()))

    def puts(key: str, place: str = "etcd", clients: str = "clients_8") -> list[float]:
        return over_rounds(
            lambda one: one[key][place][clients]["puts_per_s"] / one["a_no_queue"][place][clients]["puts_per_s"]
        )

    def own_disks(clients: str) -> list[float]:
        def ratio(one: Numbers) -> float:
            found = one["h_own_disks"]
            return float(found["etcd_fuse"][clients]["puts_per_s"] / found["etcd_disk"][clients]["puts_per_s"])

        return over_rounds(ratio)

    alone = "100_one_processor"
    c, d, e = "c_raftmon", "d_raftmon_1000_rules_elsewhere", "e_raftmon_10_rules_here"
    return {
        "rtt_added_c_loop_us": over_rounds(lambda one: added(one, "b_c_loop")),
        "rtt_added_raftmon_us": over_rounds(lambda one: added(one, c)),
        "rtt_added_vs_c": over_rounds(lambda one: added(one, c) / added(one, "b_c_loop")),
        "rtt_added_vs_c_1400": over_rounds(lambda one: added(one, c, "1400") / added(one, "b_c_loop", "1400")),
        "rtt_added_vs_c_one_processor": over_rounds(lambda one: added(one, c, alone) / added(one, "b_c_loop", alone)),
        "rtt_added_c_loop_one_processor_us": over_rounds(lambda one: added(one, "b_c_loop", alone)),
        "rtt_added_raftmon_one_processor_us": over_rounds(lambda one: added(one, c, alone)),
        "rtt_added_vs_scapy_one_processor": over_rounds(
            lambda one: added(one, "f_scapy_loop", alone) / added(one, c, alone)
        ),
        "rules_other_links_cost_one_processor": over_rounds(
            lambda one: one[d][f"rtt_{alone}_us"]["p50"] / one[c][f"rtt_{alone}_us"]["p50"] - 1
        ),
        "rtt_added_vs_scapy": over_rounds(lambda one: added(one, "f_scapy_loop") / added(one, c)),
        "rules_other_links_cost": over_rounds(
            lambda one: one[d]["rtt_100_us"]["p50"] / one[c]["rtt_100_us"]["p50"] - 1
        ),
        "rules_this_link_added_us": over_rounds(lambda one: one[e]["rtt_100_us"]["p50"] - one[c]["rtt_100_us"]["p50"]),
        "bulk_vs_c": over_rounds(
            lambda one: one[c]["bulk"]["packets_per_s"] / one["b_c_loop"]["bulk"]["packets_per_s"]
        ),
        "cost_vs_c_etcd": over_rounds(lambda one: spent(one[c]["etcd"]) / spent(one["b_c_loop"]["etcd"])),
        "etcd_throughput_ratio": puts(c),
        "etcd_throughput_ratio_1_client": puts(c, clients="clients_1"),
        "etcd_throughput_ratio_c_loop": puts("b_c_loop"),
        "etcd_disk_throughput_ratio": puts(c, "etcd_disk"),
        "etcd_disk_throughput_ratio_1_client": puts(c, "etcd_disk", "clients_1"),
        "etcd_disk_throughput_ratio_c_loop": puts("b_c_loop", "etcd_disk"),
        "etcd_disk_throughput_ratio_decoding": puts("g_raftmon_run", "etcd_disk"),
        "etcd_throughput_ratio_decoding": puts("g_raftmon_run"),
        "own_disks_throughput_ratio": own_disks("clients_8"),
        "own_disks_throughput_ratio_1_client": own_disks("clients_1"),
    }


def _columns(found: Numbers) -> Iterator[str]:
    def median(*path: str, digits: int = 1) -> str:
        at: Any = found
        for key in path:
            if key not in at:
                return ""
            at = at[key]
        spread = max(at["greatest"] - at["median"], at["median"] - at["least"])
        return f"{at['median']:.{digits}f} ±{spread:.{digits}f}"

    for size in ("rtt_100_us", "rtt_1400_us", "rtt_100_one_processor_us"):
        for part in ("p50", "p99", "max"):
            yield median(size, part)
    yield median("bulk", "mb_per_s", digits=0)
    yield median("bulk", "packets_per_s", digits=0)
    for place in ("etcd", "etcd_disk", "etcd_fuse"):
        for clients in ("clients_1", "clients_8"):
            yield median(place, clients, "puts_per_s", digits=0)
            yield median(place, clients, "p99_ms")
    for place in ("rtt_100_us", "bulk", "etcd"):
        yield "+".join(filter(None, (median(place, "cost", key) for key in ("loop_us", "recorder_us"))))


def show(result: Mapping[str, Any], words: Mapping[str, str]) -> None:
    """Print the table and the ratios."""
    table = Table(title="median over rounds, ± the farthest round")
    table.add_column("")
    columns = []
    for key, found in result["variants"].items():
        table.add_column(words[key], justify="right")
        columns.append(list(_columns(found)))
    for head, *cells in zip(_ROWS, *columns, strict=True):
        table.add_row(head, *cells)
    console = Console(width=180)
    console.print(table)
    for name, value in result["ratios"].items():
        spread = result["ratios_spread"][name]
        console.print(f"{name}: {value}" + (f"  ({spread[0]} to {spread[1]})" if spread else ""))
