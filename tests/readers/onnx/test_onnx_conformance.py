"""The cases that the onnx package builds for its own backends: opened, explained, traced, compared.

Every case brings a model, inputs and the outputs that belong to them, computed by the onnx project. Numbers
come from the cone, so that ONNX Runtime has no part in them.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from campaigns import rounds
from onnx import ModelProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase

import convscope
from convscope.errors import ConvscopeError, UnsupportedError
from convscope.network import Network
from convscope.operators import rules
from convscope.operators.layer import Operator, state

# conversions, leavings-out and pixels of 0 … 255 are said as warnings, and here no cause for alarm
pytestmark = [
    pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning"),
    pytest.mark.filterwarnings("ignore::convscope.errors.InputWarning"),
]

Array = np.ndarray[Any, Any]

POSITIONS = 4
"""How many numbers of every output are traced."""

REFUSED: dict[str, str] = {}
"""Cases that are refused, with the words of the refusal."""

WRONG: dict[str, str] = {}
"""Cases whose numbers differ from the expected ones, with the reason."""

NO_EQUATION = {
    "the standard and ONNX Runtime differ about what its places are counted over": [
        "maxunpool_export_with_output_shape",
    ],
    "it takes the largest of the weighed numbers between which each sample lies": [
        "roialign_mode_max",
    ],
    "it is set to training": [
        "training_dropout_default",
        "training_dropout_default_mask",
        "training_dropout",
        "training_dropout_mask",
        "training_dropout_zero_ratio",
        "training_dropout_zero_ratio_mask",
    ],
    "it computes with other numbers than float32": [
        "pow_types_float32_uint64",
        "pow_types_float32_uint32",
    ],
    "it takes the remainder of floats without fmod": [
        "mod_float32_mixed_sign_fmod_0",
        "mod_float_edge_cases_fmod_0_float32",
    ],
    "how many keys there are is known only when it runs": [
        "attention_4d_diff_heads_mask4d_padded_kv",
        "attention_4d_gqa_causal_nonpad_decode",
        "attention_4d_causal_nonpad_continued_prefill",
        "attention_4d_causal_nonpad_negative_offset_structural_empty",
        "attention_4d_causal_nonpad_attn_mask_composition",
        "attention_4d_causal_nonpad_batch_prefill",
        "attention_local_window_ext_cache_rank3_head_mask",
        "attention_local_window_ext_cache_rank4_batch_mask",
        "attention_local_window_ext_cache_rank2_mask",
    ],
    "it reads or gives nothing": [
        "reduce_log_sum_empty_set",
        "reduce_log_sum_exp_empty_set",
        "reduce_l1_empty_set",
        "reduce_l2_empty_set",
        "reduce_max_empty_set",
        "reduce_min_empty_set",
        "reduce_prod_empty_set",
        "reduce_sum_empty_set",
        "reduce_sum_empty_set_non_reduced_axis_zero",
        "reduce_sum_square_empty_set",
        "reshape_allowzero_reordered",
        "slice_start_out_of_bounds",
        "split_zero_size_splits_opset13",
        "split_zero_size_splits_opset18",
    ],
    "the standard and ONNX Runtime differ about where its corners lie": [
        "resize_downsample_scales_linear_align_corners",
        "resize_downsample_scales_cubic_align_corners",
    ],
}
"""Cases of operators that have a rule, and why there is no equation for them all the same."""


@cache
def cases() -> list[TestCase]:
    from onnx.backend.test.loader import load_model_tests

    with pytest.MonkeyPatch.context() as patch:  # building them divides by 0 here and there
        patch.setattr("warnings.warn", lambda *given, **named: None)
        with np.errstate(all="ignore"):
            return [case for case in load_model_tests(kind="node") if case.model is not None]


def opened(model: ModelProto) -> Network:
    """Open a model, and look at it as a user would."""
    net = convscope.open(model)
    net.summary(file=io.StringIO())
    str(net.explain())
    return net


def made(case: TestCase) -> ModelProto:
    """Return a case's model, which `cases` saw to be there."""
    assert case.model is not None
    return case.model


def held(case: TestCase) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return a case's inputs and outputs."""
    assert case.data_sets is not None
    return case.data_sets[0]


def fixed(case: TestCase) -> ModelProto:
    """Return a case of one operator with its settings inside the model, as exporters write them.

    The conformance cases give shapes, axes and weights as inputs, so that they are known only when
    the model runs.
    """
    model = ModelProto()
    model.CopyFrom(made(case))
    (node,) = model.graph.node
    rule = rules()[node.op_type]
    values = given(case)
    for place, name in enumerate(node.input):
        known = place in rule.given or (place and rule.weight_name(place))
        if known and isinstance(values.get(name), (np.ndarray, np.generic)):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(values[name]), name))
    return model


def given(case: TestCase) -> dict[str, Any]:
    return dict(zip((i.name for i in made(case).graph.input), held(case)[0], strict=False))


