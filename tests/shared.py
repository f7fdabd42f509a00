"""The folder of shared material beside the checkout: recordings and other people's histories, never committed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SHARED"]

_ROOT = Path(__file__).resolve().parents[1]


def _find() -> Path:
    """``shared`` beside the checkout, or beside one of the folders above it (a clone inside a temporary folder)."""
    for folder in _ROOT.parents:
        if (folder / "shared" / "histories").is_dir():
            return folder / "shared"
    return _ROOT.parent / "shared"


SHARED = _find()
