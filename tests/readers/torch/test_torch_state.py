"""Looking at a module changes nothing of it, and sees what a plain call computes."""

from __future__ import annotations

import gc
import io
import sys
import threading
import time
import warnings
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.readers.example import Example
from convscope.readers.torch.inputs import arguments
from convscope.readers.torch.recording import record, whole_float32

from .modules import TRAPS, Branches, Frozen, Kinds, Shared, made, opened, same, unchanged


def plain(module: nn.Module, x: Any) -> Any:
    """Return what a plain call in evaluation gives; the module is put back."""
    flags = {m: m.training for m in module.modules()}
    module.eval()
    state = torch.get_rng_state()
    kept = {n: b.clone() for n, b in module.named_buffers()}
    with torch.no_grad():
        found = module(x.clone())
        for name, buffer in module.named_buffers():
            buffer.data.copy_(kept[name])
    torch.set_rng_state(state)
    for one, flag in flags.items():
        one.training = flag
    return found


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_changes_and_the_output_is_that_of_a_plain_call(name: str) -> None:
    module, x = made(name)
    module.train()
    if name == "frozen":
        module.get_submodule("frozen").eval()
    given = arguments(module, Example((x,)))
    with unchanged(module, x):
        found = record(module, given.args, given.kwargs, given.inputs, keep=True)
    assert found.failure is None
    module, y = made(name)
    assert torch.equal(x, y)
    assert same(found.result, plain(module, x))


@pytest.mark.parametrize("name", TRAPS)
def test_opening_running_and_tracing_change_nothing(name: str) -> None:
    module, x = made(name)
    rng = np.random.default_rng(3)
    with unchanged(module, x):
        net = opened(module, x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cs.errors.SourceWarning)
            run = net.run(x.numpy())
        str(net.explain())
        explained = [n for n, node in run.graph.nodes.items() if not node.layer.opaque]
        for layer in explained:
            shape = run[layer].shape
            for _ in range(3):
                where = tuple(int(rng.integers(s)) for s in shape)
                trace = run.trace(layer, where).facts
                assert trace.agrees, (layer, where, trace.value, trace.engine_value)
    assert explained
    assert net.count_params() == sum(p.numel() for p in module.parameters())


def test_the_runs_values_are_those_of_modules_themselves() -> None:
    module, x = made("kinds")
    module.eval()
    seen: dict[str, Any] = {}
    for name, one in module.named_modules():
        if name.startswith("body."):
            one.register_forward_hook(
                lambda m, g, out, name=name: seen.__setitem__(name, out.clone())
            )
    with torch.no_grad():
        module(x)
    run = opened(module, x).run(x.numpy())
    for name, value in seen.items():
        assert np.array_equal(run[name], value[0].numpy()), name


def test_what_torch_compiles_elsewhere_is_called_and_what_trains_past_its_owner_is_said() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3)
            self.norm = nn.BatchNorm2d(5)
            self.held = weakref.ref(self.norm)

        def forward(self, x: Any) -> Any:
            cond: Any = torch.cond
            y = cond(x.sum() > 0, self.conv, lambda z: self.conv(z) * 2, (x,))
            norm: Any = self.held()
            return norm(y)

    module, x = Choosing(), torch.rand(1, 3, 6, 7)
    cond = torch.cond
    with unchanged(module, x), pytest.warns(cs.errors.SourceWarning) as said:
        net = cs.open(module, x)
    assert torch.cond is cond and list(net.graph.nodes) == ["sum", "gt", "conv", "norm"]
    words = " ".join(str(one.message) for one in said)
    assert "torch.cond" in words and "norm past what it holds" in words
    module.eval()
    with torch.no_grad():
        expected = module.norm(module.conv(x))
    assert np.array_equal(opened(module, x).run(x).output, expected[0].numpy())


