"""The forms that a search tries for a weight, in families that go from gentle to harsh."""

from kewcore_export.forms import WeightForm, parse_form
from kewcore_export.low_rank import largest_input_rank, largest_output_rank, largest_useful_rank
from kewcore_export.program import StoredConstant
from kewcore_export.targets import Target

Family = tuple[WeightForm, ...]

# What a weight below this part of all weights can save is not worth running a package for each form.
_SMALL_PART = 0.005
# Only weights above this part of all are worth two operations in place of one.
_FACTORISED_PART = 0.1
_LINEAR = ("int8", "int4")
_PALETTES = ("palette-8", "palette-6", "palette-4", "palette-3", "palette-2", "palette-1")
_GROUPED = ("palette-6-group-8", "palette-4-group-8")
_VECTORS = ("palette-8-vector-2", "palette-6-vector-2", "palette-8-vector-4", "palette-6-vector-4")
_SPARSE = ("prune-50", "prune-75", "prune-90")
_JOINT = ("prune-50-palette-6", "prune-50-palette-4", "prune-75-palette-4", "prune-90-palette-4")
_FACTOR_FORMS = ("int8", "palette-6", "palette-4")
_RANKS = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4)
# Output and input rank together: of the pairs that KewCNN's large layer was cut to, those of the least error for their
# size.
_MIXED_RANKS = (
    *((256, 96), (192, 96), (192, 64), (128, 64), (96, 64), (96, 48), (64, 48), (64, 32), (48, 32), (32, 32), (32, 24)),
    *((24, 24), (16, 24), (16, 16), (12, 16), (8, 12), (6, 8)),
)


def form_families(
    constant: StoredConstant, all_weights: int, target: Target, *, whole: bool = False
) -> tuple[Family, ...]:
    """Lists the forms to try for a weight; fp16 needs no trial.

    Args:
        constant: The weight.
        all_weights: Elements of all weights of the program.
        target: Deployment target; forms that it cannot read are left out.
        whole: Whether forms are left out that replace it by factors.
    """
    part = constant.size / all_weights
    names: list[tuple[str, ...]] = [_LINEAR, _PALETTES[1:3]]
    if part >= _SMALL_PART:
        names = [_LINEAR, _PALETTES, _GROUPED, _VECTORS, _SPARSE, _JOINT]
    if part >= _FACTORISED_PART and not whole:
        # First, since most is to be gained there, and a search may run out of time.
        names = [*(tuple(f"{rank}-{form}" for rank in _useful_ranks(constant)) for form in _FACTOR_FORMS), *names]
    families = (_served(row, constant, target) for row in names)
    return tuple(family for family in families if family)


def _useful_ranks(constant: StoredConstant) -> list[str]:
    """Lists ranks whose factors have at most half the elements: more would cost operations and save little."""
    most, most_mixtures = largest_useful_rank(constant) // 2, largest_input_rank(constant) // 2
    if most_mixtures == 0:
        return [f"rank-{rank}" for rank in _RANKS if rank <= most]
    rest = constant.size // constant.shape[0] // constant.shape[1]

    def elements(rank: int, mixtures: int) -> int:
        return mixtures * constant.shape[1] + rank * mixtures * rest + constant.shape[0] * rank

    return [
        f"rank-{rank}x{mixtures}"
        for rank, mixtures in _MIXED_RANKS
        if rank < constant.shape[0]
        and mixtures <= most_mixtures
        and rank <= largest_output_rank(constant, mixtures)
        and 2 * elements(rank, mixtures) <= constant.size
    ]


def _served(names: tuple[str, ...], constant: StoredConstant, target: Target) -> Family:
    forms = (parse_form(name) for name in names)
    return tuple(form for form in forms if form is not None and _serves(form, constant, target))


def _serves(form: WeightForm, constant: StoredConstant, target: Target) -> bool:
    if form.lowest_target > target or constant.channel_axis is None:
        return False
    channels = constant.shape[constant.channel_axis]
    return bool(form.rank) or channels % (form.group * form.vector) == 0
