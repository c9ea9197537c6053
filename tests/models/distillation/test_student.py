"""A student beside its teacher: its outputs, its distance, and what it refuses."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from models.data.dataset import DataError
from models.distillation.resnet import RESNETS, ResNet
from models.distillation.state_file import PublishedNetwork
from models.distillation.student import DistilledNetwork
from models.distillation.teacher import DEVIATION, MEAN, FeatureTeacher, MapTeacher, as_imagenet
from models.networks import DetectorNetwork, build_detector, normalise


class Fixed(DetectorNetwork):
    """A teacher whose severity is a number everywhere, at a stride of its own."""

    multiple_px = 8

    def __init__(self, severity: float, stride_px: int = 2) -> None:
        super().__init__()
        self.stride_px, self._severity = stride_px, severity
        self.seen: list[tuple[int, ...]] = []

    def raw(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        rows, cols = (side // self.stride_px for side in x.shape[2:])
        return torch.full((len(x), 1, rows, cols), self._severity)


class Constant(DetectorNetwork):
    """A student whose logit is a number everywhere."""

    stride_px, multiple_px, logistic = 2, 2, True

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def raw(self, x: Tensor) -> Tensor:
        rows, cols = (side // 2 for side in x.shape[2:])
        return self.logit.expand(len(x), 1, rows, cols)


def features_of(name: str = "resnet18") -> FeatureTeacher:
    torch.manual_seed(0)
    network = ResNet(RESNETS[name]).eval().requires_grad_(requires_grad=False)
    return FeatureTeacher(PublishedNetwork(name, network))


def test_the_distance_is_zero_where_student_and_teacher_agree() -> None:
    x = torch.zeros(1, 1, 16, 24)
    alike = DistilledNetwork(Constant(0.0), MapTeacher(Fixed(6.0).eval())).train()
    outputs = alike(x)
    assert tuple(outputs.shape) == (1, 2, 8, 12)
    assert outputs[:, 1].detach().abs().max() < 1e-5
    apart = DistilledNetwork(Constant(0.0), MapTeacher(Fixed(12.0).eval())).train()
    # Four times the cross entropy of a half against one: 4 · ln 2.
    assert apart(x)[:, 1].detach().mean() == pytest.approx(4 * 0.6931, abs=1e-3)


def test_a_linear_student_has_the_squared_distance() -> None:
    student = Constant(2.0)
    student.logistic = False
    found = DistilledNetwork(student, MapTeacher(Fixed(5.0).eval())).train()
    assert found(torch.zeros(1, 1, 8, 8))[:, 1].detach().mean() == pytest.approx(9.0)


def test_the_gradient_moves_the_student_towards_the_teacher_and_not_the_teacher() -> None:
    student = Constant(0.0)
    teacher = Fixed(12.0).eval()
    both = DistilledNetwork(student, MapTeacher(teacher)).train()
    both(torch.zeros(1, 1, 8, 8))[:, 1].mean().backward()
    assert student.logit.grad is not None
    assert student.logit.grad < 0, "a larger logit is nearer to severity 12"


def test_a_teacher_of_another_stride_or_multiple_is_fitted_to_the_students_cells() -> None:
    teacher = Fixed(3.0, stride_px=4).eval()
    severity = MapTeacher(teacher).severity(torch.zeros(2, 1, 20, 36), (10, 18))
    assert tuple(severity.shape) == (2, 1, 10, 18)
    assert torch.all(severity == 3.0)
    assert teacher.seen == [(2, 1, 24, 40)], "reflected up to its multiple"


def test_in_eval_mode_it_is_the_student_alone() -> None:
    student = build_detector("nano", 1, 2)
    both = DistilledNetwork(student, features_of()).eval()
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(both(x), student(x))
    assert (both.stride_px, both.multiple_px) == (student.stride_px, student.multiple_px)


@pytest.mark.parametrize("network", ["nano", "lean", "extra-large"])
@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_compared_at_the_students_grid(network: str, channels: int) -> None:
    student = build_detector(network, channels, 2)
    teacher = features_of()
    both = DistilledNetwork(student, teacher).train()
    outputs = both(torch.randn(2, channels, 64, 96))
    assert tuple(outputs.shape) == (2, 2, 32, 48)
    distance = outputs[:, 1].detach()
    assert distance.min() >= 0
    assert distance.max() <= 2
    outputs[:, 1].mean().backward()
    assert both.projection is not None
    assert all(each.grad is not None for each in both.projection.parameters())
    assert teacher.channels == 128 + 256


def test_the_teacher_is_in_no_state_and_is_not_copied() -> None:
    teacher = features_of()
    both = DistilledNetwork(build_detector("nano", 1, 2), teacher)
    names = {name.partition(".")[0] for name in both.state_dict()}
    assert names == {"student", "projection"}
    assert copy.deepcopy(both)._teacher is teacher
    mapped = MapTeacher(Fixed(1.0))
    assert copy.deepcopy(mapped) is mapped
    groups = both.parameter_groups()
    assert [share for _, share in groups] == [0.5, 1.0, 1.0]
    assert len(groups[-1][0]) == 2


def test_pixels_become_those_of_imagenet() -> None:
    blue = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    blue[0, 0] = 255
    red, green, found = as_imagenet(normalise(blue)).flatten().tolist()
    assert found == pytest.approx((1 - MEAN[2]) / DEVIATION[2], abs=1e-4)
    assert red == pytest.approx(-MEAN[0] / DEVIATION[0], abs=1e-4)
    assert green == pytest.approx(-MEAN[1] / DEVIATION[1], abs=1e-4)
    grey = as_imagenet(normalise(torch.full((1, 1, 1, 1), 51, dtype=torch.uint8)))
    assert grey.flatten().tolist() == pytest.approx(
        [(0.2 - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
        abs=1e-4,
    )


def test_networks_that_cannot_learn_from_a_teacher_are_refused() -> None:
    with pytest.raises(DataError, match=r"without a decision head; expected detector\.decision"):
        DistilledNetwork(build_detector("lean", 1, 2, decision=True), MapTeacher(Fixed(1.0)))
    with pytest.raises(DataError, match="PaperDetector has no features that a state file can"):
        DistilledNetwork(build_detector("paper", 1, 4), features_of())
