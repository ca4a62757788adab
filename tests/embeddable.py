"""Packages that nobody can run but that are sound to look at: files, golden cases and a sidecar that fits."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from kewcore_export.sidecar import (
    GoldenCase,
    InputRecord,
    RunRecord,
    Sidecar,
    file_hashes,
    golden_folder,
    save_sidecar,
    sidecar_path,
)

CLASS_NAMES = ("flower", "plant_tag", "whole plant", "default")


def make_package(
    folder: Path,
    name: str = "KewCNN-original-int8",
    *,
    class_names: tuple[str, ...] = CLASS_NAMES,
    weights: bytes = b"w",
) -> Path:
    """Writes a package, its sidecar and one golden case."""
    package = folder / f"{name}.mlpackage"
    (package / "Data/com.apple.CoreML/weights").mkdir(parents=True, exist_ok=True)
    (package / "Manifest.json").write_text(json.dumps({"of": name}))
    (package / "Data/com.apple.CoreML/weights/weight.bin").write_bytes(weights)
    golden_folder(package).mkdir(exist_ok=True)
    Image.fromarray(np.full((4, 4), len(weights), np.uint8)).save(golden_folder(package) / f"{name}-golden-00.png")
    share = (1 / len(class_names),) * len(class_names)
    sidecar = Sidecar(
        name=name,
        mode="int8",
        deployment_target="iOS16",
        kewcore_version="0.1.0",
        inputs_sha256="ab" * 32,
        run=RunRecord("../runs/kewcnn/x", "kewcnn", name.split("-")[1], "cd" * 32, "f00d", True),
        input=InputRecord("image", 4, 4, 1, "greyscale", "centre-crop"),
        class_names=class_names,
        engine=None,
        activations=None,
        search=None,
        finetune=None,
        softmax_added=False,
        files=file_hashes(package),
        golden_files=file_hashes(golden_folder(package)),
        float32_bytes=4,
        weights=(),
        golden=(GoldenCase(f"{name}-golden-00.png", share, share),),
        parity=None,
    )
    save_sidecar(sidecar, sidecar_path(package))
    return package


def make_swift_package(folder: Path, targets: str, *names: str) -> Path:
    """Writes a Swift package with these targets in its manifest, and a source file in each named folder."""
    (folder / "Sources").mkdir(parents=True)
    manifest = f'import PackageDescription\nlet package = Package(name: "App", targets: [{targets}])\n'
    (folder / "Package.swift").write_text(f"// swift-tools-version: 5.9\n{manifest}")
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "main.swift").write_text("print(KewCNNLabel.allCases.map { ($0, $0.rawValue) })\n")
    return folder
