"""Thresholds that lie between scores, never on one.

Two runs may differ in the last digit of a score. A threshold that a score, or thousands of equal
ones, stand on decides by that digit.
"""

from __future__ import annotations

from collections.abc import Iterable

# As many digits as are tried, from the fewest that a configuration shows.
_DIGITS = range(4, 13)


def clear_threshold(
    threshold: float, accepted: Iterable[float], rejected: Iterable[float]
) -> float:
    """The threshold nearest to another that has some scores above it and the others below.

    Args:
        threshold: where it would be.
        accepted: scores that it must be below.
        rejected: scores that it must be above.

    Returns:
        A number with few digits; `threshold` itself, rounded, if no number parts the scores.
    """
    high, low = min(accepted, default=1.0), max(rejected, default=0.0)
    if low >= high:
        return round(threshold, _DIGITS[0])
    # Not so near to either that rounding reaches it.
    margin = min(1e-4, (high - low) / 4)
    inside = min(max(threshold, low + margin), high - margin)
    for digits in _DIGITS:
        rounded = round(inside, digits)
        if low < rounded < high:
            return rounded
    return inside
