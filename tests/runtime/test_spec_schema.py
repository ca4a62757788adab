"""The table of messages against the generated classes that ship with coremltools."""

from typing import Any

import pytest

from kewcore.runtime.spec import schema
from kewcore.runtime.spec.messages import message_classes

pytestmark = pytest.mark.parity
ENUM, INT32 = 14, 5


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    proto = pytest.importorskip("coremltools.proto")
    from coremltools.proto import (
        DataStructures_pb2,
        FeatureTypes_pb2,
        MIL_pb2,
        Model_pb2,
        NonMaximumSuppression_pb2,
    )

    assert proto
    found: dict[str, Any] = {}

    def collect(prefix: str, descriptor: Any) -> None:
        found[f"{prefix}{descriptor.name}"] = descriptor
        for nested in descriptor.nested_types:
            collect(f"{prefix}{descriptor.name}.", nested)

    for module in (FeatureTypes_pb2, Model_pb2, MIL_pb2, NonMaximumSuppression_pb2, DataStructures_pb2):
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            collect("", descriptor)
    return found


def facts(field: Any) -> tuple[Any, ...]:
    kind = INT32 if field.type == ENUM else field.type
    message = field.message_type.name if field.message_type else None
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return field.name, field.number, kind, field.label, message, oneof


@pytest.mark.parametrize("name", sorted(message_classes()))
def test_every_message_has_the_specification_fields(name: str, oracle: dict[str, Any]) -> None:
    ours = {field.number: facts(field) for field in message_classes()[name].DESCRIPTOR.fields}
    theirs = {field.number: facts(field) for field in oracle[name].fields}
    if name == "Model":
        left_out = set(theirs) - set(ours)
        assert {number: theirs[number][0] for number in left_out} == schema.OTHER_MODEL_KINDS
        theirs = {number: row for number, row in theirs.items() if number in ours}
    assert ours == theirs


def test_maps_are_maps(oracle: dict[str, Any]) -> None:
    for name, message in message_classes().items():
        for field in message.DESCRIPTOR.fields:
            if field.message_type is not None:
                theirs = oracle[name].fields_by_number[field.number].message_type
                assert field.message_type.GetOptions().map_entry == theirs.GetOptions().map_entry, (name, field.name)


def test_enums() -> None:
    from coremltools.proto import FeatureTypes_pb2, MIL_pb2

    types = {value.number: value.name for value in MIL_pb2.DataType.DESCRIPTOR.values}
    assert types.pop(0) == "UNUSED_TYPE"
    assert types == schema.DATA_TYPES
    arrays = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.DESCRIPTOR.values
    named = {v.number: v.name.replace("DOUBLE", "FLOAT64") for v in arrays if v.number}
    assert named == schema.ARRAY_DATA_TYPES
    spaces = FeatureTypes_pb2.ImageFeatureType.ColorSpace.DESCRIPTOR.values
    assert {v.number: v.name for v in spaces if v.number} == schema.COLOUR_SPACES


OF_THE_DIALECT = {"coreml_update_state", "write_state"}
"""Outside the core op set: the second is what coremltools writes into packages for the first."""


def test_every_operation_of_coremltools_is_known() -> None:
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    from kewcore.runtime.registry import all_specs

    ours = {spec.name for spec in all_specs()}
    theirs = {name for name in SSAOpRegistry.core_ops if not name.startswith("_")} | OF_THE_DIALECT
    assert ours == theirs


def test_every_operation_takes_the_parameters_of_coremltools() -> None:
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    from kewcore.runtime.opset import Opset
    from kewcore.runtime.registry import all_specs, lookup

    by_target = {f"iOS{version}": opset for version, opset in zip((15, 16, 17, 18), Opset, strict=False)}
    for name in {spec.name for spec in all_specs()} - {"const"} - OF_THE_DIALECT:
        for target, definition in SSAOpRegistry.core_ops[name].items():
            opset = by_target.get(getattr(target, "name", str(target)))
            spec = lookup(name, opset) if opset else None
            if spec is not None:
                wanted = {key: t for key, t in definition.input_spec.input_types.items() if not key.startswith("_")}
                assert set(spec.parameters) == set(wanted), (name, target)
                required = {parameter for parameter, needed in spec.parameters.items() if needed}
                assert required <= {parameter for parameter, kind in wanted.items() if not kind.optional}, name
