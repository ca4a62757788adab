"""The model card: a Markdown page beside each package, for the person who decides whether to ship it."""

import math
from collections.abc import Mapping
from typing import Any

from kewcore.errors import PackageError
from kewcore.parity.intervals import Interval, wilson
from kewcore.recipes import ExportRecipe
from kewcore_export.activations.record import ActivationRecord, OperationRecord, TensorRecord
from kewcore_export.measured_parity import MeasuredParity
from kewcore_export.sidecar import Sidecar


def model_card(sidecar: Sidecar, about: ExportRecipe, size_bytes: int, parity: MeasuredParity | None = None) -> str:
    """Writes the card of a package as Markdown: use, data, figures, limits.

    Args:
        sidecar: What is known of the package.
        about: What its metadata say.
        size_bytes: Of all its files.
        parity: What a bench measured; None before one.
    """
    image = sidecar.input
    stand_in = (
        "\n**The training data is a stand-in**: its figures say how well the road from training to package works, "
        "and nothing about real photographs.\n"
        if sidecar.run.stand_in
        else ""
    )
    softmax = "\nThe Keras model ends in logits; a softmax was added in the package.\n" if sidecar.softmax_added else ""
    rows = "\n".join(
        f"| `{w.op}` | {w.parameter} | {'×'.join(map(str, w.shape))} | {_form(w.form, w.bits, w.granularity)} "
        f"| {w.size_bytes:,} | {'exact' if w.snr_db is None else f'{w.snr_db:.1f}'} | {w.sparsity:.1%} | {w.reason} |"
        for w in sidecar.weights
    )
    return f"""# {sidecar.name}

{about.description}

## Use
An image classifier for Core ML, {sidecar.deployment_target} or newer. Give it a {image.colour} image of
{image.width} x {image.height} pixels named `{image.name}`; bring photographs to that size by `{image.resize}`, as in
training. It answers with `classLabel` and `classLabel_probs`, over {len(sidecar.class_names)} classes:
{", ".join(sidecar.class_names)}.
{softmax}{_engine(sidecar)}
Author: {about.author}. Licence: {about.license}. Version: {about.version}.

## Data
Trained by the recipe `{sidecar.run.recipe}`, variant `{sidecar.run.variant}`, on the data set with fingerprint
`{sidecar.run.dataset_fingerprint}`.
{stand_in}
## Figures
Mode `{sidecar.mode}`: {size_bytes:,} bytes, {size_bytes / sidecar.float32_bytes:.3f} of the float32 weights
({sidecar.float32_bytes:,} bytes). Signal-to-noise ratios are measured on the written file against the float32 weights.

| op | parameter | shape | form | bytes | SNR, dB | zeros | note |
|---|---|---|---|---|---|---|---|
{rows}
{_activations(sidecar.activations)}{_choice(sidecar)}
{_parity(parity) if parity else _NOT_MEASURED}

## Limits
It gives one of its classes for every image, also for one that shows none of them. Probabilities are not calibrated.
Figures measured off a Mac come from kewcore's own runtime, not from the Neural Engine.
"""


def _engine(sidecar: Sidecar) -> str:
    engine = sidecar.engine
    if engine is None or not engine.rewrites:
        return ""
    return (
        f"\nIts graph was rewritten for the Neural Engine from {engine.min_chip} on, exactly but for the rounding of "
        f"fp16: {', '.join(engine.rewrites)}.\n"
    )


def _activations(record: ActivationRecord | None) -> str:
    if record is None:
        return ""
    tensors = {tensor.name: tensor for tensor in record.tensors}
    rows = "\n".join(
        f"| `{one.name}` | {one.type} | {_taken(one, tensors.get(one.input))} | {_decibels(one.together_db)} "
        f"| {one.reason} |"
        for one in record.operations
    )
    equalized = f" Channels were evened out in {_names(record.equalized)}." if record.equalized else ""
    return f"""
### Activations
Activations of 8 bits, calibrated on {record.images:,} images (fingerprint `{record.images_sha256}`) by
`{record.method}`.{equalized} Signal-to-noise ratios, in dB, are measured on {record.cost_images:,} of these against
float activations: of the logits {_decibels(record.logits_snr_db)}, in the table of what reaches an operation.

| op | type | takes | SNR, dB | note |
|---|---|---|---|---|
{rows}
"""


