"""The partial order of one register's versions: does it have a cycle, and which of its pairs follow from others."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

__all__ = ["first_cycle", "without_implied"]

Order = Mapping[Any, set[Any]]


def first_cycle(order: Order) -> list[Hashable] | None:
    """A cycle of values (first and last are the same), or None. Iterative depth-first search."""
    done: set[Any] = set()
    for root in order:
        if root in done:
            continue
        path: list[Any] = [root]
        on_path = {root}
        stack: list[Iterator[Any]] = [iter(order.get(root, ()))]
        while stack:
            following = next(stack[-1], stack)
            if following is stack:
                stack.pop()
                left = path.pop()
                on_path.discard(left)
                done.add(left)
            elif following in on_path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                on_path.add(following)
                stack.append(iter(order.get(following, ())))
    return None


def without_implied(order: Order) -> dict[Any, set[Any]]:
    """The order without the pairs that null's being first adds where another version already stands before."""
    followed = {later for earlier, laters in order.items() if earlier is not None for later in laters}
    kept = {earlier: set(laters) for earlier, laters in order.items() if earlier is not None}
    if None in order:
        kept[None] = {later for later in order[None] if later not in followed}
    return kept
