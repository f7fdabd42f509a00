"""A live view as one screen of the terminal, with rich."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from raftmon.driver.live.view import LiveView

__all__ = ["screen"]

_MOST_LINKS = 12
_STYLES = {"leader": "bold green", "candidate": "yellow", "pre-candidate": "yellow"}
_SIGNS = {"leader": "★", "candidate": "?", "pre-candidate": "?"}
_SILENT_S = 1.0


def screen(view: LiveView, title: str) -> RenderableType:
    """Nodes, links, rules and messages."""
    parts: list[RenderableType] = [_nodes(view), _links(view)]
    if view.rules:
        parts.append(_rules(view))
    if view.messages:
        parts.append(_messages(view))
    parts += [Text(f"invariant violated: {sentence}", style="bold red") for sentence in view.violations]
    waiting = f", {view.waiting:,} waiting in the queue" if view.waiting else ""
    return Panel(Group(*parts), title=f"{title}: {view.packets:,} packets, {view.per_s:,.0f} a second{waiting}")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("node", "group", "role", "link", "rule", "kind") else "right")
    return table


def _nodes(view: LiveView) -> RenderableType:
    if not view.nodes:
        return Text("no Raft message decoded yet", style="dim")
    groups = len({node.group for node in view.nodes}) > 1
    table = _table("node", *(["group"] if groups else []), "role", "term", "commit", "match", "silent")
    for node in view.nodes:
        silent = "" if node.silent_s is None or node.silent_s < _SILENT_S else f"{node.silent_s:.0f} s"
        table.add_row(
            node.node,
            *([node.group] if groups else []),
            Text(f"{_SIGNS.get(node.role, ' ')} {node.role}", style=_STYLES.get(node.role, "")),
            str(node.term),
            str(node.commit),
            str(node.match),
            silent,
        )
    return table


def _links(view: LiveView) -> RenderableType:
    table = _table("link", "packets", "a second")
    for link in view.links[:_MOST_LINKS]:
        table.add_row(link.link, f"{link.packets:,}", f"{link.per_s:,.0f}")
    return table


def _rules(view: LiveView) -> RenderableType:
    table = _table("rule", "matched", "acted")
    for rule in view.rules:
        table.add_row(rule.name, f"{rule.matched:,}", f"{rule.acted:,}")
    return table


def _messages(view: LiveView) -> RenderableType:
    table = _table("kind", "link", "term", "ago")
    for message in view.messages:
        table.add_row(message.kind, message.link, str(message.term), f"{message.ago_s:.1f} s")
    return table