@pytest.mark.parametrize("freeze", [False, True])
def test_a_scripted_module_takes_one_path_in_every_run(freeze: bool) -> None:
    jit: Any = torch.jit
    plainly = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.GELU()).eval()
    x = torch.rand(1, 3, 6, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about what is old
        module = jit.script(plainly)
        if freeze:  # what it computes with are constants, and it has no flags
            module = jit.freeze(module)
    net = cs.open(module, x)
    for _ in range(3):
        run = net.run(x.numpy())
        assert run.graph is net.graph
        assert np.allclose(run.output, plainly(x).detach().numpy()[0], rtol=1e-5, atol=1e-6)
    assert net.count_params() == (0 if freeze else sum(p.numel() for p in plainly.parameters()))


def test_tensors_made_in_inference_mode_are_given_back() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3)
            self.calls = nn.Buffer(torch.zeros(1))

        def forward(self, x: Any) -> Any:
            self.calls.add_(1)
            return self.conv(x) * self.calls

    x = torch.rand(1, 3, 6, 7)
    with torch.inference_mode():
        module = Counts()
        net = cs.open(module, x)
        assert np.array_equal(net.run(x.numpy()).output, module.conv(x)[0].numpy())
        assert module.calls == 0


def test_an_input_that_is_written_into_is_whole_where_a_gradient_is_taken_afterwards() -> None:
    class Slopes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3)

        def forward(self, x: Any) -> Any:
            x += 1
            with torch.enable_grad():
                y = x.detach().clone().requires_grad_()
                (slope,) = torch.autograd.grad(self.conv(y).square().sum(), y)
            return self.conv(x + slope)

    module, x = Slopes(), torch.rand(1, 3, 6, 7)
    net = opened(module, x)
    for _ in range(2):
        assert np.array_equal(net.run(x.numpy()).output, plain(module, x)[0].detach().numpy())


