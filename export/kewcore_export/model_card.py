"""The model card: a Markdown page beside each package, for the person who decides whether to ship it."""

from kewcore.training.run import Run
from kewcore_export.sidecar import Sidecar


def model_card(sidecar: Sidecar, run: Run, size_bytes: int) -> str:
    """Writes the card of a package: use, data, figures, limits."""
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

{run.export.description}

## Use
An image classifier for Core ML, {sidecar.deployment_target} or newer. Give it a {image.colour} image of
{image.width} x {image.height} pixels named `{image.name}`; bring photographs to that size by `{image.resize}`, as in
training. It answers with `classLabel` and `classLabel_probs`, over {len(sidecar.class_names)} classes:
{", ".join(sidecar.class_names)}.
{softmax}
Author: {run.export.author}. Licence: {run.export.license}. Version: {run.export.version}.

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

Accuracy and parity with the TensorFlow original are in `{sidecar.name}.json`, under `parity`, once `kewcore bench`
has measured them.

## Limits
It gives one of its classes for every image, also for one that shows none of them. Probabilities are not calibrated.
Figures measured off a Mac come from kewcore's own runtime, not from the Neural Engine.
"""


def _form(form: str, bits: int, granularity: str) -> str:
    return f"{form} {bits} bit" if form == "float" else f"{form} {bits} bit, per {granularity}"
