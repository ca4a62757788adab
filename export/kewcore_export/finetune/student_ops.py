"""What the operations of exported classifiers do, in TensorFlow, for a batch of images in place of one.

Source of what they mean: the operations of kewcore's own runtime, `kewcore.runtime.ops`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kewcore.errors import UnsupportedError
from kewcore.models.tensorflow import import_tensorflow
from kewcore.runtime.padding import Pads, window_pads
from kewcore_export.finetune.layout import held, held_axis, held_order, plain

Arguments = Mapping[str, Any]
"""By MIL's parameter name: tensors as they are held, constants as NumPy arrays in the program's order, or text."""


def operation(name: str) -> Callable[[Arguments], Any] | None:
    """Finds what an operation does, from its arguments to its one result; None where it is not known."""
    return _OPERATIONS.get(name)


def _conv(a: Arguments) -> Any:
    tf = import_tensorflow()
    x, weight = a["x"], a["weight"]
    if len(x.shape) != 4:
        raise UnsupportedError(f"a convolution over {len(x.shape) - 2} axes cannot be trained here, only one over 2")
    kernel, groups = tuple(int(n) for n in weight.shape[2:]), int(a.get("groups", 1))
    strides, dilations = _two(a.get("strides")), _two(a.get("dilations"))
    pads = window_pads(str(a["pad_type"]), a.get("pad"), x.shape[1:3], kernel, strides, dilations)
    if kernel == tuple(x.shape[1:3]) and groups == 1 and not np.any(pads):
        # A kernel that covers its input is one product; in this order the large weight need not be transposed.
        rows = tf.reshape(plain(x), [-1, int(np.prod(weight.shape[1:]))])
        matrix = tf.reshape(weight, [weight.shape[0], -1])
        result = tf.matmul(rows, matrix, transpose_b=True)[:, tf.newaxis, tf.newaxis]
    else:
        result = _convolved(x, _dilated(tf.transpose(weight, [2, 3, 1, 0]), dilations), strides, pads, groups)
    return result if a.get("bias") is None else result + a["bias"]


def _convolved(x: Any, kernel: Any, strides: list[int], pads: Pads, groups: int) -> Any:
    """A convolution whose groups are computed one by one, as TensorFlow has no gradient for them on the CPU."""
    tf = import_tensorflow()
    spaced = [(0, 0), *pads, (0, 0)]
    height, width, _, channels = kernel.shape
    if 1 < groups == x.shape[3] and strides[0] == strides[1]:
        deep = tf.reshape(kernel, [height, width, groups, channels // groups])
        return tf.nn.depthwise_conv2d(tf.pad(x, spaced), deep, [1, *strides, 1], "VALID")
    parts = zip(tf.split(x, groups, axis=3), tf.split(kernel, groups, axis=3), strict=True)
    return tf.concat([tf.nn.conv2d(part, one, strides, spaced) for part, one in parts], axis=3)


def _dilated(kernel: Any, dilations: list[int]) -> Any:
    """Puts zeros between the taps of a kernel `[kH, kW, C_in, C_out]`; TensorFlow's CPU has no gradient otherwise."""
    tf = import_tensorflow()
    for axis, step in enumerate(dilations):
        if step > 1:
            size = kernel.shape[axis]
            spread = tf.stack([kernel, *([tf.zeros_like(kernel)] * (step - 1))], axis=axis + 1)
            shape = [*kernel.shape[:axis], size * step, *kernel.shape[axis + 1 :]]
            cut = [slice(None)] * axis + [slice(0, size * step - step + 1)]
            kernel = tf.reshape(spread, shape)[tuple(cut)]
    return kernel


def _linear(a: Arguments) -> Any:
    tf = import_tensorflow()
    product = tf.matmul(plain(a["x"]), tf.transpose(a["weight"]))
    return held(product if a.get("bias") is None else product + a["bias"])


def _matmul(a: Arguments) -> Any:
    tf = import_tensorflow()
    x, y = (plain(one) if tf.is_tensor(one) else one for one in (a["x"], a["y"]))
    turned = {f"transpose_{b}": bool(a.get(f"transpose_{p}", False)) for p, b in (("x", "a"), ("y", "b"))}
    return held(tf.matmul(x, y, **turned))


def _max_pool(a: Arguments) -> Any:
    tf = import_tensorflow()
    kernel, strides, pads = _window(a)
    # An explicit -inf: padding never wins.
    x = tf.pad(a["x"], [(0, 0), *pads, (0, 0)], constant_values=-np.inf) if np.any(pads) else a["x"]
    return tf.nn.max_pool2d(x, kernel, strides, "VALID")


