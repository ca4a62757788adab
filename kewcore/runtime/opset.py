"""The opsets of ML Programs: which operations, and which forms of them, a program may use."""

from enum import IntEnum

from kewcore.errors import UnsupportedError


class Opset(IntEnum):
    """Versions of the op set, named after the iOS release that brought each.

    Source: the enum `AvailableTarget` in coremltools 9.0 and the `opset` field of `MIL.proto`, where iOS 15 is
    written `CoreML5`. The set has not changed between iOS 18 (`CoreML8`) and iOS 26 (`CoreML9`) for the ops here.
    """

    IOS15 = 5
    IOS16 = 6
    IOS17 = 7
    IOS18 = 8
    IOS26 = 9

    @property
    def label(self) -> str:
        """The name as written in programs, such as `CoreML6`."""
        return f"CoreML{int(self)}"

    @property
    def ios(self) -> str:
        """The name as people know it, such as `iOS16`."""
        return self.name.replace("IOS", "iOS")


def opset_from_label(label: str) -> Opset:
    """Reads an opset's name.

    Raises:
        UnsupportedError: No opset of that name is known.
    """
    for opset in Opset:
        if opset.label == label:
            return opset
    known = ", ".join(opset.label for opset in Opset)
    raise UnsupportedError(f"opset '{label}' is not known; known: {known}")
