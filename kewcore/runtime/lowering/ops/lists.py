"""Lists of tensors as one tensor, its elements along the first axis. What may grow at run time is not lowered."""

from typing import Any

import numpy as np

from kewcore.runtime.lowering.graph import ListFacts, Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.lists import TensorList, make_list


@lowers("make_list")
def _make_list(lowering: Lowering) -> None:
    lists = _lists(lowering)
    sizes = lowering.constants("elem_shape")
    if any(not isinstance(size, int | np.integer) for size in sizes):
        raise NoLoweringError("the shape of its elements is known at run time only")
    known = {key: lowering.constant(key) for key in ("init_length", "dynamic_length", "dtype") if lowering.has(key)}
    made: TensorList = make_list(elem_shape=sizes, **known)
    dtype = lowering.list_type().dtype
    facts = ListFacts(len(made.items), made.filler.shape, dtype, made.growing)
    name = lowering.graph.initializer(np.zeros((facts.length, *facts.element_shape), made.filler.dtype), "list")
    lists[name] = facts
    lowering.finish(name)


@lowers("list_length")
def _list_length(lowering: Lowering) -> None:
    _, facts = _list(lowering)
    lowering.finish(lowering.graph.initializer(np.asarray(facts.length, np.int32), "length"))


@lowers("list_read")
def _list_read(lowering: Lowering) -> None:
    name, _ = _list(lowering)
    lowering.finish(lowering.node("Gather", name, lowering.value("index"), axis=0))


@lowers("list_gather")
def _list_gather(lowering: Lowering) -> None:
    name, _ = _list(lowering)
    lowering.finish(lowering.node("Gather", name, lowering.value("indices"), axis=0))


@lowers("list_write")
def _list_write(lowering: Lowering) -> None:
    _write(lowering, "index", lowering.node("Unsqueeze", lowering.value("value"), lowering.integers(0)))


@lowers("list_scatter")
def _list_scatter(lowering: Lowering) -> None:
    _write(lowering, "indices", lowering.value("value"))


def _write(lowering: Lowering, parameter: str, rows: str) -> None:
    """Writes rows at indices; a list that grows must grow by a known length."""
    lists = _lists(lowering)
    name, facts = _list(lowering)
    length = facts.length
    if facts.growing:
        if not lowering.is_constant(parameter):
            raise NoLoweringError("the list may grow at run time")
        length = max(length, 1 + max((int(i) for i in np.atleast_1d(lowering.constant(parameter))), default=-1))
        more = np.zeros((length - facts.length, *facts.element_shape), facts.held)
        name = lowering.node("Concat", name, lowering.graph.initializer(more, "more"), axis=0)
    column = lowering.node("Reshape", lowering.value(parameter), lowering.integers([-1, 1]))
    indices = lowering.node("Cast", column, to=_INT64)
    written = lowering.node("ScatterND", name, indices, rows)
    lists[written] = ListFacts(length, facts.element_shape, facts.dtype, facts.growing)
    lowering.finish(written)


_INT64 = 7


def _lists(lowering: Lowering) -> dict[str, Any]:
    if lowering.graph.lists is None:
        raise NoLoweringError("a list here passes to the reference executor")
    return lowering.graph.lists


def _list(lowering: Lowering) -> tuple[str, ListFacts]:
    name = lowering.value("ls")
    return name, _lists(lowering)[name]
