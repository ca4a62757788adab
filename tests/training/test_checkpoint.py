"""Checkpoints: back as they were written, and named when they are damaged."""

import resource
from dataclasses import replace

import numpy as np
import pytest

from kewcore.errors import RunError, StorageError
from kewcore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kewcore.training.step import TrainingState

pytestmark = pytest.mark.unit


def made(seed: int = 0) -> Checkpoint:
    rng = np.random.default_rng(seed)

    def arrays() -> list[np.ndarray]:
        return [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]

    state = TrainingState(arrays(), arrays(), arrays(), 7)
    return Checkpoint({"seed": 1}, state, arrays(), ({"epoch": 1.0, "val_loss": 0.5},), 12.5, 1000)


def test_what_is_saved_comes_back(tmp_path) -> None:
    before = made()
    save_checkpoint(tmp_path / "checkpoint", made(1))
    save_checkpoint(tmp_path / "checkpoint", before)
    after = load_checkpoint(tmp_path / "checkpoint")
    for group in ("weights", "first_moments", "second_moments"):
        for a, b in zip(getattr(after.state, group), getattr(before.state, group), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(after.best_weights, before.best_weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (after.settings, after.state.steps, list(after.history)) == ({"seed": 1}, 7, list(before.history))
    assert (after.elapsed_s, after.peak_memory_bytes) == (12.5, 1000)


def test_a_disk_that_takes_no_more_leaves_the_old_one_and_is_named_with_its_reason(tmp_path) -> None:
    save_checkpoint(tmp_path / "checkpoint", made())
    arrays = [np.zeros((300, 300), np.float32)]
    large = replace(made(), state=TrainingState(arrays, arrays, arrays, 8), best_weights=arrays)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write '.*checkpoint': File too large$"):
            save_checkpoint(tmp_path / "checkpoint", large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_checkpoint(tmp_path / "checkpoint").state.steps == 7
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoint.json", b"[]"),
        ("checkpoint.json", b"{}"),
        ("checkpoint.json", b"\xff"),
        ("weights_0.npy", b""),
        ("weights_0.npy", b"\x93NUMPY\x01"),
        ("best_weights_1.npy", None),
        ("first_moments_0.npy", b"not an array"),
    ],
)
def test_damage_is_named(tmp_path, name: str, content: bytes | None) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, made())
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(RunError, match=f"checkpoint '{folder}' is damaged: ") as caught:
        load_checkpoint(folder)
    assert caught.value.hint == "start this training anew with --restart"
