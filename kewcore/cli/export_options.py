"""`kewcore export`: options that only say something about some modes."""

from collections.abc import Mapping

_W8A8, _AUTO, _FINETUNE = "--quantize w8a8", "--quantize auto", "--finetune"
NEEDS = {
    "--calibration": (_W8A8, _AUTO, _FINETUNE),
    "--calibration-images": (_W8A8,),
    "--calibrate-method": (_W8A8,),
    "--symmetric-activations": (_W8A8,),
    "--keep-float": (_W8A8,),
    "--max-drop": (_AUTO,),
    "--min-agreement": (_AUTO,),
    "--max-size": (_AUTO,),
    "--time-limit": (_AUTO,),
    "--finetune-epochs": (_FINETUNE,),
}
"""By option, what it speaks of: one of these must be there."""


def check_fit(given: Mapping[str, bool], *, w8a8: bool, auto: bool, finetune: bool) -> None:
    """Refuses options that would be ignored.

    Args:
        given: Whether each option of `NEEDS` was given.
        w8a8: Whether a mode quantises activations.
        auto: Whether a mode searches.
        finetune: Whether compressed weights are trained.

    Raises:
        UsageError: An option speaks of what is not asked for.
    """
    from kewcore.errors import UsageError

    there = {_W8A8: w8a8, _AUTO: auto, _FINETUNE: finetune}
    for option, needed in NEEDS.items():
        if given[option] and not any(there[one] for one in needed):
            words = " or ".join(needed)
            raise UsageError(f"{option} says nothing without {words}", hint=f"add {words}, or leave {option} out")
