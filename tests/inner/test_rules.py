"""Update rules against torch.optim, against central differences, and where their derivatives could be infinite."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

from quickstudy.errors import UserError
from quickstudy.inner import RULES, PerStep, Rule, adam, preconditioned, sgd
from quickstudy.inner.rules import Hyper, Params, State, identities, resolve

Options = dict[str, Any]
TASKS = 3
OPTIM = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
}
COMBINATIONS: list[tuple[str, Options]] = [
    ("sgd", {"rate": 0.1}),
    ("sgd", {"rate": 0.1, "weight_decay": 0.05}),
    ("sgd", {"rate": 0.05, "momentum": 0.9}),
    ("sgd", {"rate": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("sgd", {"rate": 0.05, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    *((name, {}) for name in OPTIM if name != "sgd"),
    *((name, {"rate": 0.03, "betas": (0.8, 0.95), "eps": 1e-2}) for name in ("adam", "adamax", "nadam", "radam")),
    *((name, {"rate": 0.05, "weight_decay": 0.1}) for name in ("adam", "adamw", "adamax", "nadam", "radam")),
    *((name, {"rate": 0.05, "betas": (0.5, 0.6), "amsgrad": True}) for name in ("adam", "adamw")),
    *((name, {"weight_decay": 0.1, "decoupled_weight_decay": True}) for name in ("nadam", "radam")),
    ("nadam", {"rate": 0.05, "momentum_decay": 0.2}),
    ("radam", {"rate": 0.05, "betas": (0.9, 0.6)}),
    ("rmsprop", {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"rate": 0.001, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("adagrad", {"rate": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ("adadelta", {"rate": 2.0, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("rprop", {"rate": 0.05, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.06)}),
    ("asgd", {"rate": 0.1, "lambd": 0.1, "alpha": 0.6, "t0": 10.0, "weight_decay": 0.1}),
]
LEARNT: list[tuple[str, Options]] = [
    ("sgd", {"rate": 0.1, "momentum": 0.8, "dampening": 0.1, "weight_decay": 0.05}),
    ("sgd", {"rate": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True}),
    ("adam", {"rate": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.05}),
    ("adam", {"rate": 0.1, "betas": (0.8, 0.6), "eps": 0.01, "weight_decay": 0.05, "amsgrad": True}),
    ("adamw", {"rate": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.05}),
    ("adamax", {"rate": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.05}),
    ("nadam", {"rate": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.05, "momentum_decay": 0.3}),
    ("radam", {"rate": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.05}),
    ("radam", {"rate": 0.1, "betas": (0.8, 0.6), "weight_decay": 0.05, "decoupled_weight_decay": True}),
    ("rmsprop", {"rate": 0.1, "alpha": 0.8, "eps": 0.01, "weight_decay": 0.05, "momentum": 0.5}),
    ("rmsprop", {"rate": 0.1, "alpha": 0.8, "eps": 0.01, "weight_decay": 0.05, "momentum": 0.5, "centered": True}),
    ("adagrad", {"lr_decay": 0.3, "weight_decay": 0.05, "initial_accumulator_value": 0.1, "eps": 0.01}),
    ("adadelta", {"rho": 0.8, "eps": 0.01, "weight_decay": 0.05}),
    ("rprop", {"rate": 0.3, "step_sizes": (0.16, 0.4)}),
    ("asgd", {"rate": 0.1, "lambd": 0.2, "t0": 0.25, "weight_decay": 0.05}),
]
DEFAULTS: list[tuple[str, Options]] = [
    *((name, {}) for name in OPTIM),
    *((name, {"amsgrad": True}) for name in ("adam", "adamw")),
    *((name, {"decoupled_weight_decay": True}) for name in ("nadam", "radam")),
    ("rmsprop", {"centered": True}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
]


def label(value: object) -> str:
    return value if isinstance(value, str) else " ".join(f"{k}={v}" for k, v in dict(value).items()) or "defaults"


combinations = pytest.mark.parametrize(("name", "options"), COMBINATIONS, ids=label)
learnt = pytest.mark.parametrize(("name", "options"), LEARNT, ids=label)
defaults = pytest.mark.parametrize(("name", "flags"), DEFAULTS, ids=label)
every_rule = pytest.mark.parametrize("name", RULES)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    """Also for torch.optim, which keeps some scalars of ASGD and NAdam in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


