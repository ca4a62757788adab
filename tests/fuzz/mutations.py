"""Damage to a package: bytes flipped, cut, inserted and copied; and a specification changed where its format allows.

A mutated input is a seed package and a row of steps. Each step draws from a generator of its own, so that any of them
can be left out and the others stay as they are: that is how a failing input is made smaller.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kewcore.runtime.registry import all_specs
from kewcore.runtime.spec.messages import model_class

MANIFEST = "Manifest.json"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
Files = Mapping[str, bytes]
"""Contents of a package by path."""

_POWERS = (2**31 - 1, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63))
INTEGERS = (0, 1, -1, 2, 3, 7, 64, 127, 128, 255, 256, 65535, 65536, 10**6, *_POWERS)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    "x",
    "y",
    "../../etc/passwd",
    "@model_path/",
    "@model_path/../weight.bin",
    "a\0b",
    "\x1b[2J",
    "%s%n",
    "{0}",
    "é" * 300,
    "valid",
    "same",
    "constant",
    "reflect",
    "fp16",
    "int32",
    "CoreML5",
    "CoreML9",
)
OP_KINDS = tuple(sorted({spec.name for spec in all_specs()}))
DATA_TYPES = (0, 1, 2, 10, 11, 12, 13, 21, 22, 23, 24, 25, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 99)
_REPEATED, _MESSAGE = 3, 11
_LIMITS = {3: 2**63, 4: 2**64, 5: 2**31}


@dataclass(frozen=True)
class Input:
    """One mutated input: everything that makes it, so that it can be made again.

    Attributes:
        seed: Seed of the run.
        number: Which input of the run.
        package: Name of the seed package.
        kind: What is damaged, in a word.
        steps: Which of its steps are taken.
    """

    seed: int
    number: int
    package: str
    kind: str
    steps: tuple[int, ...]


def draw(seed: int, number: int, packages: tuple[str, ...]) -> Input:
    """Draws an input of a run."""
    rng = random.Random(f"{seed}:{number}")
    kind = rng.choices(("specification", "specification bytes", "weights", "manifest"), (70, 15, 10, 5))[0]
    return Input(seed, number, rng.choice(packages), kind, tuple(range(rng.choice((1, 1, 2, 3, 6)))))


def mutated(source: Input, sound: Files, others: Callable[[str], bytes], packages: tuple[str, ...]) -> dict[str, bytes]:
    """Makes the files of a mutated input that differ from the sound package.

    Args:
        source: The input.
        sound: The sound package's files.
        others: Gives the specification of a seed package, for parts that are taken over from another.
        packages: Names of the seed packages.
    """
    if source.kind == "specification":
        model = model_class().FromString(sound[MODEL])
        for step in source.steps:
            rng = _rng(source, step)
            donor = model_class().FromString(others(rng.choice(packages))) if rng.random() < 0.15 else model
            change(model, donor, rng)
        return {MODEL: model.SerializeToString()}
    path = {"specification bytes": MODEL, "weights": WEIGHTS, "manifest": MANIFEST}[source.kind]
    content = sound.get(path, b"")
    for step in source.steps:
        content = damage(content, _rng(source, step))
    return {path: content}


def _rng(source: Input, step: int) -> random.Random:
    return random.Random(f"{source.seed}:{source.number}:{step}")


def damage(content: bytes, rng: random.Random) -> bytes:
    """Overwrites, flips, inserts, removes, copies or cuts off a few bytes."""
    data = bytearray(content or b"\0")
    at, length = rng.randrange(len(data)), rng.randrange(1, 20)
    if rng.random() < 0.5:  # headers and the specification's beginning matter most
        at = min(at, rng.randrange(400))
    kind = rng.randrange(7)
    if kind == 0:
        data[at] = rng.randrange(256)
    elif kind == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data[at:at] = rng.randbytes(length)
    elif kind == 3:
        del data[at : at + length]
    elif kind == 4:
        source = rng.randrange(len(data))
        data[at : at + length] = data[source : source + length]
    elif kind == 5:
        data[at : at + 8] = rng.choice((0, 1, 2**31, 2**63, 2**64 - 1, 2**64 - 64)).to_bytes(8, "little")
    else:
        del data[max(at, 1) :]
    return bytes(data)


def change(model: Any, donor: Any, rng: random.Random) -> None:
    """Changes one field somewhere in a specification.

    Args:
        model: The specification, changed in place.
        donor: A specification that parts may be taken over from; it can be the same.
        rng: What decides.
    """
    if model.WhichOneof("Type") == "mlProgram" and rng.random() < 0.6:
        operations = _operations(model)
        if operations:
            _change_operation(rng.choice(operations), operations, _operations(donor), rng)
            return
    message = _somewhere(model, rng)
    if not message.DESCRIPTOR.fields:  # such as the type of an integer feature
        message = model
    fields = message.DESCRIPTOR.fields
    present = [field for field, _ in message.ListFields()]
    field = rng.choice(present) if present and rng.random() < 0.8 else rng.choice(fields)
    _change_field(message, field, donor, rng)


def _operations(model: Any) -> list[Any]:
    waiting = [b for f in model.mlProgram.functions.values() for b in f.block_specializations.values()]
    found = []
    while waiting:
        for operation in waiting.pop().operations:
            found.append(operation)
            waiting.extend(operation.blocks)
    return found


def _change_operation(operation: Any, operations: list[Any], others: list[Any], rng: random.Random) -> None:
    """Changes what matters most in an operation: its kind, arguments, constants and types."""
    kind = rng.randrange(12)
    arguments = sorted(operation.inputs)
    if kind == 0:
        operation.type = rng.choice(OP_KINDS)
    elif kind == 1 and others:
        operation.CopyFrom(_copy(rng.choice(others)))
    elif kind == 2 and arguments and operations:
        names = [output.name for other in operations for output in other.outputs] + ["x"]
        binding = operation.inputs[rng.choice(arguments)].arguments.add()
        binding.name = rng.choice(names)
        if rng.random() < 0.8:
            target = operation.inputs[rng.choice(arguments)].arguments
            del target[:]
            target.add().name = rng.choice(names)
    elif kind == 3 and arguments and others:
        donor = _copy(rng.choice(others))
        for key in sorted(donor.inputs)[: rng.randrange(1, 4)]:
            operation.inputs[key].CopyFrom(donor.inputs[key])
    elif kind == 4 and arguments:
        del operation.inputs[rng.choice(arguments)]
    elif kind == 5 and operation.outputs:
        _change_type(rng.choice(operation.outputs).type, rng)
    else:  # the one that most often leaves a program that runs
        values = [
            b.value for a in arguments for b in operation.inputs[a].arguments if b.WhichOneof("binding") == "value"
        ]
        values += [operation.attributes[key] for key in sorted(operation.attributes) if key != "name"]
        if values:
            _change_value(rng.choice(values), rng)


def _change_type(type_: Any, rng: random.Random) -> None:
    tensor = type_.tensorType
    kind = rng.randrange(5)
    if kind == 0:
        tensor.dataType = rng.choice(DATA_TYPES)
    elif kind == 1 and tensor.dimensions:
        rng.choice(tensor.dimensions).constant.size = abs(rng.choice(INTEGERS))
    elif kind == 2 and tensor.dimensions:
        rng.choice(tensor.dimensions).unknown.variadic = rng.random() < 0.5
    elif kind == 3:
        tensor.dimensions.add().constant.size = rng.choice((1, 2, 1000))
        tensor.rank = len(tensor.dimensions)
    else:
        for dimension in tensor.dimensions:
            dimension.unknown.variadic = False


def _change_value(value: Any, rng: random.Random) -> None:
    """Changes the elements of a constant, and mostly keeps their number and type."""
    if value.WhichOneof("value") == "blobFileValue":
        value.blobFileValue.offset = rng.choice(
            (0, 64, 128, 192, 256, 2**63, 2**64 - 64, value.blobFileValue.offset + 64)
        )
        return
    tensor = value.immediateValue.tensor
    field = tensor.WhichOneof("value")
    if field is None or rng.random() < 0.1:
        _change_type(value.type, rng)
        return
    values = getattr(tensor, field).values
    if field == "bytes":
        getattr(tensor, field).values = damage(values, rng)
    elif len(values):
        pool: tuple[Any, ...] = {"floats": NUMBERS, "doubles": NUMBERS, "strings": TEXTS, "bools": (True, False)}.get(
            field, ()
        )
        where = rng.randrange(len(values))
        values[where] = rng.choice(pool) if pool else _fitting(rng, values[where], 5 if field == "ints" else 3)


def _fitting(rng: random.Random, near: int, kind: int) -> int:
    limit = _LIMITS[kind]
    low = 0 if kind == 4 else -limit
    drawn = rng.choice((*INTEGERS, near + 1, near - 1, near * 2, -near, near * 1000))
    return max(low, min(limit - 1, drawn))


def _somewhere(model: Any, rng: random.Random) -> Any:
    """Walks down from the root along fields that are set."""
    message = model
    for _ in range(rng.randrange(1, 16)):
        inner = [(field, value) for field, value in message.ListFields() if field.type == _MESSAGE]
        if not inner:
            break
        field, value = rng.choice(inner)
        if field.label != _REPEATED:
            message = value
        elif _is_map(field):
            if field.message_type.fields_by_name["value"].type != _MESSAGE:
                break
            message = value[rng.choice(sorted(value))]
        else:
            message = rng.choice(value)
    return message


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _change_field(message: Any, field: Any, donor: Any, rng: random.Random) -> None:
    if rng.random() < 0.1:
        message.ClearField(field.name)
        return
    if field.type == _MESSAGE and _is_map(field):
        _change_map(getattr(message, field.name), field, rng)
    elif field.label == _REPEATED:
        _change_row(getattr(message, field.name), field, donor, rng)
    elif field.type == _MESSAGE:
        inner = getattr(message, field.name)
        inner.SetInParent()
        found = _like(donor, field.message_type.full_name, rng)
        if found is not None:
            inner.CopyFrom(found)
    else:
        setattr(message, field.name, _scalar(field, getattr(message, field.name), rng))


def _change_map(entries: Any, field: Any, rng: random.Random) -> None:
    keys = sorted(entries)
    if keys and rng.random() < 0.5:
        del entries[rng.choice(keys)]
    elif field.message_type.fields_by_name["value"].type == _MESSAGE:
        added = entries[rng.choice((*TEXTS, *keys)).replace("\0", "")]
        if keys:
            added.CopyFrom(entries[rng.choice(keys)])
    else:
        entries[rng.choice(TEXTS)] = rng.choice(TEXTS)


def _change_row(row: Any, field: Any, donor: Any, rng: random.Random) -> None:
    """Removes, repeats, adds or changes elements of a repeated field."""
    kind = rng.randrange(5)
    if kind == 0 and len(row):
        del row[rng.randrange(len(row))]
    elif kind == 1 and len(row):
        again = row[rng.randrange(len(row))]
        for _ in range(rng.choice((1, 1, 2, 300))):
            row.add().CopyFrom(again) if field.type == _MESSAGE else row.append(again)
    elif kind == 2 and len(row) > 1:
        a, b = rng.randrange(len(row)), rng.randrange(len(row))
        if field.type == _MESSAGE:
            row[a].CopyFrom(row[b])
        else:
            row[a], row[b] = row[b], row[a]
    elif field.type == _MESSAGE:
        found = _like(donor, field.message_type.full_name, rng)
        added = row.add()
        if found is not None:
            added.CopyFrom(found)
    elif len(row) and kind == 3:
        at = rng.randrange(len(row))
        row[at] = _scalar(field, row[at], rng)
    else:
        row.append(_scalar(field, 1, rng))


def _like(donor: Any, full_name: str, rng: random.Random) -> Any:
    """Finds a message of a type somewhere; a few tries, then None."""
    for _ in range(12):
        found = _somewhere(donor, rng)
        if found.DESCRIPTOR.full_name == full_name:
            return _copy(found)
    return None


def _copy(message: Any) -> Any:
    """Copies a message: protobuf must not copy one into a message that holds it."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _scalar(field: Any, old: Any, rng: random.Random) -> Any:
    if field.type in {1, 2}:
        return rng.choice(NUMBERS)
    if field.type == 8:
        return not old
    if field.type == 9:
        return rng.choice((*TEXTS, *OP_KINDS[:: len(OP_KINDS) // 20]))
    if field.type == 12:
        return damage(old if isinstance(old, bytes) else b"", rng)
    if field.name == "dataType":
        return rng.choice((*DATA_TYPES, 65552, 65568, 131104))
    return _fitting(rng, int(old), field.type)
