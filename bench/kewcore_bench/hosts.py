"""Facts about the machine that figures were taken on: no latency is worth anything without them."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    "tensorflow",
    "keras",
    "coremltools",
    "onnx",
    "onnxruntime",
    "openvino",
    "tf2onnx",
    "ai-edge-litert",
    "numpy",
    "pillow",
)


@dataclass(frozen=True)
class HostFacts:
    """The machine and the libraries of a measurement.

    Attributes:
        system: Such as `Linux`.
        system_release: Version of the kernel or the system.
        machine: Instruction set, such as `x86_64`.
        cpu: Model name of the processor, as the system gives it.
        cores: Logical cores that this process may use.
        memory_bytes: Physical memory; None where the system does not say.
        load_average: Processes that wanted a core over the last minute, before the measurement; None where the system
            does not say.
        python: Version of Python.
        libraries: Versions by distribution name; what is not installed is left out.
    """

    system: str
    system_release: str
    machine: str
    cpu: str
    cores: int
    memory_bytes: int | None
    load_average: float | None
    python: str
    libraries: Mapping[str, str]

    @property
    def note(self) -> str:
        """The sentence that goes with every latency."""
        where = f"{self.system}, {self.machine}, {self.cpu}, {self.cores} cores"
        return f"latency on this host ({where}), not a device figure"

    @property
    def busy_note(self) -> str | None:
        """A warning for figures taken on a host that had other work; None for an idle one."""
        if self.load_average is None or self.load_average < self.cores:
            return None
        return (
            f"The host was busy before the measurement (load {self.load_average:.1f} on {self.cores} cores): latencies "
            "are longer than on an idle one, and ratios less certain."
        )


def host_facts() -> HostFacts:
    """Describes this machine and the installed libraries."""
    return HostFacts(
        system=platform.system(),
        system_release=platform.release(),
        machine=platform.machine(),
        cpu=_cpu_model(),
        cores=usable_cores(),
        memory_bytes=_memory_bytes(),
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        python=platform.python_version(),
        libraries={name: version for name in LIBRARIES if (version := installed_version(name))},
    )


def usable_cores() -> int:
    """Counts the logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_for(threads: int) -> tuple[int, ...]:
    """Chooses the logical cores that every engine of a measurement is held to, as many as it has threads.

    Of two logical cores that share a physical one, the second is taken only when no physical core is left.

    Returns:
        Their numbers; empty where the system cannot hold a process to cores.

    Source: the kernel's Documentation/admin-guide/cputopology.rst for `thread_siblings_list`.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    firsts: list[int] = []
    seconds: list[int] = []
    seen: set[str] = set()
    for core in sorted(os.sched_getaffinity(0)):
        path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
        siblings = path.read_text(encoding="ascii").strip() if path.is_file() else str(core)
        (seconds if siblings in seen else firsts).append(core)
        seen.add(siblings)
    return tuple(sorted([*firsts, *seconds][:threads]))


def hold_to_cores(cores: Sequence[int]) -> None:
    """Holds this process, and the threads that it will start, to some logical cores; none leaves it as it is."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def installed_version(name: str) -> str | None:
    """Gives the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    elif sys.platform == "darwin":
        import subprocess

        answer = subprocess.run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    return platform.processor() or "unknown processor"


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
