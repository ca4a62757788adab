"""Bounds that packages must keep, as a TOML file or pyproject.toml states them."""

import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kewcore.errors import UsageError

PYPROJECT = Path("pyproject.toml")
"""Where a bare `--gate` looks: in the working folder."""


@dataclass(frozen=True)
class Gates:
    """Bounds on one package; None means no bound.

    Attributes:
        min_agreement: Least top-1 agreement with the reference, 0…1.
        max_accuracy_drop_pp: Largest drop of accuracy below the reference, percentage points, 0…100.
        max_latency_ratio: Largest latency of the package over the reference's on the same host, above 0.
        max_size_mb: Largest package, in megabytes of 10⁶ bytes, above 0.
        min_resident: Least share of the multiply-adds that can run on the Neural Engine, by rules, 0…1; see
            `kewcore_bench.gates.resident`.
        max_load_ms: Longest time to load the package on this host, milliseconds, above 0.
    """

    min_agreement: float | None = None
    max_accuracy_drop_pp: float | None = None
    max_latency_ratio: float | None = None
    max_size_mb: float | None = None
    min_resident: float | None = None
    max_load_ms: float | None = None


@dataclass(frozen=True)
class Exceptions:
    """Bounds for some packages that take the place of those for all.

    Attributes:
        glob: Shell pattern of package names, such as `*-palette-4`.
        gates: What is set for them; None leaves what stands before.
    """

    glob: str
    gates: Gates


@dataclass(frozen=True)
class GateFile:
    """All that a file says.

    Attributes:
        path: The file.
        general: Bounds on every package.
        exceptions: In the order of the file: where several fit a package, the later ones win, gate by gate.
    """

    path: Path
    general: Gates
    exceptions: tuple[Exceptions, ...] = ()

    def for_package(self, name: str) -> Gates:
        """Gives the bounds on a package.

        Args:
            name: Of the package's folder, without `.mlpackage`.
        """
        gates = self.general
        for one in self.exceptions:
            if fnmatchcase(name, one.glob):
                gates = replace(gates, **_set(one.gates))
        return gates


def gated_by(gates: GateFile, gate: str, packages: Iterable[str]) -> frozenset[str]:
    """Names the packages for which a gate is set.

    Args:
        gates: The file.
        gate: Its key.
        packages: Names to choose from.
    """
    return frozenset(name for name in packages if gate in thresholds(gates.for_package(name)))


def thresholds(gates: Gates) -> dict[str, float]:
    """Lists the gates that are set, by key, in the order of the documentation."""
    return _set(gates)


_SHARE = ("from 0 to 1", lambda value: 0 <= value <= 1)
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "min_agreement": _SHARE,
    "max_accuracy_drop_pp": ("from 0 to 100 (percentage points)", lambda value: 0 <= value <= 100),
    "max_latency_ratio": ("above 0", lambda value: value > 0),
    "max_size_mb": ("above 0 (megabytes)", lambda value: value > 0),
    "min_resident": _SHARE,
    "max_load_ms": ("above 0 (milliseconds)", lambda value: value > 0),
}
_HINT = f"gates are {', '.join(_RANGES)}; docs/gates.md explains them"


def load_gates(path: Path) -> GateFile:
    """Reads gates: the table `[gates]` of a file, or `[tool.kewcore.gates]` of a pyproject.toml.

    Raises:
        UsageError: The file cannot be read, is not TOML, or holds another table, an unknown key, a value that is not
            a number or is out of range, or no gate at all.
    """
    tables = _tables(path)
    where = f"gates '{path}'"
    if path.name == PYPROJECT.name:
        gates, heading = _below(tables, ("tool", "kewcore", "gates")), "[tool.kewcore.gates]"
    else:
        gates, heading = tables.get("gates"), "[gates]"
        if unknown := sorted(set(tables) - {"gates"}):
            raise UsageError(f"{where}: unknown key or table '{unknown[0]}'", hint=f"a file holds one table, {heading}")
    if not isinstance(gates, dict) or not gates:
        raise UsageError(f"{where} hold no gate", hint=f"write a table {heading} with any of {', '.join(_RANGES)}")
    own = {key: value for key, value in gates.items() if key in _RANGES or not isinstance(value, dict)}
    exceptions = tuple(
        Exceptions(glob, _gates(table, f"{where}, exception '{glob}'"))
        for glob, table in gates.items()
        if glob not in own
    )
    return GateFile(path, _gates(own, where) if own else Gates(), exceptions)


def check_matches(gates: GateFile, packages: Collection[Path]) -> None:
    """Refuses exceptions that fit no package: a misspelt one would let the general bound stand.

    Args:
        gates: The file.
        packages: The packages of the bench. Those that lie beside them count too, since a file of gates may serve a
            bench of some of the packages.

    Raises:
        UsageError: A pattern fits no package.
    """
    folders = {path.parent for path in packages}
    beside = (path for folder in sorted(folders) for path in folder.glob("*.mlpackage"))
    names = sorted({path.stem for path in (*packages, *beside)})
    for one in gates.exceptions:
        if not any(fnmatchcase(name, one.glob) for name in names):
            raise UsageError(
                f"gates '{gates.path}': exception '{one.glob}' fits no package",
                hint=f"packages are {', '.join(names)}",
            )


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "a bare --gate takes [tool.kewcore.gates] of ./pyproject.toml; for another file, --gate FILE.toml"
        raise UsageError(f"cannot read gates '{path}': {error.strerror}", hint=hint) from error
    except OSError as error:
        raise UsageError(f"cannot read gates '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # Not TOML, not UTF-8, or numbers and nesting beyond all measure.
        raise UsageError(f"gates '{path}' are not valid TOML: {error}") from error


def _below(tables: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        tables = tables.get(key) if isinstance(tables, dict) else None
    return tables


def _gates(table: Mapping[str, Any], where: str) -> Gates:
    if not table:
        raise UsageError(f"{where} holds no gate", hint=_HINT)
    for key, value in table.items():
        _check(where, key, value)
    return Gates(**{key: float(value) for key, value in table.items()})


def _check(where: str, key: str, value: Any) -> None:
    if key not in _RANGES:
        raise UsageError(f"{where}: unknown key '{key}'", hint=_HINT)
    words, holds = _RANGES[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = "a table" if isinstance(value, dict) else f"{value!r:.40}"
        raise UsageError(f"{where}: '{key}' must be a number {words}, got {shown}")
    if not abs(value) <= sys.float_info.max or not holds(value):
        raise UsageError(f"{where}: '{key}' must be {words}, got {value!r:.40}")


def _set(gates: Gates) -> dict[str, float]:
    found = {one.name: getattr(gates, one.name) for one in fields(gates)}
    return {key: value for key, value in found.items() if value is not None}
