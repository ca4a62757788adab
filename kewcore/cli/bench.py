"""`kewcore bench`: parity and latency of packages against their references, gates, and the report."""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.bench_baseline import BaselineFile, Detectable, MaxSlowdown, parse_percent
from kewcore.cli.options import Data, Executor, ExecutorName, Json, Quiet, Seed, SkipBad, Verbose
from kewcore.cli.train import CACHE

REPORTS_FOLDER = Path("reports")


def bench(
    packages: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PACKAGES", help="Packages.", show_default="all in ./packages of the newest recipe"),
    ] = None,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the report.")] = REPORTS_FOLDER,
    executor: Executor = ExecutorName.AUTO,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of every engine.", show_default="all cores")
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(
            "--engines",
            metavar="NAMES",
            help="What to time beside TensorFlow: any of tensorflow, keras, package, litert, onnxruntime, openvino, "
            "coreml; or all.",
            show_default="tensorflow,package",
        ),
    ] = None,
    batch_sizes: Annotated[
        str | None,
        typer.Option(
            "--batch-sizes",
            metavar="SIZES",
            help="Images in a call, for throughput.",
            show_default="1,8,32 with --engines, none otherwise",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=3,
            help="Interleaved rounds of latency.",
            show_default="60; 120 where latency is judged",
        ),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            "--starts",
            min=1,
            help="Starts of every engine's process, among which rounds are shared.",
            show_default="3; 6 where latency is judged",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most images, each class in proportion.", show_default="all")
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate",
            metavar="[FILE]",
            help="Bounds to hold packages against: a TOML file, or pyproject.toml where none follows; exit 1 when one "
            "is missed.",
        ),
    ] = None,
    baseline: BaselineFile = None,
    max_slowdown: MaxSlowdown = "5%",
    detectable: Detectable = False,
    imports: Annotated[
        list[Path] | None,
        typer.Option(
            "--import", metavar="FILE", help="Device figures, from kew-classify bench --json; may be given again."
        ),
    ] = None,
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Measure parity alone.")] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Compare on corrupted images too: five kinds, five strengths each.")
    ] = False,
    pipelines: Annotated[
        bool,
        typer.Option("--pipelines", help="Say what other ways to decode, grey and resize the same files would change."),
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Compare layer by layer: where does the package leave TensorFlow?")
    ] = False,
    network_order: Annotated[
        bool, typer.Option("--network-order", help="With --trace: layers as they follow each other, not worst first.")
    ] = False,
    occlusion: Annotated[
        int,
        typer.Option(
            "--occlusion",
            metavar="N",
            min=0,
            max=18,
            help="Map on N images of each variant what reference and packages look at.",
        ),
    ] = 0,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Write the HTML report.")] = True,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measures how close packages stay to TensorFlow, and how fast they are beside it on this host.

    Every engine runs in a process of its own. Accuracies are of the test part of the run's dataset; intervals are 95 %.

    With gates, the folder gets the verdicts as JSON, as JUnit XML and as Markdown too.

    Example: `kewcore bench --gate gates.toml --json > bench-result.json`
    """
    from kewcore.artefacts import check_writable
    from kewcore.cli.bench_baseline import print_against_baseline, print_detectable
    from kewcore.cli.bench_output import print_result, write_reports
    from kewcore.cli.output import print_json, report_written
    from kewcore.console import say, warn
    from kewcore.errors import CheckFailedError, StorageError, UsageError
    from kewcore_bench.candidates import candidate, newest_packages
    from kewcore_bench.depth.deepen import TRACE_IMAGES, DepthOptions, deepen
    from kewcore_bench.device import check_device, read_device_bench, with_device
    from kewcore_bench.engines.choice import DEFAULT_ENGINES, parse_batch_sizes, parse_engines
    from kewcore_bench.gates import judging as gating
    from kewcore_bench.gates.gate_file import check_matches, gated_by, load_gates
    from kewcore_bench.gates.gate_reports import write_gate_reports
    from kewcore_bench.hosts import usable_cores
    from kewcore_bench.run import (
        FEWEST_STARTS,
        GATE_ROUNDS,
        GATE_STARTS,
        GATE_THREADS,
        ROUNDS,
        STARTS,
        BenchOptions,
        record_parity,
        run_bench,
    )
    from kewcore_bench.schema import to_json, to_object
    from kewcore_bench.sources import labelled_images
    from kewcore_bench.timing.baseline import (
        check_comparable,
        compare_with,
        describe,
        detectable_slowdowns,
        load_baseline,
        lost,
    )

    timing = {"--engines": engines, "--batch-sizes": batch_sizes, "--rounds": rounds, "--starts": starts}
    given = [name for name, value in timing.items() if value is not None]
    if no_latency and given:
        raise UsageError(f"{' and '.join(given)} say how latency is measured, and --no-latency that it is not")
    if network_order and not trace:
        raise UsageError("--network-order orders the table of --trace", hint="add --trace")
    chosen_engines = parse_engines(engines) if engines is not None else DEFAULT_ENGINES
    sizes = parse_batch_sizes(batch_sizes or ("1,8,32" if engines is not None else ""))
    allowed = parse_percent(max_slowdown)
    if no_latency and (baseline is not None or detectable):
        raise UsageError("--baseline and --detectable need the latency", hint="leave out --no-latency")
    earlier = load_baseline(baseline) if baseline is not None else None
    check_writable(out)
    gates = load_gates(gate) if gate is not None else None
    if gates is not None:
        gating.check_measurable(gates, latency=not no_latency and "package" in chosen_engines)
    if not packages:
        packages = newest_packages()
        say(f"benching the newest packages: {', '.join(str(path) for path in packages)}")
    candidates = [candidate(path) for path in packages]
    names = [one.path.stem for one in candidates]
    devices = [(read_device_bench(path), path) for path in imports or ()]
    for device, path in devices:
        check_device(device, {one.path.stem: one.path for one in candidates}, path)
    if gates is not None:
        check_matches(gates, [one.path for one in candidates])
    gated = gates is not None and bool(gated_by(gates, "max_latency_ratio", names))
    judged = gated or detectable or earlier is not None
    if judged and starts is not None and starts < FEWEST_STARTS:
        raise UsageError(f"latency can be judged from {FEWEST_STARTS} starts on, got --starts {starts}")
    timed_threads = threads or (earlier.threads if earlier is not None else GATE_THREADS if judged else None)
    if earlier is not None:
        timed = candidates if "package" in chosen_engines or "coreml" in chosen_engines else []
        check_comparable(earlier, timed_threads or usable_cores(), [(one.path.stem, one.mode) for one in timed])
    images = labelled_images(
        [one.run.source for one in candidates], data=data, limit=limit, cache=CACHE, skip_bad=skip_bad
    )
    options = BenchOptions(
        executor=executor.value,
        threads=threads,
        timed_threads=timed_threads,
        rounds=0 if no_latency else rounds or (GATE_ROUNDS if judged else ROUNDS),
        cache=CACHE,
        seed=seed,
        engines=chosen_engines,
        starts=starts or (GATE_STARTS if judged else STARTS),
        batch_sizes=sizes,
        timed_loads=gated_by(gates, "max_load_ms", names) if gates is not None else frozenset(),
    )
    result = run_bench(candidates, images, options)
    depth = DepthOptions(
        robustness=robustness,
        pipelines=pipelines,
        trace_images=TRACE_IMAGES if trace else 0,
        occlusion_images=occlusion,
        executor=executor.value,
        threads=threads,
        cache=CACHE,
        seed=seed,
    )
    result = deepen(result, images, depth)
    for device, _ in devices:
        result = with_device(result, device)
    verdicts = gating.judge(gates, result) if gates is not None else ()
    report_written(write_reports(result, out, verdicts, html=html))
    try:
        report_written(record_parity(result))
    except StorageError as error:  # Packages may lie where nobody may write; what was measured is no less true.
        warn(f"sidecars and model cards do not hold these figures: {error.message}")
    comparisons = compare_with(earlier, result, allowed, seed) if earlier is not None else ()
    slower = [describe(one) for one in comparisons if one.regressed]
    slower += lost(earlier, result) if earlier is not None else ()
    if gates is not None:
        report_written(write_gate_reports(verdicts, gates, result, out, slower))
    if json:
        found = {"gates": to_json(verdicts), "baseline": to_json(comparisons)}
        if detectable:
            found["detectable"] = to_json(detectable_slowdowns(result, allowed, seed))
        print_json("bench", {**to_object(result), **found})
    else:
        print_result(result, verdicts, worst_first=not network_order)
        if detectable:
            print_detectable(result, allowed, seed)
        if earlier is not None:
            print_against_baseline(earlier, result, comparisons)
    missed = [gating.describe(one) for one in verdicts if not one.held]
    if missed or slower:
        raise CheckFailedError("; ".join([*missed, *slower]))
