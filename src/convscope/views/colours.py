"""The colours of numbers, for pictures and for the explorer's page.

Blue for what is negative, orange for what is positive, through a neutral zero: told apart by colour-blind eyes, and
lighter on a dark ground.
"""

from __future__ import annotations

ENDS = {
    "light": {"low": (0x05, 0x50, 0xAE), "zero": (0xF6, 0xF6, 0xF6), "high": (0xC4, 0x4E, 0x00)},
    "dark": {"low": (0x6C, 0xB6, 0xFF), "zero": (0x22, 0x27, 0x2E), "high": (0xFF, 0xA6, 0x57)},
}
"""Scheme → the colours of −1, 0 and 1, as red, green and blue; those between lie on straight lines."""
