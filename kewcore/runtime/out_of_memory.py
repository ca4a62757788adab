"""Running out of memory as an error like any other."""

from collections.abc import Iterator
from contextlib import contextmanager

from kewcore.errors import PackageError


@contextmanager
def within_memory(what: str) -> Iterator[None]:
    """Tells in our own words that memory ran out.

    Args:
        what: What takes it, as the subject of a sentence.

    Raises:
        PackageError: It ran out.
    """
    try:
        yield
    except MemoryError as error:
        raise PackageError(f"{what} takes more memory than there is") from error
