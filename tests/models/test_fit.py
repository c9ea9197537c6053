"""The training loop: its schedule, and that a kill costs steps and nothing else."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch
from torch import Tensor, nn

from models.training import fit as fit_module
from models.training.device import wants_bfloat16
from models.training.fit import Check, Fit, Schedule, save_atomically
from models.training.interrupts import SIGNALS, Interrupted, stop_on_signal

STEPS = 40


class Killed(BaseException):
    """Stands for a kill: an exception that the loop cannot handle."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(fit_module, "CHECKPOINT_EVERY", 10)
    yield
    torch.set_num_threads(before)


def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1)
    )


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2).mean()


def batches(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Those of a step depend on the step alone."""
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randn(4, 1, 8, 8, generator=generator)
        yield inputs, inputs.abs()


def killed_at(step: int) -> object:
    def some(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for number, batch in enumerate(batches(first, last), start=first):
            if number == step:
                raise Killed
            yield batch

    return some


def fit(path: Path, ema: float = 0.9) -> Fit:
    return Fit(network(), loss, Schedule(STEPS, 1e-2, 1e-2, ema), path, "tiny")


def weights(trained: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trained.state_dict().items()}


@pytest.mark.parametrize("kills", [[3], [10], [27], [12, 15, 38], [39]])
@pytest.mark.parametrize("ema", [0.9, 0.0])
def test_a_killed_run_ends_with_the_same_bytes(
    tmp_path: Path, kills: list[int], ema: float
) -> None:
    whole = fit(tmp_path / "whole.ckpt", ema)
    expected = weights(whole.run(batches))
    for step in kills:
        with pytest.raises(Killed):
            fit(tmp_path / "killed.ckpt", ema).run(killed_at(step))  # type: ignore[arg-type]
    resumed = fit(tmp_path / "killed.ckpt", ema)
    assert weights(resumed.run(batches)) == expected
    assert resumed.history == whole.history
    assert [step for step, _ in whole.history] == [10, 20, 30, 40]


def test_a_run_that_is_complete_is_only_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    expected = weights(fit(path).run(batches))
    assert weights(fit(path).run(killed_at(0))) == expected  # type: ignore[arg-type]


def test_it_learns_and_hands_back_the_average_in_eval_mode(tmp_path: Path) -> None:
    some = fit(tmp_path / "a.ckpt")
    trained = some.run(batches)
    assert not trained.training
    assert some.history[-1][1] < some.history[0][1]
    last = fit(tmp_path / "b.ckpt", ema=0.0)
    assert weights(last.run(batches)) == weights(last._network)  # ema 0: the last weights


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    def broken(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in batches(first, last):
            yield inputs, targets * float("nan")

    path = tmp_path / "a.ckpt"
    with pytest.raises(FloatingPointError, match="tiny: the loss is nan at step 0"):
        fit(path).run(broken)
    assert not path.exists()


def test_the_checkpoint_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ckpt"
    save_atomically({"step": 1}, path)

    def half(state: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise Killed

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        save_atomically({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    schedule = Schedule(steps=100, learning_rate=1.0, weight_decay=0.0, ema=0.0)
    assert [schedule.rate(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert schedule.rate(5) == 1.0
    assert schedule.rate(5 + 19) == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.2)))
    middle = (schedule.rate(52) + schedule.rate(53)) / 2  # half-way from 5 to 100
    assert middle == pytest.approx(0.5, abs=1e-3)
    assert 0 < schedule.rate(99) < 1e-3
    rates = [schedule.rate(step) for step in range(5, 100)]
    assert rates == sorted(rates, reverse=True)
    assert Schedule(1, 1.0, 0.0, 0.0).rate(0) == 1.0  # a run of one step has a rate


def test_the_precision_is_the_recipes_unless_it_is_auto() -> None:
    assert wants_bfloat16("bfloat16") is True
    assert wants_bfloat16("float32") is False
    assert isinstance(wants_bfloat16("auto"), bool)


def test_a_check_keeps_the_best_and_stops_early(tmp_path: Path) -> None:
    figures = iter([0.1, 0.5, 0.4, 0.3, 0.9, 0.9])
    seen: list[dict[str, bytes]] = []

    def figure(some: nn.Module) -> float:
        assert not some.training
        seen.append(weights(some))
        return next(figures)

    def begun() -> Fit:
        schedule = Schedule(STEPS, 1e-2, 1e-2, 0.9)
        check = Check(figure, every=5, patience=2)
        return Fit(network(), loss, schedule, tmp_path / "x.ckpt", "tiny", check)

    some = begun()
    trained = some.run(batches)
    assert [step for step, _ in some.checks] == [5, 10, 15, 20]
    assert weights(trained) == seen[1]
    assert weights(begun().run(batches)) == seen[1], "an early end stays one when it is resumed"
    assert len(seen) == 4


def test_without_patience_every_check_is_made(tmp_path: Path) -> None:
    figures = iter([0.9, 0.1, 0.2, 0.3])
    some = Fit(
        network(),
        loss,
        Schedule(STEPS, 1e-2, 1e-2, 0.9),
        tmp_path / "x.ckpt",
        "tiny",
        Check(lambda _: next(figures), every=10),
    )
    some.run(batches)
    assert [step for step, _ in some.checks] == [10, 20, 30, 40]


@pytest.fixture
def as_on_a_terminal() -> Iterator[None]:
    """A shell without job control starts what is put into the background with SIGINT ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("as_on_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_interrupt_saves_and_the_next_run_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    """17 steps into a training whose first checkpoint would come at step 200."""
    expected = fit(tmp_path / "whole.ckpt")
    wanted = weights(expected.run(batches))
    before = [signal.getsignal(each) for each in SIGNALS]

    def interrupted(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step, batch in enumerate(batches(first, last), start=first):
            if step == 16:
                os.kill(os.getpid(), number)
            yield batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "CHECKPOINT_EVERY", 200)
        with pytest.raises(Interrupted, match="tiny is saved at step 17 of 40"):
            fit(tmp_path / "stopped.ckpt").run(interrupted)
    assert [signal.getsignal(each) for each in SIGNALS] == before
    again = fit(tmp_path / "stopped.ckpt")
    seen: list[int] = []

    def rest(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        seen.append(first)
        return batches(first, last)

    assert weights(again.run(rest)) == wanted
    assert seen == [17], "no step is lost"
    assert again.history[-1] == expected.history[-1]


@pytest.mark.usefixtures("as_on_a_terminal")
def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    def twice(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches(first, last):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            yield batch

    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(tmp_path / "stopped.ckpt").run(twice)
    assert not isinstance(stopped.value, Interrupted)
    assert not (tmp_path / "stopped.ckpt").exists()


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signal() as request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not request.to_stop
    finally:
        signal.signal(signal.SIGHUP, before)
