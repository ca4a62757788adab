"""Options whose value may be left out: `--quantize` of `kewcore export`, `--gate` of `kewcore bench`."""

from collections.abc import Callable, Sequence


def with_bare_option(args: Sequence[str], option: str, value: str, follows_bare: Callable[[str], bool]) -> list[str]:
    """Puts the value that a bare option means behind it.

    Args:
        args: Words of the command line.
        option: Such as `--gate`.
        value: What it means when it stands alone.
        follows_bare: Says of a word behind the option that it is not the option's value.

    Returns:
        The words, with the value behind each option that is bare: at the end, before another option, or before a word
        of which `follows_bare` says so.
    """
    filled: list[str] = []
    for position, word in enumerate(args):
        filled.append(word)
        following = args[position + 1] if position + 1 < len(args) else "--"
        if word == option and (following.startswith("-") or follows_bare(following)):
            filled.append(value)
    return filled
