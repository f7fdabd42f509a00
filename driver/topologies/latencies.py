"""Measured latencies between cloud regions.

Mean round trips in ms between ten regions of AWS: "Latency Between AWS Global Regions" (2017), as tabled at
https://acomputerscientistlearnsaws.blogspot.com/2017/04/aws-regions.html; both directions were measured, the mean of
the two is taken, and one half of it is the latency of each direction. Later figures differ by some per cent: routes
change, distances do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.setup.errors import InputError

__all__ = ["REGIONS", "one_way_ms", "regions"]

REGIONS = (
    "virginia",
    "oregon",
    "ireland",
    "tokyo",
    "frankfurt",
    "singapore",
    "sydney",
    "california",
    "seoul",
    "sao-paulo",
)
"""In the order in which ``--topology wan`` takes them."""

_ROUND_TRIP_MS: dict[tuple[str, str], tuple[float, ...]] = {
    ("virginia", "california"): (72.74, 71.63),
    ("virginia", "oregon"): (86.98, 88.68),
    ("virginia", "ireland"): (80.55, 80.52),
    ("virginia", "frankfurt"): (88.66, 88.62),
    ("virginia", "tokyo"): (145.3, 145.3),
    ("virginia", "seoul"): (178.4, 176.6),
    ("virginia", "singapore"): (216.7, 216.7),
    ("virginia", "sydney"): (230.0, 229.7),
    ("virginia", "sao-paulo"): (119.5,),
    ("california", "oregon"): (19.46, 19.2),
    ("california", "ireland"): (153.2, 153.2),
    ("california", "frankfurt"): (166.6, 166.6),
    ("california", "tokyo"): (102.5, 102.5),
    ("california", "seoul"): (131.5, 132.6),
    ("california", "singapore"): (174.0, 173.9),
    ("california", "sydney"): (157.5, 157.8),
    ("california", "sao-paulo"): (192.7,),
    ("oregon", "ireland"): (137.0, 137.0),
    ("oregon", "frankfurt"): (159.5, 159.5),
    ("oregon", "tokyo"): (89.1, 89.16),
    ("oregon", "seoul"): (118.3, 118.2),
    ("oregon", "singapore"): (161.4, 161.4),
    ("oregon", "sydney"): (162.2, 161.9),
    ("oregon", "sao-paulo"): (182.7,),
    ("ireland", "frankfurt"): (19.56, 19.55),
    ("ireland", "tokyo"): (212.4, 212.4),
    ("ireland", "seoul"): (242.4, 242.4),
    ("ireland", "singapore"): (239.0, 238.1),
    ("ireland", "sydney"): (309.6, 309.6),
    ("ireland", "sao-paulo"): (191.3,),
    ("frankfurt", "tokyo"): (236.5, 236.6),
    ("frankfurt", "seoul"): (266.2, 265.3),
    ("frankfurt", "singapore"): (325.9, 325.9),
    ("frankfurt", "sydney"): (323.5, 323.2),
    ("frankfurt", "sao-paulo"): (194.9,),
    ("tokyo", "seoul"): (31.44, 31.32),
    ("tokyo", "singapore"): (73.79, 73.81),
    ("tokyo", "sydney"): (103.9, 103.9),
    ("tokyo", "sao-paulo"): (256.8,),
    ("seoul", "singapore"): (71.87, 71.29),
    ("seoul", "sydney"): (134.0, 134.0),
    ("seoul", "sao-paulo"): (286.3,),
    ("singapore", "sydney"): (175.3, 175.4),
    ("singapore", "sao-paulo"): (328.1,),
    ("sydney", "sao-paulo"): (322.5,),
}


def one_way_ms(a: str, b: str) -> float:
    """Half the mean round trip between two regions; 0 within one."""
    if a == b:
        return 0.0
    measured = _ROUND_TRIP_MS.get((a, b)) or _ROUND_TRIP_MS[(b, a)]
    return round(sum(measured) / len(measured) / 2, 3)


def regions(count: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The sites of ``count`` nodes: those named, or the first ones of REGIONS. Raises InputError."""
    for name in names:
        if name not in REGIONS:
            raise InputError(f"--topology wan: unknown region {name!r} (available: {', '.join(REGIONS)})")
    chosen = tuple(names) or REGIONS[:count]
    if len(set(chosen)) != len(chosen):
        raise InputError(f"--topology wan: a region is named twice in {', '.join(chosen)}")
    if len(chosen) != count:
        raise InputError(
            f"--topology wan has one node a site: {count} nodes but {len(chosen)} regions; "
            f"change --nodes, or name the regions (wan:{','.join(REGIONS[:3])}), or write a topology file"
        )
    return chosen
