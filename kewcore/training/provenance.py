"""What a run says of how it came about: versions, host, commit, memory."""

import platform
import subprocess
from importlib import metadata

from kewcore import __version__

_DECIDE_WEIGHTS = ("tensorflow", "tensorflow-metal", "keras", "numpy", "pillow")
_OTHERS = (
    "coremltools", "onnx", "onnxruntime", "protobuf", "scikit-learn", "matplotlib", "jinja2", "rdata", "typer",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Names the versions of Python, kewcore and the libraries that decide the weights."""
    return _versions(_DECIDE_WEIGHTS)


def installed() -> dict[str, str]:
    """Names the versions of Python, kewcore and all libraries that it stands on, as far as they are installed."""
    return _versions(_DECIDE_WEIGHTS + _OTHERS)


def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {"python": platform.python_version(), "kewcore": __version__}
    for library in libraries:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> str:
    """Names operating system and processor architecture, such as `Linux x86_64`."""
    return f"{platform.system()} {platform.machine()}"


def git_commit() -> str | None:
    """Returns the commit of the working folder, with `-dirty` where files differ; None outside a repository."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None