def _avg_pool(a: Arguments) -> Any:
    tf = import_tensorflow()
    kernel, strides, pads = _window(a)

    def mean(x: Any) -> Any:
        return tf.nn.avg_pool2d(tf.pad(x, [(0, 0), *pads, (0, 0)]) if np.any(pads) else x, kernel, strides, "VALID")

    if not (bool(a.get("exclude_padding_from_average", False)) and np.any(pads)):
        return mean(a["x"])
    return mean(a["x"]) / mean(tf.ones([1, *a["x"].shape[1:3], 1]))


def _window(a: Arguments) -> tuple[list[int], list[int], Pads]:
    if len(a["x"].shape) != 4:
        raise UnsupportedError(f"a pool over {len(a['x'].shape) - 2} axes cannot be trained here, only one over 2")
    if bool(a.get("ceil_mode", False)):
        raise UnsupportedError("a pool with ceil_mode cannot be trained")
    kernel = [int(n) for n in a["kernel_sizes"]]
    strides = _two(a.get("strides"))
    return kernel, strides, window_pads(str(a["pad_type"]), a.get("pad"), a["x"].shape[1:3], kernel, strides, [1, 1])


def _two(values: Any) -> list[int]:
    return [1, 1] if values is None else [int(n) for n in values]


def _batch_norm(a: Arguments) -> Any:
    tf = import_tensorflow()
    x, channels = a["x"], 1 if len(a["x"].shape) == 4 else len(a["x"].shape) - 2
    gamma, beta = a.get("gamma", 1.0), a.get("beta", 0.0)
    scale = gamma / tf.sqrt(a["variance"] + a.get("epsilon", 1e-5))
    shift = beta - a["mean"] * scale
    if len(x.shape) == 4 or channels == 0:
        return x * scale + shift
    shape = [-1, *(1 for _ in range(channels))]
    return x * tf.reshape(scale, shape) + tf.reshape(shift, shape)


def _binary(function: str) -> Callable[[Arguments], Any]:
    def compute(a: Arguments) -> Any:
        tf = import_tensorflow()
        rank = max(np.ndim(a["x"]), np.ndim(a["y"]))
        x, y = (_aligned(one, rank) for one in (a["x"], a["y"]))
        return getattr(tf, function)(x, y)

    return compute


def _aligned(value: Any, rank: int) -> Any:
    """Gives an operand of lower rank leading axes of 1, as broadcasting would, before its axes are put in order."""
    tf = import_tensorflow()
    axes = rank - len(value.shape)
    if not tf.is_tensor(value):
        return held(tf.constant(value.reshape((1,) * axes + value.shape)))
    if axes:
        raise UnsupportedError("values of unlike rank that both depend on the image cannot be joined in training")
    return value


def _unary(function: Callable[[Any, Any], Any]) -> Callable[[Arguments], Any]:
    return lambda a: function(import_tensorflow(), a["x"])


def _leaky_relu(a: Arguments) -> Any:
    return import_tensorflow().nn.leaky_relu(a["x"], float(a["alpha"]))


def _prelu(a: Arguments) -> Any:
    tf = import_tensorflow()
    if len(a["x"].shape) != 4:
        raise UnsupportedError("a prelu of a value that is no map cannot be trained")
    return tf.maximum(a["x"], 0.0) + a["alpha"] * tf.minimum(a["x"], 0.0)


def _gelu(a: Arguments) -> Any:
    mode = str(a.get("mode", "EXACT"))
    if mode == "SIGMOID_APPROXIMATION":
        raise UnsupportedError("a gelu of mode SIGMOID_APPROXIMATION cannot be trained")
    return import_tensorflow().nn.gelu(a["x"], approximate=mode == "TANH_APPROXIMATION")


def _softmax(a: Arguments) -> Any:
    return import_tensorflow().nn.softmax(a["x"], axis=held_axis(int(a.get("axis", -1)), len(a["x"].shape)))


def _reduce(function: str) -> Callable[[Arguments], Any]:
    def compute(a: Arguments) -> Any:
        x = a["x"]
        axes = [int(n) % len(x.shape) for n in np.atleast_1d(a["axes"])]
        if bool(a.get("keep_dims", False)):
            return getattr(import_tensorflow(), function)(x, [held_axis(n, len(x.shape)) for n in axes], keepdims=True)
        return held(getattr(import_tensorflow(), function)(plain(x), axes))

    return compute


def _reshape(a: Arguments) -> Any:
    shape = [int(n) for n in a["shape"]]
    if shape[0] not in (1, -1) or -1 in shape[1:]:
        raise UnsupportedError(f"a reshape to {shape} moves the axis of images and cannot be trained")
    return held(import_tensorflow().reshape(plain(a["x"]), [-1, *shape[1:]]))


