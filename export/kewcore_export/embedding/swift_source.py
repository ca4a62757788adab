"""The Swift file that `kewcore embed` writes: models and labels as types that the compiler checks."""

from collections.abc import Mapping, Sequence

from kewcore.errors import UsageError
from kewcore_export.embedding.swift_names import case_names, string_literal, type_name

FIRST_LINE = "// Written by `kewcore embed`, which renews it, and refuses to where it was changed by hand."

_MODELS = """\
import Foundation

/// The models in the folder {folder}.
public enum KewModel: String, CaseIterable, Sendable {{
{cases}

  /// Where the model lies: as it was embedded, or as Xcode compiled it.
  ///
  /// It is `nil` where {folder} is not among the target's resources.
  public var url: URL? {{
    for folder in [{literal}, nil] {{
      for kind in ["mlmodelc", "mlpackage"] {{
        let url = bundle.url(forResource: rawValue, withExtension: kind, subdirectory: folder)
        if let url {{ return url }}
      }}
    }}
    return nil
  }}
}}

#if SWIFT_PACKAGE
  // Missing? Then this target's line in Package.swift lacks: resources: [.copy({literal})]
  private var bundle: Bundle {{ Bundle.module }}
#else
  private final class Here {{}}
  private var bundle: Bundle {{ Bundle(for: Here.self) }}
#endif
"""

_LABELS = """\
/// The classes, in the order of the probabilities, of:
{models}
public enum {name}: String, CaseIterable, Sendable, Codable {{
{cases}
}}
"""


def swift_source(folder: str, models: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """Writes the Swift file.

    Args:
        folder: Name of the folder with the models.
        models: By the name of each package, its title, such as `KewCNN`, and its class names.

    Raises:
        UsageError: Names cannot be told apart in Swift, or models of one title have different classes.
    """
    parts = [
        FIRST_LINE + "\n",
        _MODELS.format(folder=folder, literal=string_literal(folder), cases=_cases(list(models), "package")),
    ]
    labels = label_enums(models)
    for name, (class_names, packages) in labels.items():
        parts.append(
            _LABELS.format(
                name=name, models="\n".join(f"/// - {one}" for one in packages), cases=_cases(class_names, "class")
            )
        )
    return "\n".join(parts)


def label_enums(
    models: Mapping[str, tuple[str, Sequence[str]]],
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Names an enum for each list of classes.

    Returns:
        By the enum's name, the class names and the packages that have them.

    Raises:
        UsageError: Models of one title have different classes.
    """
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for package, (title, class_names) in models.items():
        name = f"{type_name(title, 'package')}Label"
        others, packages = found.get(name, (tuple(class_names), ()))
        if others != tuple(class_names):
            raise UsageError(
                f"'{package}' and '{packages[0]}' have different classes, and both would be {name} in Swift: "
                f"{', '.join(class_names)}; {', '.join(others)}",
                hint="embed them in different targets, or leave one out with --only",
            )
        found[name] = (others, (*packages, package))
    return found


def _cases(names: Sequence[str], what: str) -> str:
    lines = []
    for identifier, name in zip(case_names(names, what), names, strict=True):
        same = identifier.strip("`") == name
        lines.append(f"  case {identifier}" if same else f"  case {identifier} = {string_literal(name)}")
    return "\n".join(lines)
