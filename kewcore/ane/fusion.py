"""What the engine computes in one go, and the tensors that such a group reads and makes.

An activation function, a scale or an offset per channel behind a convolution or product is computed with it, and makes
no tensor of its own. Source: ane-guide, chapter 22, on fusion, and chapter 20, on the kernel's coefficient streams.
Whether pools are computed with what they read is not known; here they are not. Quantised activations are held as bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kewcore.ane.calls import Call, size_bytes
from kewcore.runtime.program import TensorType

_ACTIVATIONS = frozenset(
    {
        "clamped_relu", "clip", "elu", "erf", "gelu", "leaky_relu", "linear_activation", "prelu", "relu", "relu6",
        "scaled_tanh", "sigmoid", "sigmoid_hard", "silu", "softplus", "softplus_parametric", "softsign", "tanh",
        "thresholded_relu",
    }
)  # fmt: skip
_PER_CHANNEL = frozenset({"add", "batch_norm", "mul", "real_div", "sub"})
_QUANTISING = frozenset({"dequantize", "quantize"})
_PICKING = frozenset({"crop", "gather", "gather_along_axis", "gather_nd", "slice_by_index", "slice_by_size"})


@dataclass(frozen=True)
class Tensor:
    """An activation that a group reads or makes.

    Attributes:
        name: Its name.
        size_bytes: What it takes; behind a quantisation, one byte an element.
        moved_bytes: How much of it the group touches: a slice reads no more than it makes.
        leaves: Whether it comes from outside the segment, or is read there: then it crosses memory, however small.
    """

    name: str
    size_bytes: int
    moved_bytes: int
    leaves: bool


@dataclass(frozen=True)
class Group:
    """Operations that are computed in one go.

    Attributes:
        head: The one that counts.
        followers: Those that are computed with it, in order.
        tensors: What the group reads from others, and what it makes for them.
    """

    head: Call
    followers: tuple[Call, ...]
    tensors: tuple[Tensor, ...]


def groups_of(calls: Sequence[Call], everything: Sequence[Call]) -> tuple[Group, ...]:
    """Puts operations of a segment together that the engine computes in one go.

    Args:
        calls: The operations of one segment, in order.
        everything: All operations of the program, for who reads what.
    """
    flow = _flow(calls, everything)
    heads: dict[str, Call] = {}
    members: dict[int, list[Call]] = {}
    for call in calls:
        head = _head(call, heads, flow) or call
        members.setdefault(head.number, []).append(call)
        heads.update((output.name, head) for output in call.operation.outputs)
    return tuple(Group(row[0], tuple(row[1:]), tuple(_tensors(row, flow))) for row in members.values())


@dataclass(frozen=True)
class _Flow:
    """Who makes and reads what, by name.

    Attributes:
        inside: What the segment makes.
        handed_out: What is read outside the segment.
        readers: Numbers of the operations that read a value.
        quantised: What a dequantised value was made from.
        sizes: Bytes.
    """

    inside: frozenset[str]
    handed_out: frozenset[str]
    readers: Mapping[str, frozenset[int]]
    quantised: Mapping[str, str]
    sizes: Mapping[str, int]

    def stored(self, name: str) -> str:
        """Returns the name under which a value lies in memory."""
        while name in self.quantised:
            name = self.quantised[name]
        return name


def _flow(calls: Sequence[Call], everything: Sequence[Call]) -> _Flow:
    numbers = {call.number for call in calls}
    readers: dict[str, set[int]] = {}
    sizes: dict[str, int] = {}
    for call in everything:
        for name in call.operation.reads:
            readers.setdefault(name, set()).add(call.number)
        sizes.update((name, size_bytes(type_)) for name, type_ in call.read.items())
        sizes.update((o.name, size_bytes(o.type)) for o in call.operation.outputs if isinstance(o.type, TensorType))
    wanted = frozenset[str]().union(*(call.scope.wanted for call in calls))
    return _Flow(
        inside=frozenset(output.name for call in calls for output in call.operation.outputs),
        handed_out=wanted | {name for name, row in readers.items() if row - numbers},
        readers={name: frozenset(row) for name, row in readers.items()},
        quantised={call.operation.outputs[0].name: of for call in calls if (of := _quantised(call)) is not None},
        sizes=sizes,
    )


def _quantised(call: Call) -> str | None:
    return next(iter(call.read), None) if call.type == "dequantize" else None


def _head(call: Call, heads: Mapping[str, Call], flow: _Flow) -> Call | None:
    """Returns the operation that another one is computed with; None where it is computed by itself."""
    if len(call.read) != 1:
        return None
    ((name, type_),) = call.read.items()
    head = heads.get(name)
    if head is None or call.type in _QUANTISING:
        return head
    joins = call.type in _ACTIVATIONS or call.type in _PER_CHANNEL
    alone = len(flow.readers[name]) == 1 and name not in call.scope.wanted
    same_shape = len(call.results) == 1 and call.results[0].shape == type_.shape
    return head if joins and alone and same_shape and head.multiply_adds else None


def _tensors(members: Sequence[Call], flow: _Flow) -> Iterator[Tensor]:
    """Yields what a group reads from others and what it makes for them, each once."""
    numbers = {call.number for call in members}
    made = {output.name for call in members for output in call.operation.outputs}
    stored_inside = {flow.stored(name) for name in made} & made
    read = {flow.stored(name) for call in members for name in call.read} - stored_inside
    head = members[0]
    largest_read = sum(map(size_bytes, head.results)) if head.type in _PICKING else None
    for name in sorted(read):
        size = flow.sizes.get(name, 0)
        moved = size if largest_read is None else min(size, largest_read)
        yield Tensor(name, size, moved, leaves=name not in flow.inside)
    for name in sorted(made):
        if flow.stored(name) != name:
            continue
        aliases = {other for other in made if flow.stored(other) == name}
        leaves = bool(aliases & flow.handed_out)
        if leaves or any(flow.readers.get(alias, frozenset()) - numbers for alias in aliases):
            size = flow.sizes.get(name, 0)
            yield Tensor(name, size, size, leaves)
