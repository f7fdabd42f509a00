"""The statistics of a message record, for reading."""

from __future__ import annotations

from typing import Any

__all__ = ["print_statistics"]

_SHOWN_STATES = 8


def print_statistics(found: dict[str, Any]) -> None:
    """Print what ``raftmon.monitor.raft.database.query.statistics`` found."""
    counters = found["counters"]
    rate = f", {found['per_second']:,.0f}/s" if found["per_second"] else ""
    print(f"{found['messages']:,} messages, {found['bytes']:,} B in {found['seconds']:.3f} s{rate}")
    print(f"{found['puts']:,} different puts in the log")
    print(
        f"unparsed {found['unparsed_bytes']:,} B, skipped before a join {counters.get('skipped_bytes', 0):,} B, "
        f"holes {counters.get('hole_bytes', 0):,} B"
    )
    if not found["finished"]:
        print("the record is still being written, or its run broke off")
    print("\nby link and kind")
    for link in found["links"]:
        per_second = "" if link["per_second"] is None else f"{link['per_second']:>10,.1f}/s"
        print(
            f"  {link['from'] or '?':>8} -> {link['to'] or '?':<8} {link['kind']:<18} {link['messages']:>9,} "
            f"{link['bytes']:>12,} B {per_second}"
        )
    for title, key in (
        ("heartbeat interval", "heartbeat_interval_ms"),
        ("append round trip", "append_round_trip_ms"),
        ("heartbeat round trip", "heartbeat_round_trip_ms"),
    ):
        print(f"\n{title} (ms)")
        for link, numbers in found[key].items():
            if numbers:
                spread = "  ".join(f"{name} {numbers[name]:>9.3f}" for name in ("p50", "p99", "max"))
                print(f"  {link:<18} {spread}  ({numbers['count']:,})")
    print("\nelections")
    for election in found["elections"]:
        took = (
            "no winner" if election["took_ms"] is None else f"{election['winner']} leads after {election['took_ms']} ms"
        )
        silent = f" for {election['silent_ms']:.0f} ms" if election["silent_ms"] is not None else ""
        group = f" of {election['group']}" if election["group"] else ""
        print(
            f"  {election['at_s']:>10.3f} s  term {election['term']}{group}: {election['candidate']} stands "
            f"({election['cause']}{silent}), votes of {', '.join(election['votes']) or 'no node'}; {took}"
        )
    print("\nnodes (term, role, commit, match over time)")
    for node, states in found["nodes"].items():
        print(f"  {node}")
        step = max(1, len(states) // _SHOWN_STATES)
        shown = states[::step]
        if shown[-1] is not states[-1]:
            shown.append(states[-1])
        for state in shown:
            place = f"commit {state['commit']:<9} match {state['match']}"
            print(f"    {state['at_s']:>10.3f} s  term {state['term']:<4} {state['role']:<10} {place}")
    _print_invariants(found)


def _print_invariants(found: dict[str, Any]) -> None:
    conformance = found["conformance"]
    for title, rows in (("invariants", found["invariants"]), ("conformance of nodes", conformance.get("rules", {}))):
        print(f"\n{title}")
        for name, result in rows.items():
            state = f"BROKEN {result['broken']} times" if result["broken"] else "holds"
            print(f"  {name:<22} {state}, checked {result['checked']:,} times; not visible: {result['not_visible']}")
    if conformance.get("complete") is False:
        print("  bytes of the record are missing: rules that rest on what was not seen were not asked from then on")
    for system, words in conformance.get("deviations", {}).items():
        print(f"  {system} differs by design: {words}")
    for violation in found["violations"]:
        print(f"\n  {violation['invariant']}: {violation['sentence']}")
        for witness in violation["witnesses"]:
            print(f"    packet {witness['first_packet']}..{witness['last_packet']}: {witness['sentence']}")