START = {"w": draw(3, 2), "k": draw(2, 1, 2, 2, seed=1), "b": draw(3, seed=2), "s": 2 + draw(seed=3)}
DATA = (draw(TASKS, 5, 2, seed=4), draw(TASKS, 5, 3, seed=5).tanh(), 1 + draw(TASKS, 2, 1, 2, 2, seed=6).tanh() / 2)
"""x, y and z, which is shaped as k, of each task."""


def task(number: int = 0) -> tuple[Tensor, ...]:
    return tuple(part[number] for part in DATA)


def loss(params: Params, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    out = (x @ params["w"].T * params["s"] + params["b"]).tanh()
    return (out - y).square().mean() + (params["k"] * z - 0.3).tanh().square().mean() + 0.1 * params["s"].square()


def as_tensors(value: Any) -> Any:
    """Every number a 0-d tensor."""
    if isinstance(value, dict):
        return {key: as_tensors(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(as_tensors(part) for part in value)
    return torch.tensor(float(value)) if type(value) in (int, float) else value


def all_learnt(name: str, options: Options) -> Rule:
    """Every number a tensor, those not among the ``options`` with their defaults."""
    given = {key: value.default for key, value in inspect.signature(RULES[name]).parameters.items()}
    fixed = {"dampening": 0} if options.get("nesterov") else {}  # nesterov refuses one
    return RULES[name](**as_tensors(given | options) | fixed)


def steps_of(name: str) -> int:
    """Three; RAdam scales from its sixth on, and Rprop has turned round somewhere by the fifth."""
    return {"radam": 8, "rprop": 5}.get(name, 3)


def run(
    rule: Rule, params: Params, steps: int, *data: Tensor, of: Callable[..., Tensor] = loss
) -> tuple[Params, State]:
    """Parameters and state after ``steps`` on the loss ``of``; a loop of its own, so that only rules are on trial."""
    state = rule.init(params)
    for step in range(steps):
        params, state = rule.update(rule.hyper, grad(of)(params, *data), state, params, step)
    return params, state


def outcome(rule: Rule, steps: int, params: Params, numbers: Hyper, *data: Tensor) -> Tensor:
    """Scalar that depends on all that a rule returns, as a function of the start and of the ``numbers``."""
    params, state = run(rule._replace(hyper=rule.hyper | numbers), params, steps, *data)
    rest = sum(value.sin().sum() for kind in state.values() for value in kind.values())
    return loss(params, *task(1)) + 0.1 * rest


def learnable(rule: Rule) -> Hyper:
    return {key: value for key, value in rule.hyper.items() if isinstance(value, Tensor)}


@combinations
def test_fifty_steps_are_those_of_torch(name: str, options: Options) -> None:
    rule = RULES[name](**options)
    theirs = {key: value.clone().requires_grad_() for key, value in START.items()}
    as_torch = {"lr" if key == "rate" else key: value for key, value in options.items()}
    optimiser = OPTIM[name](list(theirs.values()), **as_torch)
    params, state = START, rule.init(START)
    ours, wanted = [], []
    for step in range(50):
        params, state = rule.update(rule.hyper, grad(loss)(params, *task()), state, params, step)
        optimiser.zero_grad()
        loss(theirs, *task()).backward()
        optimiser.step()
        ours.append(params)
        wanted.append({key: value.detach().clone() for key, value in theirs.items()})
    for key, value in START.items():
        path, true = (torch.stack([at[key] for at in way]) for way in (ours, wanted))
        torch.testing.assert_close(path, true, rtol=1e-10, atol=0)
        assert (path[-1] - value).abs().max() > 1e-3
    if name == "asgd":
        for key, value in state["average"].items():
            torch.testing.assert_close(value, optimiser.state[theirs[key]]["ax"], rtol=1e-10, atol=0)


@combinations
def test_numbers_as_tensors_are_those_numbers(name: str, options: Options) -> None:
    plain, learnt = RULES[name](**options), RULES[name](**as_tensors(options))
    for found, wanted in zip(run(learnt, START, 8, *task()), run(plain, START, 8, *task()), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)


@every_rule
def test_defaults_and_their_order_are_those_of_torch(name: str) -> None:
    ours, theirs = (inspect.signature(one).parameters for one in (RULES[name], OPTIM[name]))
    found = {"lr" if key == "rate" else key: value.default for key, value in ours.items()}
    assert found == {key: theirs[key].default for key in theirs if key in found}
    assert list(found) == [key for key in theirs if key in found]
    assert all(isinstance(value, (int, float)) for value in RULES[name]().hyper.values())


@learnt
def test_meta_gradients_are_those_of_central_differences(name: str, options: Options) -> None:
    rule, steps = all_learnt(name, options), steps_of(name)
    inputs = (START, learnable(rule))
    found = grad(lambda params, numbers: outcome(rule, steps, params, numbers, *task()), argnums=(0, 1))(*inputs)
    for part, values in enumerate(inputs):
        for seed, (key, value) in enumerate(values.items()):
            way = draw(*value.shape, seed=seed)

            def at(far: float, part: int = part, key: str = key, way: Tensor = way) -> Tensor:
                moved = [dict(one) for one in inputs]
                moved[part][key] = moved[part][key] + far * way
                return outcome(rule, steps, moved[0], moved[1], *task())

            near, wide = (at(far) - at(-far) for far in (2e-4, 4e-4))
            slope, along = (8 * near - wide) / 24e-4, (found[part][key] * way).sum()
            assert abs(slope - along) <= 1e-6 * abs(slope) + 1e-12, key
            blind = name == "radam" and options["betas"][1] == 0.6 and key in ("beta2", "eps")  # it never scales
            assert blind or abs(slope) > 1e-5, f"{key} has no influence, so nothing was tested"


@defaults
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_meta_gradients_at_zero_gradient_are_finite(name: str, flags: Options, dtype: torch.dtype) -> None:
    rule = all_learnt(name, flags)
    params = {key: torch.zeros_like(value, dtype=dtype) for key, value in START.items()}

    def flat(params: Params) -> Tensor:
        return 0.5 * (params["w"].square().sum() + params["s"].square()) + 0 * params["b"].sum()

    def after(params: Params, numbers: Hyper) -> Tensor:
        params, _ = run(rule._replace(hyper=rule.hyper | numbers), params, steps_of(name), of=flat)
        return sum((value + 0.5 * value.square()).sum() for value in params.values())

    for grads in grad(after, argnums=(0, 1))(params, learnable(rule)):
        for key, value in grads.items():
            assert value.isfinite().all(), key


def test_derivative_of_adam_at_zero_gradient() -> None:
    # theta - rate g / (|g| + eps) with g = theta has the derivative 1 - rate / eps at 0
    rule = adam(rate=1e-3, eps=1e-2)
    zero = {"w": torch.zeros(2)}
    found = grad(lambda p: run(rule, p, 1, of=lambda q: 0.5 * q["w"].square().sum())[0]["w"].sum())(zero)
    torch.testing.assert_close(found["w"], torch.full((2,), 0.9))


@learnt
def test_vmap_over_tasks_is_one_by_one(name: str, options: Options) -> None:
    rule = all_learnt(name, options)

    def one(*data: Tensor) -> tuple[Params, Hyper]:
        both = grad(lambda p, n: outcome(rule, steps_of(name), p, n, *data), argnums=(0, 1))
        return both(START, learnable(rule))

    mapped = vmap(one)(*DATA)
    for number in range(TASKS):
        for whole, single in zip(mapped, one(*task(number)), strict=True):
            for key, value in single.items():
                torch.testing.assert_close(whole[key][number], value, rtol=1e-10, atol=1e-12)


@learnt
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, at first use
def test_forward_mode_agrees_with_reverse_mode(name: str, options: Options) -> None:
    rule = all_learnt(name, options)

    def end(params: Params, numbers: Hyper) -> Tensor:
        return outcome(rule, steps_of(name), params, numbers, *task())

    inputs = (START, learnable(rule))
    ways = tuple({key: draw(*value.shape, seed=7) for key, value in part.items()} for part in inputs)
    _, along = jvp(end, inputs, ways)
    grads = grad(end, argnums=(0, 1))(*inputs)
    wanted = sum((grads[i][key] * ways[i][key]).sum() for i in (0, 1) for key in inputs[i])
    torch.testing.assert_close(along, wanted, rtol=1e-10, atol=0)


@defaults
def test_update_changes_nothing_in_place_and_keeps_types(name: str, flags: Options) -> None:
    rule = all_learnt(name, flags)  # numbers in float64, parameters in float32
    params = {key: value.float() for key, value in START.items()}
    state = rule.init(params)
    for step in range(2):
        grads = {key: value.sin() for key, value in params.items()}
        given = (rule.hyper, grads, *state.values(), params)
        before = [{key: value.clone() for key, value in part.items() if isinstance(value, Tensor)} for part in given]
        moved, new = rule.update(rule.hyper, grads, state, params, step)
        for part, old in zip(given, before, strict=True):
            assert all(torch.equal(part[key], value) for key, value in old.items())
        assert new.keys() == state.keys()
        for part in (moved, *new.values()):
            assert part.keys() == params.keys()
            assert {value.dtype for value in part.values()} == {torch.float32}
        assert all(moved[key].shape == value.shape for key, value in params.items())
        params, state = moved, new


def test_plain_numbers_stay_plain_and_cost_no_operation() -> None:
    assert type(resolve(0.1, "rate", "w", 0, torch.ones(2))) is float
    assert type(resolve({"w": 0.1}, "rate", "w", 0, torch.ones(2))) is float
    assert sgd(0.1).init(START) == {}


@every_rule
def test_equal_rates_of_every_kind_are_one_rate(name: str) -> None:
    whole = torch.full((4,), 0.03)
    kinds = [
        torch.tensor(0.03),
        dict.fromkeys(START, 0.03),
        {key: torch.full_like(value, 0.03) for key, value in START.items()},
        PerStep(whole),
        PerStep(dict.fromkeys(START, whole)),
        PerStep({key: torch.full((4, *value.shape), 0.03) for key, value in START.items()}),
    ]
    one = RULES[name](rate=0.03)
    wanted, _ = run(one, START, 4, *task())
    for kind in kinds:
        rule = RULES[name](rate=kind)
        found, _ = run(rule, START, 4, *task())
        for key, value in wanted.items():
            torch.testing.assert_close(found[key], value, rtol=1e-12, atol=0)


def three_steps(rule: Rule) -> Params:
    """Moves under gradients that do not depend on where the parameters are, so that each weight goes its own way."""
    params, state = START, rule.init(START)
    for step in range(3):
        params, state = rule.update(rule.hyper, {key: value.cos() for key, value in START.items()}, state, params, step)
    return {key: value - START[key] for key, value in params.items()}


@pytest.mark.parametrize("name", ["sgd", "adam", "nadam", "rmsprop", "adadelta"])
def test_unequal_rates_each_move_their_own(name: str) -> None:
    unit = three_steps(RULES[name](rate=1.0))
    per_tensor = three_steps(RULES[name](rate={"w": 0.1, "k": torch.tensor(0.2), "b": 0.3, "s": 0.4}))
    weights = {key: draw(*value.shape, seed=9) for key, value in START.items()}
    per_weight = three_steps(RULES[name](rate=weights))
    for key, factor in {"w": 0.1, "k": 0.2, "b": 0.3, "s": 0.4}.items():
        torch.testing.assert_close(per_tensor[key], factor * unit[key], rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(per_weight[key], weights[key] * unit[key], rtol=1e-12, atol=1e-15)


def test_unequal_rates_a_step() -> None:
    slopes = {key: value.cos() for key, value in START.items()}
    shared = three_steps(sgd(PerStep(torch.tensor([0.1, 0.2, 0.4]))))
    rates = {"w": torch.tensor([1.0, 2, 3]), "k": draw(3, 2, 1, 2, 2), "b": draw(4, 3), "s": torch.zeros(3)}
    own = three_steps(sgd(PerStep(rates)))
    for key, slope in slopes.items():
        torch.testing.assert_close(shared[key], -0.7 * slope)
        torch.testing.assert_close(own[key], -rates[key][:3].sum(0) * slope)


def test_betas_a_step_are_corrected_by_their_product() -> None:
    # under one constant gradient g, Adam's corrected averages are g and g^2 whatever the betas
    betas = PerStep(torch.tensor([0.9, 0.3, 0.6])), PerStep({key: torch.tensor([0.5, 0.9, 0.8]) for key in START})
    for key, value in three_steps(adam(0.1, betas, eps=0.0)).items():
        torch.testing.assert_close(value, -0.3 * START[key].cos().sign())


def test_learnt_rates_of_each_kind_get_their_gradients() -> None:
    rates = {"w": torch.full((3, 2), 0.1), "k": torch.tensor(0.1), "b": torch.full((3,), 0.1), "s": torch.tensor(0.1)}
    steps = {key: torch.full((2,), 0.1) for key in START}

    def end(rates: Params, steps: Params) -> Tensor:
        params, _ = run(sgd(rates, weight_decay=PerStep(steps)), START, 2, *task())
        return loss(params, *task(1))

    for given, grads in zip((rates, steps), grad(end, argnums=(0, 1))(rates, steps), strict=True):
        for key, value in grads.items():
            assert value.shape == given[key].shape
            assert value.ne(0).all()


@every_rule
def test_identity_matrices_are_the_wrapped_rule(name: str) -> None:
    rule = RULES[name](rate=0.03)
    curved = preconditioned(rule, identities(START))
    wanted, _ = run(rule, START, 4, *task())
    found, _ = run(curved, START, 4, *task())
    for key, value in wanted.items():
        assert torch.equal(found[key], value)


def test_meta_curvature_by_hand() -> None:
    params = {"w": torch.zeros(2, 3), "b": torch.zeros(2), "k": torch.zeros(2, 1, 1, 2), "s": torch.tensor(0.0)}
    slopes = {
        "w": torch.tensor([[1.0, 2, 3], [4, 5, 6]]),
        "b": torch.tensor([1.0, 10]),
        "k": torch.tensor([1.0, 2, 3, 4]).view(2, 1, 1, 2),
        "s": torch.tensor(7.0),
    }
    outputs, inputs = torch.tensor([[1.0, 1], [0, 2]]), torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 1]])
    matrices = {
        "w": [outputs, inputs],
        "b": [outputs],
        "k": [outputs, torch.tensor([[3.0]]), torch.tensor([[0.0, 1], [1, 1]])],
    }
    rule = preconditioned(sgd(1.0), matrices)
    moved, _ = rule.update(rule.hyper, slopes, rule.init(params), params, 0)
    # outputs w = [[5, 7, 9], [8, 10, 12]]; its rows times inputs^T = (second, third, first + third)
    assert moved["w"].tolist() == [[-7, -9, -14], [-10, -12, -20]]
    assert moved["b"].tolist() == [-11, -20]
    # outputs k = [[4, 6], [6, 8]], times 3, positions (second, first + second)
    assert moved["k"].flatten().tolist() == [-18, -30, -24, -42]
    assert moved["s"] == -7


def test_matrices_are_learnt_under_any_rule() -> None:
    rule = preconditioned(adam(0.1, eps=0.1), identities({key: START[key] for key in ("w", "k")}))
    curvatures = {key: value for key, value in rule.hyper.items() if key.startswith("curvature")}
    grads = grad(lambda numbers: outcome(rule, 3, START, numbers, *task()))(curvatures)
    assert {key: list(value) for key, value in grads.items()} == {
        "curvature1": ["w", "k"],
        "curvature2": ["w", "k"],
        "curvature3": ["k"],
    }
    assert all(value.abs().sum() > 1e-6 for kind in grads.values() for value in kind.values())
    way = draw(2, 2, seed=3)

    def at(far: float) -> Tensor:
        moved = curvatures | {"curvature2": curvatures["curvature2"] | {"w": torch.eye(2) + far * way}}
        return outcome(rule, 3, START, moved, *task())

    slope = (8 * (at(2e-4) - at(-2e-4)) - (at(4e-4) - at(-4e-4))) / 24e-4
    torch.testing.assert_close((grads["curvature2"]["w"] * way).sum(), slope, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ({"w": 0.1, "k": 0.1, "b": 0.1}, "rate has no value for parameter 's'. It has values for w, k, b."),
        (PerStep({"w": torch.ones(3)}), "rate has no value for parameter 'k'"),
        (PerStep(torch.ones(2)), "rate of parameter 'w' has values for 2 inner steps and step 3 was asked for"),
        (PerStep(torch.tensor(0.1)), "has values for 0 inner steps"),
        (torch.ones(2), r"rate of shape \[2\] does not broadcast to parameter 'k'|parameter 'b' of shape \[3\]"),
        (torch.ones(1), r"rate of shape \[1\] does not broadcast to parameter 's' of shape \[\]"),
        (PerStep(torch.ones(3, 5)), r"rate of shape \[5\] does not broadcast to parameter 'w' of shape \[3, 2\]"),
    ],
)
def test_settings_that_do_not_fit(rate: Any, message: str) -> None:
    rule = sgd(rate)
    with pytest.raises(UserError, match=message):
        three_steps(rule)


