import subprocess
import sys
from pathlib import Path

import pytest

from kewcore.runtime import registry
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import lookup, op

pytestmark = pytest.mark.unit


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup("relu", Opset.IOS15)
    monkeypatch.setattr(registry, "_versions", {})


@pytest.mark.parametrize("order", [(Opset.IOS15, Opset.IOS17), (Opset.IOS17, Opset.IOS15)])
@pytest.mark.usefixtures("versions")
def test_the_newest_version_not_above_the_opset_whatever_the_order(order: tuple[Opset, ...]) -> None:
    for since in order:

        @op("probe", since=since, source="nowhere")
        def kernel(*, x: object) -> object:
            return x

    found = [lookup("probe", opset) for opset in Opset]
    assert [spec.since if spec else None for spec in found] == [
        Opset.IOS15,
        Opset.IOS15,
        Opset.IOS17,
        Opset.IOS17,
        Opset.IOS17,
    ]


@pytest.mark.usefixtures("versions")
def test_an_operation_is_not_known_before_its_opset() -> None:
    @op("probe", since=Opset.IOS17, source="nowhere")
    def kernel(*, x: object) -> object:
        return x

    assert lookup("probe", Opset.IOS16) is None


@pytest.mark.usefixtures("versions")
def test_a_duplicate_is_refused() -> None:
    @op("probe", source="nowhere")
    def kernel(*, x: object) -> object:
        return x

    with pytest.raises(ValueError, match="operation 'probe' is already registered for iOS15"):
        op("probe", source="nowhere")(kernel)


def test_every_lowering_belongs_to_an_operation() -> None:
    from kewcore.runtime.lowering import registry as lowerings

    lowerings._import_lowerings()
    assert set(lowerings._lowerings) <= {spec.name for spec in registry.all_specs()}


def test_the_page_of_operations_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "docs" / "operations.py"
    ended = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
