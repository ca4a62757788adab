"""`kewcore data`: making, fetching, splitting and describing datasets."""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Seed, SkipBad, Verbose

data = typer.Typer(
    name="data", no_args_is_help=True, help="Make the sample set; fetch Kew-MNIST; split, balance and describe folders."
)


@data.command("sample")
def sample(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")] = Path("data/sample"),
    images: Annotated[int, typer.Option("--images", min=12, help="Images in the training part.")] = 160,
    seed: Seed = 7,
    sheet: Annotated[bool, typer.Option("--sheet", help="Write a contact sheet beside the folder, as PNG.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Makes the built-in sample set: drawings of six classes, a stand-in for Kew-MNIST that needs no network.

    Example: `kewcore data sample --images 320 --sheet`
    """
    from kewcore.artefacts import describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.console import say
    from kewcore.data.sample.make import NOTICE, make_sample_set
    from kewcore.data.sample.sheet import write_contact_sheet

    summary = make_sample_set(out, seed=seed, images=images)
    written = [] if summary.reused else [describe(out)]
    if sheet:
        rows = {
            name: (sorted((out / "train" / name).glob("*.jpg")), sorted((out / "synthetic" / name).glob("*.jpg")))
            for name in summary.counts["train"]
        }
        written.append(write_contact_sheet(out.with_name(f"{out.name}-sheet.png"), rows))
    if summary.reused:
        say(f"'{out}' holds this set already; nothing drawn")
    say(NOTICE)
    report_written(written)
    if json:
        artefacts = [{"path": str(a.path), "size_bytes": a.size_bytes, "sha256": a.sha256} for a in written]
        print_json(
            "sample",
            {"root": str(out), "stand_in": True, "seed": seed, "reused": summary.reused, "counts": summary.counts}
            | {"artefacts": artefacts},
        )
        return
    parts = list(summary.counts)
    table = [[name, *(str(summary.counts[part][name]) for part in parts)] for name in summary.counts["train"]]
    table.append(["total", *(str(sum(summary.counts[part].values())) for part in parts)])
    print_table("Sample set (a stand-in for Kew-MNIST)", ["class", *parts], table)


@data.command("prepare")
def prepare(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of photographs, plain or split.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    synthetic: Annotated[
        Path | None, typer.Option("--synthetic", metavar="DIR", help="Extra training images: a folder for each class.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe whose classes and split count.")] = "kewcnn",
    skip_bad: SkipBad = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Splits a folder of photographs 70/30, adds synthetic images, and shows how the classes balance.

    Example: `kewcore data prepare photos --synthetic data/sample --out data/kew`
    """
    from kewcore.artefacts import describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.data.prepare import prepare_dataset
    from kewcore.recipes import load_recipe

    prepared = prepare_dataset(source, out, load_recipe(recipe).data, synthetic=synthetic, skip_bad=skip_bad)
    written = describe(out)
    report_written([written])
    if json:
        rows = [
            {"class": b.class_name, "original": b.original, "added": b.added, "total": b.total,
             "change_percent": b.change_percent}
            for b in prepared.balance
        ]  # fmt: skip
        print_json(
            "prepared",
            {
                "root": str(out),
                "counts": prepared.counts,
                "balance": rows,
                "skipped": [{"path": str(s.path), "reason": s.reason} for s in prepared.skipped],
                "size_bytes": written.size_bytes,
                "sha256": written.sha256,
            },
        )
        return
    table = [[b.class_name, str(b.original), f"{b.added:+d}", str(b.total), f"{b.change_percent:+.1f} %"]
             for b in prepared.balance]  # fmt: skip
    original, added = sum(b.original for b in prepared.balance), sum(b.added for b in prepared.balance)
    table.append(["total", str(original), f"{added:+d}", str(original + added), f"{100 * added / original:+.1f} %"])
    print_table("Training part", ["class", "original", "added", "total", "change"], table)
    parts = {part: sum(of_class.values()) for part, of_class in prepared.counts.items()}
    print(", ".join(f"{part} {count}" for part, count in parts.items()) + f", left out {len(prepared.skipped)}")


@data.command("even-out")
def even_out(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of photographs, plain or split.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    seed: Seed = 7,
    skip_bad: SkipBad = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draws synthetic images for photographs of KewCNN's classes: what each lacks to the largest.

    The drawings are those of the sample set's second generator, a stand-in for images from a trained generator.

    Example: `kewcore data even-out photos --out drawn && kewcore data prepare photos --synthetic drawn --out data/kew`
    """
    from kewcore.artefacts import describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.data.dataset import open_dataset
    from kewcore.data.sample.even_out import even_out as draw
    from kewcore.recipes import load_recipe

    counts = draw(open_dataset(source, load_recipe("kewcnn").data, skip_bad=skip_bad), out, seed=seed).counts
    report_written([describe(out)])
    if json:
        print_json("even-out", {"root": str(out), "stand_in": True, "seed": seed, "counts": counts})
        return
    rows = [[name, str(count)] for name, count in counts.items()]
    print_table(
        "Synthetic images (drawings, a stand-in)", ["class", "drawn"], [*rows, ["total", str(sum(counts.values()))]]
    )


@data.command("info")
def info(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.")] = Path("data/sample"),
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe whose classes and split count.")] = "kewcnn",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Describes a folder of images: counts, sizes, formats, duplicates, what would be refused, and its fingerprint.

    Example: `kewcore data info data/kew --json`
    """
    from kewcore.cli.output import human_size, print_json, print_table
    from kewcore.data.info import describe_dataset
    from kewcore.recipes import load_recipe

    found = describe_dataset(source, load_recipe(recipe).data)
    stand_in = bool(found.marker and found.marker.get("stand_in") is True)
    if json:
        sizes = [{"height": h, "width": w, "images": count} for (h, w), count in found.sizes.items()]
        skipped = [{"path": str(one.path), "reason": one.reason} for one in found.skipped]
        print_json(
            "dataset",
            {
                "root": str(source),
                "classes": list(found.class_names),
                "stand_in": stand_in,
                "counts": found.counts,
                "sizes": sizes,
                "formats": found.formats,
                "size_bytes": found.size_bytes,
                "duplicates": found.duplicates,
                "skipped": skipped,
                "fingerprint": found.fingerprint,
            },
        )
        return
    parts = list(found.counts)
    table = [[name, *(str(found.counts[part][name]) for part in parts)] for name in found.class_names]
    table.append(["total", *(str(sum(found.counts[part].values())) for part in parts)])
    print_table(f"{source}{' (the sample set, a stand-in)' if stand_in else ''}", ["class", *parts], table)
    sizes_text = ", ".join(f"{w}x{h}: {count}" for (h, w), count in list(found.sizes.items())[:6])
    more = f", and {len(found.sizes) - 6} other sizes" if len(found.sizes) > 6 else ""
    print(f"files        {human_size(found.size_bytes)}; " + ", ".join(f"{k}: {n}" for k, n in found.formats.items()))
    print(f"sizes        {sizes_text}{more}")
    print(f"duplicates   {found.duplicates} within a part")
    print(f"left out     {len(found.skipped)}")
    for one in found.skipped:
        print(f"  {one.path}: {one.reason}")
    print(f"fingerprint  {found.fingerprint}")


@data.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set to fetch: kew-mnist.")] = "kew-mnist",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")] = Path("data/kew-mnist"),
    url: Annotated[
        str | None,
        typer.Option("--url", help="Another address of the .Rdata file, or a path.", show_default="the publisher's"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the downloaded file, in DIR.download.")] = False,
    pixel_order: Annotated[
        str, typer.Option("--pixel-order", help="How images stored as rows of a matrix were flattened: column or row.")
    ] = "column",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Downloads Kew-MNIST (about 1 GB, resumable) and writes it as folders of PNG images.

    Example: `kewcore data fetch kew-mnist --out data/kew-mnist`
    """
    from typing import cast

    from kewcore.artefacts import describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.data.kew_mnist import URL, fetch_kew_mnist
    from kewcore.data.robjects import PixelOrder
    from kewcore.errors import UsageError
    from kewcore.recipes import load_recipe

    if name != "kew-mnist":
        raise UsageError(f"cannot fetch '{name}'; known: kew-mnist")
    if pixel_order not in {"column", "row"}:
        raise UsageError(f"--pixel-order must be column or row, got '{pixel_order}'")
    classes = load_recipe("kewcnn").data.classes or ()
    fetched = fetch_kew_mnist(out, classes, url=url or URL, keep=keep, pixel_order=cast(PixelOrder, pixel_order))
    written = describe(out)
    if not fetched.reused:
        report_written([written])
    if json:
        print_json(
            "fetched",
            {
                "root": str(out),
                "counts": fetched.counts,
                "source_sha256": fetched.source_sha256,
                "reused": fetched.reused,
                "size_bytes": written.size_bytes,
                "sha256": written.sha256,
            },
        )
        return
    print_table(f"{out}", ["part", "images"], [[part, str(count)] for part, count in fetched.counts.items()])