def _flatten2d(a: Arguments) -> Any:
    x = plain(a["x"])
    return import_tensorflow().reshape(x, [-1, int(np.prod(x.shape[1:]))])


def _squeeze(a: Arguments) -> Any:
    x = plain(a["x"])
    axes = [int(n) % len(x.shape) for n in np.atleast_1d(a["axes"])]
    return held(import_tensorflow().squeeze(x, axes))


def _expand_dims(a: Arguments) -> Any:
    tf, x = import_tensorflow(), plain(a["x"])
    rank = len(x.shape) + len(np.atleast_1d(a["axes"]))
    for axis in sorted(int(n) % rank for n in np.atleast_1d(a["axes"])):
        x = tf.expand_dims(x, axis)
    return held(x)


def _transpose(a: Arguments) -> Any:
    return held(import_tensorflow().transpose(plain(a["x"]), [int(n) for n in a["perm"]]))


def _concat(a: Arguments) -> Any:
    values = a["values"]
    return import_tensorflow().concat(values, held_axis(int(a["axis"]), len(values[0].shape)))


def _pad(a: Arguments) -> Any:
    tf, x = import_tensorflow(), a["x"]
    amounts = [int(n) for n in a["pad"]]
    missing = 2 * len(x.shape) - len(amounts)  # of the first axes
    pairs = np.reshape([0] * missing + amounts, (-1, 2)).tolist()
    mode = {"constant": "CONSTANT", "reflect": "REFLECT"}.get(str(a.get("mode", "constant")))
    if mode is None:
        raise UnsupportedError(f"a pad of mode {a['mode']} cannot be trained")
    return tf.pad(x, held_order(pairs), mode, constant_values=float(a.get("constant_val", 0.0)))


def _slice_by_index(a: Arguments) -> Any:
    x = plain(a["x"])
    rank = len(x.shape)

    def flags(name: str) -> list[bool]:
        return [bool(one) for one in a.get(name, [False] * rank)]

    stride = [int(n) for n in a.get("stride", [1] * rank)]
    cuts: list[Any] = []
    for axis in range(rank):
        begin = None if flags("begin_mask")[axis] or axis == 0 else int(a["begin"][axis])
        end = None if flags("end_mask")[axis] or axis == 0 else int(a["end"][axis])
        cuts.append(begin if flags("squeeze_mask")[axis] else slice(begin, end, stride[axis]))
    return held(x[tuple(cuts)])


_OPERATIONS: dict[str, Callable[[Arguments], Any]] = {
    "conv": _conv,
    "linear": _linear,
    "matmul": _matmul,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "add": _binary("add"),
    "sub": _binary("subtract"),
    "mul": _binary("multiply"),
    "real_div": _binary("divide"),
    "maximum": _binary("maximum"),
    "minimum": _binary("minimum"),
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "gelu": _gelu,
    "relu": _unary(lambda tf, x: tf.nn.relu(x)),
    "relu6": _unary(lambda tf, x: tf.nn.relu6(x)),
    "sigmoid": _unary(lambda tf, x: tf.sigmoid(x)),
    "tanh": _unary(lambda tf, x: tf.tanh(x)),
    "softplus": _unary(lambda tf, x: tf.nn.softplus(x)),
    "softsign": _unary(lambda tf, x: tf.nn.softsign(x)),
    "silu": _unary(lambda tf, x: tf.nn.silu(x)),
    "identity": _unary(lambda _, x: x),
    "cast": _unary(lambda _, x: x),  # images and results alike are computed in float32
    "elu": lambda a: import_tensorflow().where(
        a["x"] > 0, a["x"], float(a["alpha"]) * import_tensorflow().math.expm1(import_tensorflow().minimum(a["x"], 0.0))
    ),
    "sigmoid_hard": lambda a: import_tensorflow().clip_by_value(
        a["x"] * float(a.get("alpha", 0.2)) + float(a.get("beta", 0.5)), 0.0, 1.0
    ),
    "clip": lambda a: import_tensorflow().clip_by_value(a["x"], float(a["alpha"]), float(a["beta"])),
    "softmax": _softmax,
    "reduce_mean": _reduce("reduce_mean"),
    "reduce_max": _reduce("reduce_max"),
    "reduce_sum": _reduce("reduce_sum"),
    "reshape": _reshape,
    "flatten2d": _flatten2d,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "transpose": _transpose,
    "concat": _concat,
    "pad": _pad,
    "slice_by_index": _slice_by_index,
}
