"""What a package must keep, and whether measured figures say that it does."""

from dataclasses import dataclass
from typing import Literal

from kewcore.errors import UsageError
from kewcore_export.search.figures import Figures

DEFAULT_MAX_DROP_PP = 0.5


@dataclass(frozen=True)
class Miss:
    """A bound that figures do not keep.

    Attributes:
        bound: Which.
        text: What came, and what was allowed.
    """

    bound: Literal["drop", "agreement", "size"]
    text: str


@dataclass(frozen=True)
class Budget:
    """Bounds of a search; None where there is none.

    Attributes:
        max_drop_pp: Most accuracy that may be lost, in percentage points.
        min_agreement: Least top-1 agreement with the reference, 0…1.
        max_size_bytes: Largest package.
    """

    max_drop_pp: float | None
    min_agreement: float | None
    max_size_bytes: int | None

    def misses(self, figures: Figures) -> tuple[Miss, ...]:
        """Says which bounds on answers the figures do not keep; none where all are kept.

        A drop is judged by its estimate and two standard deviations more, an agreement by what it is and two less: few
        images alone say little, and the smallest of many packages would be the luckiest.
        """
        found = []
        if self.max_drop_pp is not None and figures.estimated_drop_upper_pp > self.max_drop_pp:
            upper = figures.estimated_drop_upper_pp
            found.append(Miss("drop", f"a drop of up to {upper:.2f} pp estimated, more than {self.max_drop_pp:g} pp"))
        if self.min_agreement is not None and figures.agreement_lower < self.min_agreement:
            lower = figures.agreement_lower
            found.append(
                Miss("agreement", f"an agreement of down to {lower:.2%} estimated, less than {self.min_agreement:.2%}")
            )
        return tuple(found)

    @property
    def judges_answers(self) -> bool:
        """Whether it says anything of answers, and not of the size alone."""
        return self.max_drop_pp is not None or self.min_agreement is not None

    def misses_by_size(self, size_bytes: int) -> tuple[Miss, ...]:
        """Says that a package of this size is too large; nothing where it is not."""
        if self.max_size_bytes is None or size_bytes <= self.max_size_bytes:
            return ()
        return (Miss("size", f"{size_bytes:,} bytes, more than {self.max_size_bytes:,}"),)

    def missed_on_unseen(self, figures: Figures) -> tuple[Miss, ...]:
        """Says which bounds are not kept on images that nothing was chosen by; the figures count as they are."""
        found = []
        if self.max_drop_pp is not None and figures.drop_pp > self.max_drop_pp:
            found.append(Miss("drop", f"a drop of {figures.drop_pp:.2f} pp, more than {self.max_drop_pp:g} pp"))
        if self.min_agreement is not None and figures.agreement < self.min_agreement:
            text = f"an agreement of {figures.agreement:.2%}, less than {self.min_agreement:.2%}"
            found.append(Miss("agreement", text))
        return tuple(found)

    def __str__(self) -> str:
        words = []
        if self.max_drop_pp is not None:
            words.append(f"drop of at most {self.max_drop_pp:g} pp")
        if self.min_agreement is not None:
            words.append(f"agreement of at least {self.min_agreement:.2%}")
        if self.max_size_bytes is not None:
            words.append(f"size of at most {self.max_size_bytes:,} bytes")
        return ", ".join(words)


def budget_of(max_drop: str | None, min_agreement: float | None, max_size: str | None) -> Budget:
    """Reads bounds as they are given on the command line; without any, `DEFAULT_MAX_DROP_PP` holds.

    Args:
        max_drop: Percentage points, such as `0.5pp` or `0.5`.
        min_agreement: Between 0 and 1.
        max_size: Such as `4MB`, `900kB` or a number of bytes; decimal prefixes.

    Raises:
        UsageError: One of them makes no sense.
    """
    if min_agreement is not None and not 0 < min_agreement < 1:
        raise UsageError(
            f"--min-agreement must lie between 0 and 1, got {min_agreement:g}",
            hint="no number of images shows that answers never differ; 0.99 is a high bound",
        )
    drop = None if max_drop is None else _drop(max_drop)
    if drop is None and min_agreement is None and max_size is None:
        drop = DEFAULT_MAX_DROP_PP
    return Budget(drop, min_agreement, None if max_size is None else _size(max_size))


def _drop(text: str) -> float:
    number = _number(text.strip().removesuffix("pp"))
    if number is None or not 0 <= number < 100:
        raise UsageError(f"--max-drop must be percentage points such as 0.5pp, got '{text}'")
    return number


def _size(text: str) -> int:
    units = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "b": 1.0, "": 1.0}
    plain = text.strip().lower()
    unit = next(unit for unit in units if plain.endswith(unit))
    number = _number(plain.removesuffix(unit))
    if number is None or number <= 0:
        raise UsageError(f"--max-size must be a size such as 4MB or 900kB, got '{text}'")
    return int(number * units[unit])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None
