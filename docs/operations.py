"""Writes docs/operations.md: every operation of the runtime, from its registry; with `--check` only compares."""

import sys
from itertools import groupby
from pathlib import Path

from kewcore.runtime.lowering.registry import lowered_operations, reason_against
from kewcore.runtime.registry import OpSpec, all_specs

PAGE = Path(__file__).with_name("operations.md")
HEAD = """# Operations

Written by `make docs` from the runtime's registry. Every operation of the public op set of iOS 15 to iOS 18 runs in the
reference executor; iOS 26 adds none. *ONNX* says whether the fast executor has a lowering; forms that ONNX cannot say,
such as arguments that are computed at run time, run in the reference executor, and `kewcore inspect` says why.
"""


def page() -> str:
    """Makes the page: a table for each file of `kewcore/runtime/ops`."""
    lowered = lowered_operations()
    specs = [spec for spec in all_specs() if spec.name != "const"]
    parts = [HEAD]
    for family, row in groupby(sorted(specs, key=_family), key=_family):
        title = family.replace("_", " ").capitalize()
        parts.append(f"## {title}\n\n| operation | since | ONNX |\n|---|---|---|")
        for name, versions in groupby(sorted(row, key=lambda s: (s.name, s.since)), key=lambda s: s.name):
            since = ", ".join(version.since.ios for version in versions)
            weight = "expanded when a package is opened" if name.startswith("constexpr_") else None
            parts.append(f"| {name} | {since} | {weight or ('yes' if name in lowered else reason_against(name))} |")
        parts.append("")
    return "\n".join(parts)


def _family(spec: OpSpec) -> str:
    return spec.kernel.__module__.rpartition(".")[2]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE} is stale: run make docs")
    PAGE.write_text(page(), encoding="utf-8")
