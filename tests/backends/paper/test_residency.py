"""Models come to the device and leave it."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from torch import nn

from i2v3d.backends.paper.residency import on_device, taking_turns

CPU, OTHER = torch.device("cpu"), torch.device("cpu", 0)


class Placed(nn.Linear):
    """A layer that writes down where it is sent; there is one device to go to where tests run."""

    def __init__(self):
        super().__init__(2, 2)
        self.sent = []

    def to(self, device):
        self.sent.append(device)
        return self


def test_a_model_goes_to_the_device_while_it_is_used():
    model = Placed()
    with on_device(model, OTHER) as lent:
        assert lent is model
        assert model.sent == [OTHER]


def test_models_that_take_turns_come_when_they_are_called_and_leave_no_hook():
    first, second = Placed(), Placed()
    with taking_turns((first, second), OTHER):
        first(torch.zeros(1, 2))
        assert (len(first.sent), len(second.sent)) == (1, 0)
        second(torch.zeros(1, 2))
        assert second.sent == [OTHER]
    calls = len(first.sent)
    first(torch.zeros(1, 2))
    assert len(first.sent) == calls
    assert not first._forward_pre_hooks


def test_results_are_the_same_with_and_without_turns():
    models = (nn.Linear(3, 3), nn.Linear(3, 3))
    given = torch.rand(2, 3)
    plain = models[1](models[0](given))
    with taking_turns(models, CPU):
        assert torch.equal(models[1](models[0](given)), plain)
