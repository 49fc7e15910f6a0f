"""What is not known to cost nothing is not told as $0."""

from pathlib import Path

from undertone.models.services.cost import Part, paid, show_parts

KNOWN = paid("known", 10, 100, 10, "gpt-4o")
UNKNOWN = paid("unknown", 10, 100, 10, "nobody-knows")


def together(*parts: Part) -> tuple[object, str]:
    value, lines = show_parts("It", parts, Path("out"))
    return value["dollars"], next(line for line in lines if line.startswith("  together"))


def test_a_cost_that_is_not_known_is_told_as_such() -> None:
    dollars, line = together(UNKNOWN)
    assert dollars is None and "about a cost that is not known" in line and "$" not in line


def test_a_cost_that_is_known_in_part_is_told_with_what_is_not() -> None:
    dollars, line = together(KNOWN, UNKNOWN)
    assert dollars is None and "about $0.0035 and 1 of the 2 kinds of work at a cost that is not known" in line


def test_a_cost_that_is_known_is_told() -> None:
    dollars, line = together(KNOWN, KNOWN)
    assert dollars == 2 * (KNOWN.dollars or 0) and "about $0.0070, by the prices" in line
