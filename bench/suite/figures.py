"""The arithmetic: columns of results, medians, spreads, ratios within rounds.

In: results, one dict for each measurement, with `work`, `contender` and `round`. Out: numbers, or text for tables.
"""

import statistics


def column(results, work, name, key):
    """The numbers of a contender in a work, by round; rounds in which it failed are not there."""
    chosen = [one for one in results if (one["work"], one["contender"]) == (work, name) and key in one]
    return {one["round"]: one[key] for one in chosen}


def median(results, work, name, key):
    values = column(results, work, name, key).values()
    return statistics.median(values) if values else None


def ratio(results, work, name, peer, key):
    """The median of the ratios within a round: what slows a whole round falls out."""
    ours, theirs = column(results, work, name, key), column(results, work, peer, key)
    ratios = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
    return statistics.median(ratios) if ratios else None


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def digits_for(value):
    """As many as make three figures."""
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 20 else 2


def spread(values):
    """median (min–max)"""
    values = list(values)
    if not values:
        return "–"
    middle = statistics.median(values)
    digits = digits_for(middle)
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"
