"""Writes kewcore/ane/published_networks.json: layers of public networks whose latency on a Neural Engine is published.

Layers are derived by hand from the networks' own descriptions, named in each function; tests/ane holds their totals
against the published numbers of parameters and multiply-adds. Run `python docs/published_networks.py`; with `--check`
it only compares. It needs nothing but Python.

Batch normalisation, biases and activation functions are part of the layer before them: Core ML's compiler folds them.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

FILE = Path(__file__).parents[1] / "kewcore" / "ane" / "published_networks.json"


@dataclass(frozen=True)
class Layer:
    """One layer at batch 1; all counts are elements.

    Attributes:
        kind: What it is, for a reader.
        multiply_adds: Products that it adds up.
        reads: Elements of each tensor that it reads.
        writes: Elements of its result.
        weights: Elements of its weight.
        group_channels: Input channels of one group; None without groups.
        border: Elements that it takes from the app or hands to it.
    """

    kind: str
    multiply_adds: int
    reads: tuple[int, ...]
    writes: int
    weights: int = 0
    group_channels: int | None = None
    border: int = 0


@dataclass
class Network:
    """A network that grows layer by layer; `channels`, `height` and `width` are those of its newest result."""

    channels: int
    height: int
    width: int
    layers: list[Layer] = field(default_factory=list)

    @property
    def elements(self) -> int:
        """Elements of the newest result."""
        return self.channels * self.height * self.width

    def conv(self, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> "Network":
        """Appends a convolution with the padding `same`; a dense layer is one with a kernel of 1 on a 1x1 map."""
        before, group = self.elements, self.channels // groups
        self.channels, self.height, self.width = channels, ceil(self.height / stride), ceil(self.width / stride)
        weights = channels * group * kernel * kernel
        products = weights * self.height * self.width
        grouped = group if groups > 1 else None
        self.layers.append(Layer("conv", products, (before,), self.elements, weights, grouped))
        return self

    def depthwise(self, kernel: int, stride: int = 1, times: int = 1) -> "Network":
        """Appends a convolution of each channel by itself, with `times` results a channel."""
        return self.conv(self.channels * times, kernel, stride, groups=self.channels)

    def pool(self, stride: int) -> "Network":
        """Appends a pooling."""
        before = self.elements
        self.height, self.width = ceil(self.height / stride), ceil(self.width / stride)
        self.layers.append(Layer("pool", 0, (before,), self.elements))
        return self

    def mean(self) -> "Network":
        """Appends the mean over the map."""
        self.layers.append(Layer("mean", 0, (self.elements,), self.channels))
        self.height = self.width = 1
        return self

    def add(self) -> "Network":
        """Appends the sum with an earlier result of the same shape."""
        self.layers.append(Layer("add", 0, (self.elements, self.elements), self.elements))
        return self

    def excite(self, middle: int) -> "Network":
        """Appends squeeze and excitation: a mean, two dense layers, and a product per channel."""
        channels = self.channels
        self.layers += [
            Layer("mean", 0, (self.elements,), channels),
            Layer("conv", channels * middle, (channels,), middle, channels * middle),
            Layer("conv", channels * middle, (middle,), channels, channels * middle),
            Layer("mul", 0, (self.elements, channels), self.elements),
        ]
        return self

    def attention(self, heads: int) -> "Network":
        """Appends a normalisation, self-attention over the positions of the map, and the sum with its input."""
        tokens, size = self.height * self.width, self.channels // heads
        scores = heads * tokens * tokens
        self.layers.append(Layer("norm", 0, (self.elements,), self.elements))
        projection = replace(self, layers=[]).conv(self.channels).layers
        self.layers += 3 * projection
        self.layers += [
            Layer("matmul", scores * size, (self.elements, self.elements), scores),
            Layer("softmax", 0, (scores,), scores),
            Layer("matmul", scores * size, (scores, self.elements), self.elements),
            *projection,
        ]
        return self.add()


def mobilenet_v2(width: float = 1.0) -> Network:
    """MobileNetV2. Source: Sandler et al. 2018 (arXiv 1801.04381), table 2; torchvision for the rounding of widths."""
    network = Network(3, 224, 224).conv(_eights(32 * width), 3, 2)
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, channels, repeats, stride in rows:
        for place in range(repeats):
            if expansion > 1:
                network.conv(network.channels * expansion)
            network.depthwise(3, stride if place == 0 else 1).conv(_eights(channels * width))
            if place:
                network.add()
    return network.conv(_eights(1280 * max(1.0, width))).mean().conv(1000)


def mobilenet_v3_small() -> Network:
    """MobileNetV3-Small. Source: Howard et al. 2019 (arXiv 1905.02244), table 2."""
    network = Network(3, 224, 224).conv(16, 3, 2)
    rows = (
        (3, 16, 16, True, 2),
        (3, 72, 24, False, 2),
        (3, 88, 24, False, 1),
        (5, 96, 40, True, 2),
        (5, 240, 40, True, 1),
        (5, 240, 40, True, 1),
        (5, 120, 48, True, 1),
        (5, 144, 48, True, 1),
        (5, 288, 96, True, 2),
        (5, 576, 96, True, 1),
        (5, 576, 96, True, 1),
    )
    for kernel, middle, channels, excited, stride in rows:
        before = network.channels
        if middle != before:
            network.conv(middle)
        network.depthwise(kernel, stride)
        if excited:
            network.excite(_eights(middle / 4))
        network.conv(channels)
        if stride == 1 and channels == before:
            network.add()
    return network.conv(576).mean().conv(1024).conv(1000)


def resnet50() -> Network:
    """ResNet50 v1.5, its strides in the 3x3 layers. Source: He et al. 2015 (arXiv 1512.03385), table 1; torchvision."""
    network = Network(3, 224, 224).conv(64, 7, 2).pool(2)
    for channels, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for place in range(repeats):
            shortcut = replace(network, layers=[])
            network.conv(channels).conv(channels, 3, 1 if place else stride).conv(4 * channels)
            if place == 0:
                network.layers += shortcut.conv(4 * channels, 1, stride).layers
            network.add()
    return network.mean().conv(1000)


def mobileone(widths: tuple[float, float, float, float], *, excited: bool = False) -> Network:
    """MobileOne, its branches folded. Source: apple/ml-mobileone, mobileone.py; Vasu et al. 2022 (arXiv 2206.04040)."""
    network = Network(3, 224, 224).conv(min(64, int(64 * widths[0])), 3, 2)
    stages = ((64, 2, 0), (128, 8, 0), (256, 10, 5), (512, 1, 1))
    for (base, repeats, last_excited), width in zip(stages, widths, strict=True):
        channels = int(base * width)
        for place in range(repeats):
            excites = excited and place >= repeats - last_excited
            network.depthwise(3, 1 if place else 2)
            if excites:
                network.excite(network.channels // 16)
            network.conv(channels)
            if excites:
                network.excite(channels // 16)
    return network.mean().conv(1000)


def fastvit(repeats: tuple[int, ...], widths: tuple[int, ...], ratio: int, *, attends: bool = False) -> Network:
    """FastViT at 256x256, its branches folded. Source: apple/ml-fastvit, models/fastvit.py (arXiv 2303.14189)."""
    network = Network(3, 256, 256).conv(widths[0], 3, 2).depthwise(3, 2).conv(widths[0])
    for stage, (count, width) in enumerate(zip(repeats, widths, strict=True)):
        if stage:
            network.conv(width, 7, 2, groups=network.channels).conv(width)
        attention = attends and stage == len(widths) - 1
        if attention:
            network.depthwise(7)
        for _ in range(count):
            if attention:
                network.attention(width // 32)
            else:
                network.depthwise(3)
            network.depthwise(7).conv(ratio * width).conv(width).add()
    network.depthwise(3, times=2)
    return network.excite(network.channels // 16).mean().conv(1000)


def transformer(layers: int, width: int, heads: int, tokens: int, vocabulary: int = 0) -> Network:
    """A transformer's blocks, and what predicts a word of `vocabulary` from the last position."""
    network = Network(width, 1, tokens)
    for _ in range(layers):
        network.attention(heads)
        network.layers.append(Layer("norm", 0, (network.elements,), network.elements))
        network.conv(4 * width).conv(width).add()
    if vocabulary:
        network.width = 1
        network.conv(vocabulary)
    return network


