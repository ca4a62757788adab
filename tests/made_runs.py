"""Run folders around models that tests made themselves."""

import json
from pathlib import Path
from typing import Any


def write_run(
    folder: Path,
    model: Any,
    class_names: tuple[str, ...],
    *,
    title: str = "tiny",
    variant: str = "original",
    size: tuple[int, int] = (40, 36),
    dataset: Path = Path("nowhere"),
    fingerprint: str = "f00d",
    stand_in: bool = False,
) -> Path:
    """Writes `model.keras` and the `run.json` that `kewcore train` would write beside it."""
    height, width = size
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    data = {
        "classes": list(class_names),
        "height": height,
        "width": width,
        "resize": "centre-crop",
        "test_fraction": 0.3,
        "val_fraction": 0.15,
        "split_seed": 42,
    }
    export = {"author": "nobody", "license": "MIT", "version": "1.0", "description": "Tells small patterns apart."}
    facts = {
        "schema_version": 1,
        "recipe": title.lower(),
        "title": title,
        "variant": variant,
        "data": data,
        "export": export,
        "dataset": {"path": str(dataset), "fingerprint": fingerprint, "stand_in": stand_in},
        "settings": {},
    }
    (folder / "run.json").write_text(json.dumps(facts))
    return folder
