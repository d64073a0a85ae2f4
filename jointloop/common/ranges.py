"""Sets of whole numbers in few words: 0-41, 43, 45-99."""

from collections.abc import Iterable, Iterator


def in_ranges(numbers: Iterable[int]) -> str:
    """The numbers as text; `of_ranges` reads it back."""
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in _runs(numbers))


def of_ranges(text: str) -> set[int]:
    """The numbers that `in_ranges` named.

    Raises:
        ValueError: the text is none of its.
    """
    found: set[int] = set()
    for part in text.split(", ") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of every run without a gap."""
    first = last = None
    for number in sorted(set(numbers)):
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last