def square_layers(channels: int, size: int, repeats: int = 1) -> Network:
    """3x3 convolutions that keep the number of channels. Source: ane-guide, chapters 11 and 13."""
    network = Network(channels, size, size)
    for _ in range(repeats):
        network.conv(channels, 3)
    return network


def product(size: int) -> Network:
    """One row times a square matrix. Source: ane-guide, chapter 7."""
    return Network(size, 1, 1).conv(size)


def networks() -> dict[str, Network]:
    """Returns every network by its name in `published_latencies.toml`."""
    small, wide = (64, 128, 256, 512), (76, 152, 304, 608)
    return {
        "MobileNetV2": mobilenet_v2(),
        "MobileNetV2 x1.4": mobilenet_v2(1.4),
        "MobileNetV3-Small": mobilenet_v3_small(),
        "ResNet50": resnet50(),
        "MobileOne-S0": mobileone((0.75, 1.0, 1.0, 2.0)),
        "MobileOne-S1": mobileone((1.5, 1.5, 2.0, 2.5)),
        "MobileOne-S2": mobileone((1.5, 2.0, 2.5, 4.0)),
        "MobileOne-S3": mobileone((2.0, 2.5, 3.0, 4.0)),
        "MobileOne-S4": mobileone((3.0, 3.5, 3.5, 4.0), excited=True),
        "FastViT-T8": fastvit((2, 2, 4, 2), (48, 96, 192, 384), 3),
        "FastViT-T12": fastvit((2, 2, 6, 2), small, 3),
        "FastViT-S12": fastvit((2, 2, 6, 2), small, 4),
        "FastViT-SA12": fastvit((2, 2, 6, 2), small, 4, attends=True),
        "FastViT-SA24": fastvit((4, 4, 12, 4), small, 4, attends=True),
        "FastViT-SA36": fastvit((6, 6, 18, 6), small, 4, attends=True),
        "FastViT-MA36": fastvit((6, 6, 18, 6), wide, 4, attends=True),
        "DistilBERT, 128 tokens": transformer(6, 768, 12, 128),
        "OPT-1.3B, 64 tokens": transformer(24, 2048, 32, 64, 50272),
        **{f"3x3 of 64 channels, {size}x{size}": square_layers(64, size) for size in (16, 32, 64, 128, 256)},
        "3x3 of 256 channels, 28x28": square_layers(256, 28),
        "sixteen 3x3 of 256 channels, 32x32": square_layers(256, 32, 16),
        **{f"1x{size} times {size}x{size}": product(size) for size in (2048, 4096, 8192)},
    }


def text() -> str:
    """Makes the file: for each network its layers with how often they occur, one a line."""
    parts = []
    for name, network in networks().items():
        first, *rest = network.layers
        layers = [replace(first, border=first.reads[0]), *rest]
        layers[-1] = replace(layers[-1], border=layers[-1].border + layers[-1].writes)
        rows = [
            json.dumps([count, *(layer.__dict__[name] for name in COLUMNS[1:])])
            for layer, count in Counter(layers).items()
        ]
        parts.append(f"{json.dumps(name)}: [\n" + ",\n".join(rows) + "\n]")
    columns = json.dumps(list(COLUMNS))
    return f'{{"columns": {columns},\n"networks": {{\n' + ",\n".join(parts) + "\n}}\n"


COLUMNS = ("count", "kind", "multiply_adds", "reads", "writes", "weights", "group_channels", "border")


def _eights(channels: float) -> int:
    """Rounds a width to a multiple of 8, by at most a tenth down. Source: torchvision, _make_divisible."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text(encoding="utf-8") == text() else f"{FILE} is stale: run {Path(__file__).name}")
    FILE.write_text(text(), encoding="utf-8")
