"""A set over time: how many elements were acknowledged and how many each read saw; the odd ones a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raftmon.driver.histories.model import freeze
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.driver.report.pictures.frame import ROW, Frame, examples_of, frame_of

__all__ = ["set_picture"]

_MOST_ODD, _MOST_POINTS, _TALL = 12, 1500, 5


def set_picture(operations: Sequence[Operation], result: Mapping[str, Any], zero_ns: int | None) -> str:
    """The picture; empty where nothing was added."""
    adds = [one for one in operations if one.f == "add" and one.outcome is not Outcome.FAIL]
    reads = [one for one in operations if one.f == "read" and _elements(one) is not None]
    frame = frame_of([*adds, *reads], zero_ns)
    if frame is None or not adds:
        return ""
    _counts(frame, adds, reads)
    odd = _odd(operations, examples_of(result))
    for add, names in odd:
        _element(frame, add, names, reads)
    kinds = f": the first {len(odd)} odd elements below" if odd else ""
    return frame.svg(
        f"{len(adds):,} adds and {len(reads):,} reads{kinds}",
        "line: acknowledged elements; dots: how many a read saw"
        + ("; below: filled the read saw it, cross it did not" if odd else ""),
    )


def _elements(read: Operation) -> set[Any] | None:
    if read.outcome is not Outcome.OK or not isinstance(read.value, list | tuple | set):
        return None
    return {freeze(value) for value in read.value}


def _counts(frame: Frame, adds: Sequence[Operation], reads: Sequence[Operation]) -> None:
    """The curve of acknowledged adds and a dot for each read, summed over the sets where there are several."""
    middle = frame.row("elements", _TALL)
    low, high = middle + _TALL * ROW / 2 - 6, middle - _TALL * ROW / 2 + 10
    known = sorted(add.return_ns for add in adds if add.outcome is Outcome.OK and add.return_ns is not None)
    several = len({freeze(read.key) for read in reads}) > 1
    sizes = [(read.return_ns or read.call_ns, len(_elements(read) or ())) for read in reads]
    most = max([len(known), *(size for _, size in sizes), 1])

    def y(count: float) -> float:
        return low - (low - high) * count / most

    step = max(1, len(known) // _MOST_POINTS)
    path = "".join(
        f"{'L' if n else 'M'}{frame.axis.x(known[n]):.1f} {y(n + 1):.1f}" for n in range(0, len(known), step)
    )
    frame.parts.append(f'<path d="{path}" class="line median"/>')
    frame.parts.append(f'<text x="110" y="{high + 4:.0f}" class="tick">{most:,}</text>')
    if several:
        return  # a read of one of several sets says nothing about the sum
    for time_ns, size in sizes[:: max(1, len(sizes) // _MOST_POINTS)]:
        frame.parts.append(
            f'<circle cx="{frame.axis.x(time_ns):.1f}" cy="{y(size):.1f}" r="2.5" class="yes">'
            f"<title>a read saw {size:,}</title></circle>"
        )


def _odd(operations: Sequence[Operation], examples: Sequence[Mapping[str, Any]]) -> list[tuple[Operation, list[str]]]:
    """The elements that findings are about, worst first, each with the findings' names."""
    by_index = {one.index: one for one in operations}
    order = {"lost": 0, "stale": 2, "never-read": 3}
    found: dict[int, tuple[Operation, list[str]]] = {}
    for example in sorted(examples, key=lambda one: order.get(str(one.get("name")), 1)):
        for index in example.get("operations") or ():
            add = by_index.get(index)
            if add is not None and add.f == "add":
                found.setdefault(index, (add, []))[1].append(str(example.get("name")))
    return list(found.values())[:_MOST_ODD]


def _element(frame: Frame, add: Operation, names: Sequence[str], reads: Sequence[Operation]) -> None:
    y = frame.row(f"{add.value}: {', '.join(dict.fromkeys(names))}")
    end_ns = add.return_ns if add.return_ns is not None else frame.axis.end_ns
    said = f"add of {add.value!r} by process {add.process}" + (f" at {add.node}" if add.node else "")
    frame.bar(y, add.call_ns, end_ns, "held", said)
    element = freeze(add.value)
    shown = [read for read in reads if read.key == add.key and (read.return_ns or read.call_ns) >= add.call_ns]
    for read in _thinned(shown, element):
        sees = element in (_elements(read) or ())
        who = f"process {read.process}" + (f" at {read.node}" if read.node else "")
        known = add.return_ns is not None and read.call_ns > add.return_ns
        shape = "yes" if sees else "bad" if known else "no"
        frame.mark(y, read.return_ns or read.call_ns, shape, f"{who} {'saw it' if sees else 'did not see it'}")


def _thinned(reads: Sequence[Operation], element: Any) -> list[Operation]:
    """Reads at which the answer changes, and of the rest every k-th."""
    answers = [element in (_elements(read) or ()) for read in reads]
    step = max(1, len(reads) // 100)
    return [
        read
        for n, read in enumerate(reads)
        if n % step == 0 or n + 1 == len(reads) or (n and answers[n] != answers[n - 1]) or answers[n] != answers[n + 1]
    ]