def _choice(sidecar: Sidecar) -> str:
    """Says how the forms of weights were found and how their values learned, where they did."""
    try:
        found = "" if sidecar.search is None else _search(sidecar.search)
        return found if sidecar.finetune is None else found + _finetune(sidecar.finetune)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PackageError(
            f"the sidecar of '{sidecar.name}' is damaged, in what it says of its search or training: {error}",
            hint="export the package again",
        ) from error


def _search(record: Mapping[str, Any]) -> str:
    unseen = record["unseen"]
    agreement, drop = unseen["agreement_interval"], unseen["drop_interval_pp"]
    agrees = f"{100 * agreement['low']:.1f} to {100 * agreement['high']:.1f} %"
    stopped = " Its time limit ended the search." if record["stopped"] else ""
    missed = "; ".join(miss["text"] for miss in record["misses"])
    kept = f"**It does not keep there: {missed}.**" if missed else "It keeps the budget there."
    return f"""
### How its weights got their forms
Searched for the smallest package within a budget: {record["budget"]}. {record["trials"]:,} packages were run
on {record["images"]:,} images of the validation part; the last layer was fitted to {record["fitted_images"]:,} training
images.{stopped} On {unseen["images"]:,} images that the search had not seen, of the test part, this one has:

| figure | value | 95 % interval |
|---|---|---|
| top-1 agreement with TensorFlow | {100 * unseen["agreement"]:.1f} % | {agrees} |
| drop of accuracy, percentage points | {unseen["drop_pp"]:+.2f} | {drop["low"]:+.2f} to {drop["high"]:+.2f} |

{kept}
"""


def _finetune(record: Mapping[str, Any]) -> str:
    divergences = {row["epoch"]: row["val_kl_nats"] for row in record["history"]}
    best = record["best_epoch"]
    return f"""
### Training after compression
Its weights, in the form in which they are stored, learned from the answers of the model that they came from:
{record["epochs"]} epochs over {record["train_images"]:,} training images. Packaged are those after epoch {best}, on the
validation part ({record["val_images"]:,} images) the nearest to that model: a mean divergence of
{divergences[best]:.1e} nats, {divergences[0]:.1e} before training.
"""


def _taken(operation: OperationRecord, tensor: TensorRecord | None) -> str:
    if tensor is None or operation.takes == "float":  # another operation may take the same value as bytes
        return operation.takes
    return f"{tensor.dtype}, {tensor.low:.3g} to {tensor.high:.3g}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _decibels(ratio_db: float | None) -> str:
    return "exact" if ratio_db is None else f"{ratio_db:.1f}"


_NOT_MEASURED = """Accuracy and parity with the TensorFlow original have not been measured yet: `kewcore bench` writes
them here."""


def _parity(parity: MeasuredParity) -> str:
    metrics, n = parity.metrics, parity.metrics.n
    rows = [("top-1 agreement with TensorFlow", *_share(metrics.top1_agreement, n))]
    if (accuracy := metrics.accuracy) is not None:
        drop = accuracy.drop_interval_pp
        rows = [
            ("accuracy of the TensorFlow original", *_share(accuracy.first_accuracy, n)),
            ("accuracy of the package", *_share(accuracy.second_accuracy, n)),
            ("drop of accuracy, percentage points", f"{accuracy.drop_pp:+.2f}", f"{drop.low:+.2f} to {drop.high:+.2f}"),
            *rows,
        ]
    rows += [
        ("largest difference of a probability", f"{metrics.max_abs_dp:.1e}", ""),
        ("mean difference of a probability", f"{metrics.mean_abs_dp:.1e}", ""),
        ("logit SNR", "equal" if metrics.logit_snr_db == math.inf else f"{metrics.logit_snr_db:.1f} dB", ""),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    stand_in = " **These images are a stand-in for real photographs.**" if parity.stand_in else ""
    return f"""Measured on {parity.measured} with kewcore {parity.kewcore_version}, on {n:,} images of the
{parity.split} part of the data set with fingerprint `{parity.dataset_fingerprint}`,
against TensorFlow on the CPU.{stand_in}

| figure | value | 95 % interval |
|---|---|---|
{table}

Intervals of shares are Wilson's, that of the drop is a paired bootstrap."""


def _share(share: float, n: int) -> tuple[str, str]:
    count = round(share * n)
    interval: Interval = wilson(count, n)
    return f"{count:,} of {n:,}, {100 * share:.1f} %", f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _form(form: str, bits: int, granularity: str) -> str:
    return f"{form} {bits} bit" if form == "float" else f"{form} {bits} bit, per {granularity}"
