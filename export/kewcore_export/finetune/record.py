"""What a sidecar says of a fine-tuning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """The state after an epoch; epoch 0 is that before the first.

    Attributes:
        epoch: Which.
        loss: Mean training loss over the epoch, in nats; None for epoch 0.
        val_kl_nats: Mean Kullback-Leibler divergence from the reference on the validation part.
        val_agreement: Part of the validation part on which both give the same class, 0…1.
        seconds: What it took.
    """

    epoch: int
    loss: float | None
    val_kl_nats: float
    val_agreement: float
    seconds: float


@dataclass(frozen=True)
class FinetuneRecord:
    """How a package was trained further.

    Attributes:
        epochs: How many.
        best_epoch: The one whose values are packaged: that of least divergence.
        learning_rate: Of the first step; see `kewcore_export.finetune.settings.FinetuneSettings`.
        temperature: Of the distillation.
        batch_size: Images of one update.
        seed: Of order and augmentation.
        train_images: How many were learned from.
        val_images: How many epochs were judged on.
        data_fingerprint: SHA-256 over the files of both.
        head_fitted: Whether the last layer was first fitted to the compressed network's features.
        history: One row an epoch.
        peak_memory_bytes: Of the process that trained.
        max_probability_difference: Largest difference between package and student, both computed in float32.
    """

    epochs: int
    best_epoch: int
    learning_rate: float
    temperature: float
    batch_size: int
    seed: int
    train_images: int
    val_images: int
    data_fingerprint: str
    head_fitted: bool
    history: tuple[EpochRecord, ...]
    peak_memory_bytes: int
    max_probability_difference: float