def compared(case: TestCase, model: ModelProto, rng: np.random.Generator) -> tuple[int, list[str]]:
    """Return how many outputs of a case were traced, and what was wrong with them."""
    net = opened(model)
    graph = net.graph
    values = {name: array for name, array in given(case).items() if name in graph.inputs}
    where = {fetched.tensor: (name, fetched.batched) for name, fetched in graph.fetched.items()}  # type: ignore[attr-defined]
    traced, wrong = 0, []
    outputs = [value.name for value in made(case).graph.output]
    for output, expected in zip(outputs, held(case)[1], strict=False):
        if output not in where or not isinstance(expected, (np.ndarray, np.generic)):
            continue
        name, batched = where[output]
        facts = graph.facts[name]
        whole = ((1,) if batched else ()) + tuple(facts.output_shape)
        if all(isinstance(size, int) for size in whole) and whole != expected.shape:
            wrong.append(f"{output} has shape {whole}, not {expected.shape}")
            continue
        if facts.equation is None:
            continue
        found = np.asarray(expected)[0] if batched else np.asarray(expected)
        for _ in range(POSITIONS):
            place = tuple(int(rng.integers(size)) for size in found.shape)
            try:
                value = net.trace(values, name, place).facts.value
            except UnsupportedError:  # something before it has no equation
                break
            # the cases' own tolerance, and a little more where numbers cancel
            if not np.isclose(value, found[place], case.rtol, max(case.atol, 1e-5), equal_nan=True):
                wrong.append(f"{output}{place} is {value}, not {found[place]}: {facts.equation}")
        else:
            traced += 1
    return traced, wrong


@pytest.fixture(scope="module")
def results() -> dict[str, tuple[int, list[str]]]:
    """How every case went: outputs traced, and what was wrong; refusals among them."""
    rng = np.random.default_rng(7)
    found = {}
    # operators written out as functions of others are a quarter of the cases and half of the work
    expanded = [case for case in cases() if "expanded" in case.name]
    for case in (
        *(case for case in cases() if "expanded" not in case.name),
        *expanded[:: rounds(6, 1)],
    ):
        try:
            found[case.name] = compared(case, made(case), rng)
        except ConvscopeError as error:
            found[case.name] = (-1, [str(error)])
    return found


def test_every_case_opens(results: dict[str, tuple[int, list[str]]]) -> None:
    assert len(results) > rounds(1450, 1800)
    refused = {name for name, (traced, _) in results.items() if traced < 0}
    assert refused == set(REFUSED)


def test_every_explained_case_agrees(results: dict[str, tuple[int, list[str]]]) -> None:
    wrong = {name: said for name, (traced, said) in results.items() if said and traced >= 0}
    assert set(wrong) == set(WRONG), wrong
    assert sum(traced > 0 for traced, _ in results.values()) > rounds(620, 720)


def explainable() -> list[TestCase]:
    return [
        case
        for case in cases()
        if len(made(case).graph.node) == 1
        and made(case).graph.node[0].domain == ""
        and made(case).graph.node[0].op_type in rules()
        and all(
            isinstance(side[0], np.ndarray) and side[0].dtype == np.float32
            for side in held(case)
            if side
        )
    ]


def test_operators_with_a_rule_are_explained_when_their_settings_are_in_the_file() -> None:
    rng = np.random.default_rng(8)
    wrong: dict[str, list[str]] = {}
    unexplained: dict[str, list[str]] = {}
    traced: Counter[str] = Counter()
    for case in explainable():
        model = fixed(case)
        count, said = compared(case, model, rng)
        if said:
            wrong[case.name] = said
        traced[made(case).graph.node[0].op_type] += count > 0
        if not count:
            reason = why_not(convscope.open(model), made(case).graph.node[0].output[0])
            unexplained.setdefault(reason, []).append(case.name.removeprefix("test_"))
    assert wrong == {}
    found = {(reason, name) for reason, names in unexplained.items() for name in names}
    known = {(reason, name) for reason, names in NO_EQUATION.items() for name in names}
    assert (found - known, known - found) == (set(), set())
    assert sum(traced.values()) > 470
    assert [op for op in rules() if not traced[op] and op not in NOT_AMONG_THEM] == []


NOT_AMONG_THEM = (
    "Mod", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor", "Not", "IsNaN",
    "Where", "Einsum", "ReduceLogSumExp", "ArgMax", "ArgMin", "CumSum", "Trilu", "Cast", "Constant", "MaxRoiPool",
    "GlobalLpPool", "QuantizeLinear", "DequantizeLinear", "QLinearConv",
)  # fmt: skip
"""Operators with a rule for which the cases have no float32 input first and give no other numbers."""


def why_not(net: Network, tensor: str) -> str:
    """Return why a layer has no equation."""
    graph = net.graph
    name = next(n for n, fetched in graph.fetched.items() if fetched.tensor == tensor)  # type: ignore[attr-defined]
    layer = graph.nodes[name].layer
    assert isinstance(layer, Operator)
    shapes = graph.facts[name].input_shapes
    if any(0 in shape for shape in (*shapes, graph.shape(name))):
        return "it reads or gives nothing"
    return state(layer.use, shapes).reason
