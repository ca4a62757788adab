"""`kewcore serve`: answers for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Executor, ExecutorName, Verbose


def serve(
    package: Annotated[
        Path | None, typer.Argument(metavar="[PACKAGE]", help="What to serve.", show_default="the newest package")
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Answer over stdin and stdout; the only way so far, and to be asked for.")
    ] = False,
    function: Annotated[
        str | None, typer.Option("--function", metavar="NAME", help="Which function of a package that has several.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Images at a time.", show_default="what this process may use"),
    ] = None,
    executor: Executor = ExecutorName.AUTO,
    verbose: Verbose = False,
) -> None:
    """Answers other programs: image files and pixels in, probabilities out, until stdin ends.

    The protocol is in docs/serve.md; KewKit speaks it on Linux. Ends when stdin does, so nothing stays behind.

    Example: `kewcore serve --stdio packages/KewCNN-original-int8.mlpackage`
    """
    import os
    import sys
    import time

    from kewcore import console
    from kewcore.errors import KewError, UsageError

    if not stdio:
        raise UsageError("how to serve was not said", hint="say --stdio: requests come on stdin, answers go to stdout")
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise UsageError(
            "serve speaks to programs, in frames, and this is a terminal",
            hint="docs/serve.md has the protocol; to classify images by hand: kewcore predict",
        )
    if not verbose:
        console.set_verbosity("quiet")
    # Answers get a descriptor of their own: whatever else is printed in this process must not get among them.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            from kewcore.serving import Facts, end_with_reader, report_failure
            from kewcore.serving import serve as converse

            end_with_reader(answers.fileno())
            try:
                from kewcore.data.images import quiet_decoders
                from kewcore.runtime import PackageClassifier
                from kewcore_bench.candidates import newest_package
                from kewcore_bench.subjects import find_subject

                subject = find_subject(package or newest_package(), function)
                if subject.kind != "package":
                    raise UsageError(f"'{subject.path}' is not a package", hint="give one (.mlpackage)")
                start = time.perf_counter()
                classifier = PackageClassifier(subject.path, executor.value, threads, function_name=function)
                load_ms = (time.perf_counter() - start) * 1e3
                height, width = classifier.image_size
                facts = Facts(subject.name, height, width, subject.source.data.resize, executor.value, load_ms)
            except KewError as error:
                report_failure(answers, error)
                raise
            with quiet_decoders():
                converse(sys.stdin.buffer, answers, classifier, facts)
        except BrokenPipeError:
            # Nobody is left to be answered. What is still buffered must go somewhere when the stream is closed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())
