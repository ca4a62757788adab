"""Unchanged coremltools scripts after `patch_coremltools`: predictions, states, batches, images, labels, loops."""

from collections.abc import Iterator
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kewcore.errors import KewError, PackageError, UnsupportedError, UsageError
from kewcore.quiet import silenced_stderr
from kewcore.runtime import patch_coremltools

# coremltools leaves a temporary folder to the garbage collector, which reports that from wherever it runs.
pytestmark = [
    pytest.mark.runtime,
    pytest.mark.filterwarnings("ignore:.*finalize object:pytest.PytestUnraisableExceptionWarning"),
]
EXECUTORS = ("reference", "onnx")

with silenced_stderr():
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types


@pytest.fixture(params=EXECUTORS)
def patched(request: pytest.FixtureRequest) -> Iterator[str]:
    take_back = patch_coremltools(request.param)
    yield request.param
    take_back()


def converted(program: Any, **options: Any) -> Any:
    with silenced_stderr():
        return ct.convert(program, **{"minimum_deployment_target": ct.target.iOS18, **options})


@pytest.mark.usefixtures("patched")
def test_dictionary_and_list_of_inputs() -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(2, 3))])
    def program(x: Any) -> Any:
        return mb.relu(x=x, name="y")

    model = converted(program)
    x = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)
    given = model.predict({"x": x})["y"]
    assert (given.dtype, given.tolist()) == (np.float32, np.maximum(x, 0).tolist())
    assert [row["y"].tolist() for row in model.predict([{"x": x}, {"x": -x}])] == [
        np.maximum(x, 0).tolist(),
        np.maximum(-x, 0).tolist(),
    ]


def accumulator() -> Any:
    @mb.program(
        input_specs=[mb.TensorSpec((1,), dtype=types.fp16), mb.StateTensorSpec((1,), dtype=types.fp16)],
        opset_version=ct.target.iOS18,
    )
    def program(x: Any, total: Any) -> Any:
        before = mb.read_state(input=total)
        return mb.mul(x=mb.coreml_update_state(state=total, value=mb.add(x=before, y=x)), y=np.float16(2), name="y")

    return program


@pytest.mark.usefixtures("patched")
def test_states_live_from_one_prediction_to_the_next() -> None:
    model = converted(accumulator())
    first, second = model.make_state(), model.make_state()
    x = {"x": np.array([1.5], np.float32)}
    assert [model.predict(dict(x), state=first)["y"].tolist() for _ in range(3)] == [[3], [6], [9]]
    assert model.predict(dict(x), state=second)["y"].tolist() == [3]
    assert first.read_state("total").tolist() == [4.5]
    first.write_state("total", np.array([-1.5]))
    assert model.predict(dict(x), state=first)["y"].tolist() == [0]


@pytest.mark.usefixtures("patched")
def test_a_stateful_model_says_what_is_wrong_with_its_state() -> None:
    model = converted(accumulator())
    with pytest.raises(UsageError, match="the states must be total, got none"):
        model.predict({"x": np.ones(1, np.float32)})
    state = model.make_state()
    with pytest.raises(UsageError, match="no state is called 'sum'; states: total"):
        state.read_state("sum")
    with pytest.raises(UsageError, match=r"state 'total': a state of shape \[1\] cannot take \[2\]"):
        state.write_state("total", np.ones(2))


@pytest.mark.usefixtures("patched")
def test_images_go_in_and_come_out() -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 4, 5))])
    def program(x: Any) -> Any:
        return mb.sub(x=np.float32(255), y=x, name="negative")

    made = converted(program, inputs=[ct.ImageType(name="x", shape=(1, 3, 4, 5), color_layout=ct.colorlayout.RGB)])
    spec = made.get_spec()  # conversion from MIL takes no wish about outputs
    image = spec.description.output[0].type.imageType
    image.height, image.width, image.colorSpace = 4, 5, image.ColorSpace.Value("RGB")
    model = ct.models.MLModel(spec, weights_dir=made.weights_dir)
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    result = model.predict({"x": Image.fromarray(pixels)})["negative"]
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[..., :3], 255 - pixels)
    assert (np.asarray(result)[..., 3] == 255).all()


@pytest.mark.usefixtures("patched")
def test_a_classifier_gives_label_and_probabilities() -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3))])
    def program(x: Any) -> Any:
        return mb.softmax(x=x, axis=-1, name="p")

    model = converted(program, classifier_config=ct.ClassifierConfig(["leaf", "stem", "fruit"]))
    result = model.predict({"x": np.array([[0, 2, 1]], np.float32)})
    expected = np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum()
    assert result["classLabel"] == "stem"
    assert [type(p) for p in result["classLabel_probs"].values()] == [float] * 3
    assert list(result["classLabel_probs"]) == ["leaf", "stem", "fruit"]
    assert np.allclose(list(result["classLabel_probs"].values()), expected, atol=1e-3)