@pytest.mark.full
def test_flexible_attention_is_not_compiled_with_what_looks_on() -> None:
    from torch.nn.attention import flex_attention

    class Flexible(nn.Module):
        def forward(self, x: Any) -> Any:
            return flex_attention.flex_attention(x, x, x) * 2

    module, x = Flexible(), torch.rand(1, 3, 16, 16)
    net = opened(module, x)
    assert list(net.graph.nodes) == ["flex_attention", "mul"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own: it is not compiled
        expected = module(x)[0].numpy()
    assert np.allclose(net.run(x.numpy()).output, expected, rtol=1e-5, atol=1e-6)


def test_sparse_and_complex_weights_are_shown_as_they_are() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sparse = nn.Parameter(torch.eye(6)[:4].to_sparse())
            self.turn = nn.Parameter(torch.randn(4, 4, dtype=torch.complex64))

        def forward(self, x: Any) -> Any:
            return torch.fft.irfft(torch.fft.rfft(self.sparse @ x[0, 0]) * self.turn)

    module, x = Odd(), torch.rand(1, 3, 6, 7)
    net = opened(module, x)
    held = {n: a for layer in net.layers for n, a in layer.weights.items()}
    assert np.array_equal(held["sparse"], np.eye(6)[:4])
    assert np.array_equal(held["turn"], module.turn.detach().numpy())
    with torch.no_grad():
        assert np.array_equal(net.run(x).output, module(x).numpy())
    str(net.explain())
    net.summary(file=io.StringIO())


def test_flags_are_kept_where_training_is_asked_for() -> None:
    module, x = made("frozen")
    module.train()
    module.get_submodule("frozen").eval()
    x = torch.rand(4, 3, 6, 8)
    with unchanged(module):
        net = opened(module, x, training=True)
    assert isinstance(module, Frozen)
    assert not net.graph.nodes["frozen"].layer.opaque
    # the other one normalises by the four images that are there, which are one input then
    assert "mean m<4" in str(net.graph.facts["free"].equation)
    assert net.run(x.numpy()).trace("free", (3, 2, 1, 0)).facts.agrees
    assert net.graph.totals.non_trainable == 10


def test_weights_are_shared_and_a_change_is_seen() -> None:
    module = nn.Conv2d(3, 5, 3)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # which PyTorch's types leave out
    x = torch.rand(1, 3, 6, 7).to(memory_format=torch.channels_last)
    net = opened(module, x)
    layer = net.get_layer(index=0)
    assert layer.weights["weight"].__array_interface__["data"][0] == module.weight.data_ptr()
    before = net.run(x.numpy()).output
    with torch.no_grad():
        module.weight.mul_(2)
    run = net.run(x.numpy())
    assert not np.array_equal(before, run.output)
    assert run.trace(str(layer.name), (1, 2, 3)).facts.agrees
    module.weight = nn.Parameter(torch.randn(5, 3, 3, 3))
    assert net.run(x.numpy()).trace(str(layer.name), (1, 2, 3)).facts.agrees


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_have_rooms_of_their_own(dtype: torch.dtype) -> None:
    module, x = made("kinds")
    module.to(dtype)
    x = x.to(dtype)
    rng = np.random.default_rng(4)
    with unchanged(module, x):
        net = opened(module, x)
        run = net.run(x)
        assert np.array_equal(run.output, plain(module, x)[0].to(torch.float64).numpy())
        assert np.array_equal(run["x"], x[0].to(torch.float64).numpy())
        assert np.array_equal(net.predict(x)[0], run.output)
        for layer in run.graph.nodes:
            if not run.graph.nodes[layer].layer.opaque:
                for _ in range(4):
                    where = tuple(int(rng.integers(s)) for s in run[layer].shape)
                    trace = run.trace(layer, where).facts
                    assert trace.ledger.dtype == str(dtype).removeprefix("torch.")
                    assert trace.agrees, (
                        layer,
                        where,
                        trace.value,
                        trace.engine_value,
                        trace.ledger.rounding,
                    )
    weights = net.get_layer("body.0").weights["weight"]
    assert weights.dtype == (np.float64 if dtype is torch.float64 else np.float32)
    first: Any = module.get_submodule("body.0")
    for change in (
        first.weight.detach().add_,
        first.weight.data.mul_,
    ):  # no version tells of the second
        change(1.5)
        held = net.get_layer("body.0").weights["weight"]
        assert np.array_equal(held, first.weight.detach().to(torch.float64).numpy())
    changed = net.run(x)
    assert not np.array_equal(changed["body.0"], run["body.0"])
    assert changed.trace("body.0", (1, 2, 3)).facts.agrees


def test_a_module_used_from_two_threads() -> None:
    module, x = made("shared")
    module.eval()
    with torch.no_grad():
        expected = module(x)
    stop = threading.Event()
    wrong: list[Any] = []

    def use() -> None:
        while not stop.is_set():
            with torch.no_grad():
                if not torch.equal(module(x), expected):
                    wrong.append("other numbers")

    thread = threading.Thread(target=use)
    thread.start()
    try:
        kinds = [[n.layer.kind for n in opened(module, x).graph.nodes.values()] for _ in range(10)]
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert all(k == kinds[0] for k in kinds)


def test_a_forward_that_waits_for_a_thread_that_opens_a_module_is_told() -> None:
    found: list[Any] = []

    def opens() -> None:
        try:
            cs.open(nn.Conv2d(2, 3, 2), torch.rand(1, 2, 5, 6))
        except cs.errors.EngineError as error:
            found.append(str(error))

    class Waiting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Any) -> Any:
            thread = threading.Thread(target=opens)
            thread.start()
            thread.join()
            return self.act(x)

    net = cs.open(Waiting(), torch.rand(1, 2, 5))
    assert list(net.graph.nodes) == ["act"]
    assert len(found) == 1 and "both would wait for ever" in found[0]


