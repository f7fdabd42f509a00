"""What the offline pages share: one HTML file with its styles, scripts and data inside, that may ask for nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson

__all__ = ["SIGNS", "embedded_json", "web", "whole_page"]

SIGNS = {"valid": "\u2713", "invalid": "\u2717", "unknown": "?"}
"""A sign for each verdict: colour is never the only one."""


def embedded_json(value: Any) -> str:
    """JSON that may be in a page's script element: nothing in it can end that element."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def web(name: str) -> str:
    """The text of a script, a style or a part of a page: a file in ``report/web``."""
    return files("raftmon.driver.report").joinpath("web", name).read_text(encoding="utf-8")


def whole_page(
    title: str,
    body: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: tuple[str, str],
    connects: bool = False,
) -> str:
    """The page as text. ``body`` is HTML, ``data`` the id and text of its embedded JSON; ``styles`` and ``scripts`` are
    names of files in ``report/web``. Only with ``connects`` (a live run) may it ask its own server.
    """
    connect = "; connect-src 'self'" if connects else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'{connect}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{html.escape(title)}</title>'
        + "".join(f"<style>{web(name)}</style>" for name in styles)
        + f"</head><body><main>{body}</main>"
        + f'<script type="application/json" id="{data[0]}">{data[1]}</script>'
        + "".join(f"<script>{web(name)}</script>" for name in scripts)
        + "</body></html>\n"
    )
