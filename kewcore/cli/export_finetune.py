"""`kewcore export --finetune`: how near each epoch came to the reference, and which was kept."""

from collections.abc import Mapping
from typing import Any


def print_finetune(title: str, record: Mapping[str, Any]) -> None:
    """Prints a package's training.

    Args:
        title: Name of the package.
        record: `finetune` of its sidecar.
    """
    from kewcore.cli.output import print_table

    rows = [_row(one, kept=one["epoch"] == record["best_epoch"]) for one in record["history"]]
    print_table(
        f"{title}: trained on {record['train_images']:,} images, judged on {record['val_images']:,} of the validation "
        f"part; package and trained network differ by at most {record['max_probability_difference']:.1e}",
        ["epoch", "loss, nats", "divergence, nats", "agreement", "time, s", ""],
        rows,
        left=0,
    )


def _row(one: Mapping[str, Any], *, kept: bool) -> list[str]:
    return [
        "before" if one["epoch"] == 0 else str(one["epoch"]),
        "" if one["loss"] is None else f"{one['loss']:.4f}",
        f"{one['val_kl_nats']:.4f}",
        f"{one['val_agreement']:.1%}",
        f"{one['seconds']:.0f}",
        "kept" if kept else "",
    ]