def test_what_forwards_print_in_two_threads_goes_elsewhere_and_nothing_else() -> None:
    class Prints(nn.Module):
        before: Any = None

        def forward(self, x: Any) -> Any:
            print("a forward's own words")
            if self.before is not None:
                self.before()
            return x * 2

    module, x = Prints(), torch.rand(1, 5)
    net, words, stdout = cs.open(module, x), io.StringIO(), sys.stdout
    net.backing.prints_to = words  # type: ignore[attr-defined]
    other = threading.Thread(target=net.run, args=(x.numpy(),))

    def begins() -> None:
        if not other.ident:
            other.start()
            time.sleep(0.1)  # it comes while this one runs

    module.before = begins
    net.run(x.numpy())
    other.join()
    assert sys.stdout is stdout and words.getvalue().count("own words") == 2


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_a_parameter_that_was_taken_away_is_told(name: str) -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU()).eval()
    net = cs.open(module, torch.rand(1, 2, 5, 6))
    count = net.count_params()
    setattr(module[0], name, None)
    net.summary(file=io.StringIO())
    assert net.count_params() < count
    with pytest.raises(cs.errors.WeightsError, match=f"Conv2d had a {name} of .*and has none now"):
        net.get_layer("0").get_weights()


def test_lazy_modules_are_refused_and_meta_ones_only_summed_up() -> None:
    with pytest.raises(
        cs.errors.SourceError, match=r"without a shape \(0\.weight, 0\.bias\).*call it once"
    ):
        cs.open(nn.Sequential(nn.LazyConv2d(4, 3)), shape=(3, 8, 9))
    with torch.device("meta"):
        module = Kinds()
    net = cs.open(module, shape=(3, 12, 10))
    assert net.graph.shape("body.0") == (8, 12, 10)
    assert net.count_params() == sum(p.numel() for p in module.parameters())
    with pytest.raises(cs.errors.EngineError, match="meta device"):
        net.run(np.zeros((3, 12, 10), np.float32))


def test_another_input_takes_its_own_path() -> None:
    module, x = made("branches")
    assert isinstance(module, Branches)
    with torch.no_grad():
        assert module.conv.bias is not None
        module.conv.bias.fill_(0.0)
        module.conv.weight.abs_()
    with pytest.warns(cs.errors.SourceWarning, match="another input may take another"):
        net = cs.open(module, x)
    assert "mul" in net.graph.nodes
    run = net.run(-x.numpy())
    assert "mul" not in run.graph.nodes
    where = (2, 3, 4)
    assert run.trace("conv", where).facts.agrees
    assert net.run(x.numpy()).graph is net.graph


class Ordered(nn.Module):
    """Channels in an order that is a buffer, and a kernel that is computed from two parameters."""

    order: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 5, (2, 3)))

    def forward(self, x: Any) -> Any:
        return self.conv(x[:, self.order])


def test_what_changes_between_runs_is_seen() -> None:
    torch.manual_seed(2)
    module, x = Ordered(), torch.rand(1, 3, 6, 7)
    net = opened(module, x)

    def check(the_same: bool) -> None:
        run = net.run(x.numpy())
        assert np.array_equal(run.output, plain(module, x)[0].numpy())
        assert run.trace("conv", (4, 2, 3)).facts.agrees
        assert (run.graph is net.graph) == the_same

    for _ in range(3):  # the first is compared whole, the others with the path that it took
        check(True)
    with torch.no_grad():
        module.order.copy_(torch.tensor([1, 2, 0]))
    check(False)
    with torch.no_grad():
        module.order.copy_(torch.tensor([2, 0, 1]))
    check(True)
    with torch.no_grad():
        next(iter(module.conv.parametrizations["weight"].parameters())).mul_(1.5)
    check(False)