def test_loop_and_choice(patched: str) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1,)), mb.TensorSpec(shape=(1,))])
    def program(x: Any, limit: Any) -> Any:
        def smaller(value: Any, steps: Any) -> Any:
            return mb.less(x=mb.squeeze(x=value), y=mb.squeeze(x=limit))

        def doubled(value: Any, steps: Any) -> Any:
            return mb.mul(x=value, y=2.0), mb.add(x=steps, y=1.0)

        value, steps = mb.while_loop(_cond=smaller, _body=doubled, loop_vars=(x, mb.mul(x=x, y=0.0)))
        odd = mb.greater(x=mb.squeeze(x=steps), y=2.5)
        return mb.cond(pred=odd, _true_fn=lambda: mb.add(x=value, y=0.5), _false_fn=lambda: mb.identity(x=value))

    model = converted(program, compute_precision=ct.precision.FLOAT32)
    output = next(iter(model.get_spec().description.output)).name
    by_onnx = {p.operation.type for p in model.__proxy__.model.placements if p.executor == "onnx"}
    assert ({"while_loop", "cond"} <= by_onnx) == (patched == "onnx")
    for x, limit, expected in ((1.0, 5.0, 8.5), (1.0, 4.0, 4.0), (3.0, 2.0, 3.0), (-0.0, -1.0, 0.0)):
        given = model.predict({"x": np.array([x]), "limit": np.array([limit])})[output]
        assert given.tolist() == [expected]


@pytest.mark.usefixtures("patched")
def test_a_loop_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))])
    def program(x: Any) -> Any:
        def always(value: Any) -> Any:
            return mb.greater(x=mb.squeeze(x=value), y=-1.0)

        return mb.while_loop(_cond=always, _body=lambda value: mb.mul(x=value, y=1.0), loop_vars=(x,))

    model = converted(program)
    monkeypatch.setattr("kewcore.runtime.evaluation.LOOP_BUDGET", 1000)
    monkeypatch.setattr("kewcore.runtime.lowering.ops.control_flow.LOOP_BUDGET", 1000)
    expected = "Unable to compute the prediction using ML Program: .* the loops of this prediction do more than"
    with pytest.raises(RuntimeError, match=expected) as caught:
        model.predict({"x": np.ones(1, np.float32)})
    assert isinstance(caught.value, PackageError)


def running_sums(length: int, *, growing: bool) -> Any:
    @mb.program(input_specs=[mb.TensorSpec(shape=(4, 2))])
    def program(x: Any) -> Any:
        rows = mb.make_list(init_length=4, dynamic_length=False, elem_shape=(2,))
        rows = mb.list_scatter(ls=rows, indices=np.arange(4, dtype=np.int32), value=x)
        sums = mb.make_list(init_length=length, dynamic_length=growing, elem_shape=(2,))

        def body(i: Any, total: Any, sums: Any) -> Any:
            total = mb.add(x=total, y=mb.list_read(ls=rows, index=i))
            return mb.add(x=i, y=1), total, mb.list_write(ls=sums, index=i, value=total)

        start = (0, np.zeros(2, np.float32), sums)
        _, _, sums = mb.while_loop(_cond=lambda i, *_: mb.less(x=i, y=4), _body=body, loop_vars=start)
        return mb.list_gather(ls=sums, indices=np.arange(4, dtype=np.int32), name="y"), mb.list_length(ls=sums)

    return program


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(("length", "growing"), [(4, False), (1, True)])
def test_lists_in_a_loop(length: int, growing: bool) -> None:
    model = converted(running_sums(length, growing=growing), compute_precision=ct.precision.FLOAT32)
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    assert model.predict({"x": x})["y"].tolist() == np.cumsum(x, axis=0).tolist()


@pytest.mark.usefixtures("patched")
def test_a_list_that_does_not_grow_is_not_written_behind_its_end() -> None:
    model = converted(running_sums(3, growing=False), compute_precision=ct.precision.FLOAT32)
    with pytest.raises(KewError, match=r"index 3 lies outside a list of length 3|invalid indice found, indice = 3"):
        model.predict({"x": np.ones((4, 2), np.float32)})


def test_the_patch_is_taken_back() -> None:
    import coremltools.models.model as model_module

    before = model_module._MLModelProxy, model_module.MLModel.make_state
    take_back = patch_coremltools()
    assert model_module._MLModelProxy is not before[0]
    take_back()
    assert (model_module._MLModelProxy, model_module.MLModel.make_state) == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1), (1, 1, 0)])
def test_two_patches_are_taken_back_in_any_order(order: tuple[int, ...]) -> None:
    import coremltools.models.model as model_module

    before = model_module._MLModelProxy, model_module.MLModel.make_state
    take_backs = patch_coremltools("reference"), patch_coremltools("onnx")
    for number in order:
        assert model_module._MLModelProxy is not before[0]
        take_backs[number]()
    assert (model_module._MLModelProxy, model_module.MLModel.make_state) == before


@pytest.mark.usefixtures("patched")
def test_there_is_no_compiled_form() -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(2,))])
    def program(x: Any) -> Any:
        return mb.relu(x=x)

    with pytest.raises(UnsupportedError, match="has no compiled form off a Mac"):
        converted(program).get_compiled_model_path()


@pytest.mark.usefixtures("patched")
def test_durations_are_known_once_there_are_any() -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(2,))])
    def program(x: Any) -> Any:
        return mb.relu(x=x)

    model = converted(program)
    assert (model.load_duration_in_nano_seconds, model.last_predict_duration_in_nano_seconds) == (None, None)
    start = perf_counter_ns()
    model.predict([{"x": np.ones(2, np.float32)}] * 2)
    loading, predicting = model.load_duration_in_nano_seconds, model.last_predict_duration_in_nano_seconds
    assert min(loading, predicting) > 0
    assert loading + predicting <= perf_counter_ns() - start