def test_numbers_out_of_range_and_impossible_options() -> None:
    for wrong in (
        lambda: sgd(-0.1),
        lambda: sgd(float("nan")),
        lambda: adam(betas=(0.9, 1.0)),
        lambda: RULES["rprop"](etas=(1.1, 1.2)),
        lambda: RULES["rprop"](etas=(0.5, 0.9)),
        lambda: sgd(0.1, nesterov=True),
        lambda: sgd(0.1, momentum=0.9, dampening=0.1, nesterov=True),
    ):
        with pytest.raises(UserError):
            wrong()


def test_matrices_that_do_not_fit() -> None:
    for matrices, message in (
        ({"v": [torch.eye(3)]}, "unknown parameter 'v'"),
        ({"w": [torch.eye(3)]}, r"have shapes \[\[3, 3\]\]. Expected \[\[3, 3\], \[2, 2\]\]"),
        ({"k": [torch.eye(2), torch.eye(1), torch.eye(2), torch.eye(2)]}, r"Expected .*\[4, 4\]"),
        ({"b": [torch.ones(3)]}, r"Expected \[\[3, 3\]\]"),
    ):
        with pytest.raises(UserError, match=message):
            preconditioned(sgd(0.1), matrices).init(START)
    with pytest.raises(UserError, match="already"):
        preconditioned(preconditioned(sgd(0.1), {}), {})