class Pieced(nn.Module):
    """One number of a weight, and a kernel that another size may take the place of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, stride=2, padding=1)
        self.scale = nn.Parameter(torch.tensor([2.0, 5.0]))

    def forward(self, x: Any) -> Any:
        return self.conv(x) * self.scale[0]


def test_a_number_in_a_weight_and_a_kernels_size_are_what_they_are_now() -> None:
    module, x = Pieced(), np.random.default_rng(3).standard_normal((2, 8, 8), np.float32)
    net = opened(module, torch.zeros(1, 2, 8, 8))
    for _ in range(2):  # the second time on a path that is known
        assert net.run(x).trace("mul", (1, 2, 3)).facts.agrees
    with torch.no_grad():
        module.scale.mul_(3)  # in place: scale[0] lies in it
    run = net.run(x)
    assert run.trace("mul", (1, 2, 3)).facts.agrees
    assert float(run["mul"][1, 2, 3]) == 6 * float(run["conv"][1, 2, 3])
    module.conv.weight = nn.Parameter(torch.randn(3, 2, 4, 4))  # as many outputs as before
    run = net.run(x)
    assert run.graph.facts["conv"].weights["weight"] == (3, 2, 4, 4)
    assert run.trace("conv", (1, 2, 3)).facts.agrees


def test_numbers_before_a_change_in_place_are_copied_once() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.passing = nn.Conv2d(3, 3, 3, padding=1), nn.Identity()

        def forward(self, x: Any) -> Any:
            y = self.passing(self.conv(x))
            y += x
            return y

    module, x = Residual(), torch.rand(1, 3, 6, 7)
    run = opened(module, x).run(x.numpy())
    with torch.no_grad():
        before = module.conv(x)[0].numpy()
    assert np.array_equal(run["conv"], before) and np.array_equal(run["passing"], before)
    assert np.shares_memory(run["conv"], run["passing"])
    assert np.array_equal(run.output, before + x[0].numpy())


def test_a_tensor_made_as_large_as_another_is_a_constant() -> None:
    class Written(nn.Module):
        def forward(self, x: Any) -> Any:
            y = torch.zeros_like(x)
            y[:, 1:] = x[:, :2] * float("nan")
            return y + x.new_full((4,), 0.5)

    x = torch.rand(1, 3, 5, 4)
    net = opened(Written(), x)
    assert [n for n, node in net.graph.nodes.items() if node.layer.opaque] == []
    run = net.run(x.numpy())
    for place in ((0, 3, 2), (2, 1, 3)):  # one is 0 + 0.5, the other no number
        assert run.trace("add", place).facts.agrees and run.trace("mul", (1, 4, 3)).facts.agrees
    assert str(net.graph.facts["mul"].equation) == "out[c, y, x] = in[c, y, x] · NaN"


def test_numbers_that_leave_pytorch_are_said() -> None:
    class Leaving(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * float(x.detach().numpy().mean())

    with pytest.warns(cs.errors.SourceWarning, match="numpy"):
        cs.open(Leaving(), torch.rand(1, 3, 4))


def test_a_module_used_again_is_one_layer_and_tied_weights_count_once() -> None:
    module, x = made("shared")
    assert isinstance(module, Shared)
    net = opened(module, x)
    assert [n for n in net.graph.nodes if n.startswith("conv")] == ["conv", "conv:2", "conv:3"]
    assert net.get_layer("conv") is net.get_layer("conv:3")
    module.again = nn.Sequential(module.act, module.conv)
    names = [
        "again.1",
        "again.0",
        module.conv,
        module.act,
    ]  # all that PyTorch calls them, and they themselves
    assert [net.graph.node(n).name for n in names] == ["conv", "act", "conv", "act"]  # type: ignore[arg-type]
    assert net.graph.totals.params == 4 * 4 * 9 + 4 + 4 * 7 + 7
    facts = net.facts()
    assert {r.name: r.shared_with for r in facts.rows if r.shared_with} == {
        "conv:2": "conv", "conv:3": "conv",
    }  # fmt: skip


def test_compiled_modules_are_looked_at_as_they_were_written() -> None:
    module, x = made("kinds")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        compiled: Any = torch.compile(module)
    with unchanged(module, x):
        net = opened(compiled, x)
        output = net.run(x.numpy()).output
    assert list(net.graph.nodes) == list(opened(module, x).graph.nodes)
    assert np.array_equal(output, plain(module, x)[0].numpy())


def test_a_compiled_module_in_another_is_looked_at_in_its_copy() -> None:
    def made_anew(compiled: bool) -> nn.Module:
        torch.manual_seed(4)
        inner = nn.Sequential(nn.BatchNorm2d(5), nn.Dropout(0.5), nn.Conv2d(5, 4, 2))
        eager: Any = torch.compile(inner, backend="eager") if compiled else inner
        return nn.Sequential(nn.Conv2d(3, 5, 3), eager).train()

    module, x = made_anew(True), torch.rand(1, 3, 6, 7)
    with unchanged(module, x):
        net = opened(module, x)
        output = net.run(x.numpy()).output
    assert list(net.graph.nodes) == ["0", "1.0", "1.1", "1.2"] and net.graph.uncalled == ()
    assert np.array_equal(output, plain(made_anew(False), x)[0].numpy())


@pytest.mark.parametrize("newer", [False, True], ids=["older names", "newer names"])
def test_float32_is_whole_while_cuda_runs_and_settings_are_put_back(newer: bool) -> None:
    cudnn: Any = torch.backends.cudnn  # CUDA is not here: these are the settings that it would obey
    products: Any = torch.backends.cuda.matmul
    places = [products, cudnn.conv, cudnn.rnn]
    assert cudnn.conv.fp32_precision == "tf32"  # what PyTorch does unless it is told
    products.fp32_precision = "tf32"
    if newer:
        cudnn.rnn.fp32_precision = "ieee"
    try:
        before = [place.fp32_precision for place in places]
        with pytest.raises(RuntimeError, match="fails"), whole_float32():
            assert all(place.fp32_precision in ("ieee", "none") for place in places)
            assert products.fp32_precision == "ieee" and (newer or not cudnn.allow_tf32)
            raise RuntimeError("the forward fails")
        assert [place.fp32_precision for place in places] == before
    finally:
        cudnn.allow_tf32 = True
        products.fp32_precision = "none"


def test_what_was_opened_and_run_is_freed_at_once() -> None:
    module, x = made("shared")
    opened(module, x).run(x.numpy())  # PyTorch makes ready what it needs, once
    gc.collect()
    gc.disable()
    try:
        net = opened(module, x)
        run = net.run(x.numpy())
        del net, run
        assert gc.collect() == 0  # nothing referred to itself, so that nothing waited for this
    finally:
        gc.enable()


@pytest.mark.parametrize("how", ["whole", "part", "gone", "kept", "written", "parameter"])
def test_a_tensor_that_is_laid_on_others_memory_follows_from_them(how: str) -> None:
    class Laying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            y, z = self.linear(x), torch.empty(0)
            if how == "parameter":
                z.set_(self.linear.weight.untyped_storage(), 4, (1, 4), (4, 1))
                return y + z
            of = y * 2 if how == "gone" else y
            if how == "part":
                z.set_(of.untyped_storage(), 1, (1, 2), (4, 1))
            else:
                z.set_(of.untyped_storage(), 0, (1, 4), (4, 1))
            if how == "kept":
                y.set_(torch.relu(z).untyped_storage(), 0, (1, 4), (4, 1))
            if how == "written":
                z.mul_(3)
                return torch.relu(y)
            return torch.cat([torch.relu(z), y], 1)

    module, x = Laying(), torch.randn(1, 4)
    before = module.linear.weight.clone()
    net = cs.open(module, x)
    assert not net.warnings
    laid = [name for name in net.graph.nodes if name.startswith("set")]
    assert bool(laid) == (how != "parameter")  # of the module: numbers that are held
    assert all(net.graph.facts[name].equation is None for name in laid)
    for n in range(3):
        run = net.run(x[0].numpy() + n)
        np.testing.assert_allclose(run.output, module(x + n)[0].detach().numpy(), 1e-5, 1e-6)
    assert torch.equal(module.linear.weight, before)


def test_an_argument_that_can_be_read_once_is_refused() -> None:
    class Summing(nn.Module):
        def forward(self, x: Any, more: Any) -> Any:
            return sum((2 * y for y in more), x)

    x = torch.rand(1, 4)
    for once in ((y for y in [x]), iter([x]), map(torch.relu, [x])):
        for given in ((x, once), (x, {"of": once})):
            with pytest.raises(cs.errors.InputError, match=r"can be read once.*give a list"):
                cs.open(Summing(), given)
    net = cs.open(Summing(), (x, [x + 1]))
    assert np.allclose(net.run((x.numpy()[0], x.numpy()[0] + 1)).output, 3 * x[0] + 2)
