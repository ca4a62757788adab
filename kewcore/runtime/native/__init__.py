"""kewcore's own kernels for ONNX Runtime: a library of custom operators in C, where one could be built.

Without it everything runs as well, on ONNX Runtime's kernels alone, and slower. See ADR 0016.
"""

import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

NOT_BUILT = "not built: no C compiler worked when kewcore was installed"
NOT_CHOSEN = "none for this processor, or KEWCORE_KERNELS leaves them out"


@cache
def kernel_library() -> Path | None:
    """Returns the library that sessions register; None where it was not built or has nothing for this processor.

    The environment variable `KEWCORE_KERNELS` chooses: `vnni`, `avx512`, `avx2`, or `none` for ONNX Runtime's alone.
    """
    path = _built()
    return path if path is not None and _instruction_set(path) != "none" else None


def kernels() -> tuple[str | None, str]:
    """Returns what the kernels use here (`vnni`, `avx512`, `avx2`), and in words; None and why where there are none."""
    path = _built()
    if path is None:
        return None, NOT_BUILT
    name = _instruction_set(path)
    return (
        (None, NOT_CHOSEN)
        if name == "none"
        else (name, {"vnni": "AVX-512 with VNNI", "avx512": "AVX-512", "avx2": "AVX2"}[name])
    )


def _built() -> Path | None:
    folder = Path(__file__).parent
    paths = (folder / f"_kernels{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _instruction_set(library: Path) -> str:
    try:
        function = ctypes.CDLL(str(library)).kewcore_kernels
    except OSError:  # built for another machine
        return "none"
    function.restype = ctypes.c_char_p
    name: bytes = function()
    return name.decode()
