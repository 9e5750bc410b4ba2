"""Every registered network for dislocation lines runs through one and the same battery."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from training.defects.networks.config import ResNetConfig
from training.dislocations.networks import DEFAULT, NETWORKS, LineNetwork, build
from training.dislocations.networks.unetplusplus import UNetPlusPlus

LARGEST_SHIPPED_BYTES = 20_000_000
MASKS = 3


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def settled(network: LineNetwork) -> LineNetwork:
    """The network in `eval`, its norms adapted to pictures: a fresh one's masks are far out, where 0 to 1 is flat."""
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 1, 64, 64))
    return network.eval()


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> LineNetwork:
    torch.manual_seed(0)
    return settled(build(request.param, masks=MASKS, seed=3))


@torch.no_grad()
def test_every_mask_has_the_shape_of_the_picture_and_lies_in_0_to_1(network: LineNetwork) -> None:
    for height, width, batch in ((64, 64, 2), (96, 64, 1), (33, 47, 1), (1, 1, 1), (65, 31, 2)):
        masks = network(torch.rand(batch, 1, height, width))
        assert masks.shape == (batch, MASKS, height, width)
        assert masks.min() >= 0
        assert masks.max() <= 1


@torch.no_grad()
def test_a_picture_of_odd_size_is_answered_as_with_its_edge_drawn_out(network: LineNetwork) -> None:
    picture = torch.rand(1, 1, 40, 60)
    drawn_out = torch.cat([picture, picture[..., -1:].expand(-1, -1, -1, 4)], dim=3)
    drawn_out = torch.cat([drawn_out, drawn_out[..., -1:, :].expand(-1, -1, 24, -1)], dim=2)
    torch.testing.assert_close(network(picture), network(drawn_out)[..., :40, :60], atol=1e-6, rtol=0)


@pytest.mark.parametrize("masks", [1, 7, 20])
def test_the_number_of_masks_is_a_setting(network: LineNetwork, masks: int) -> None:
    with torch.no_grad():
        assert build(network.name, masks=masks).eval()(torch.rand(1, 1, 32, 32)).shape[1] == masks


def test_the_published_number_of_masks_is_the_default(network: LineNetwork) -> None:
    assert build(network.name).masks == 20


def test_a_network_without_masks_is_refused(network: LineNetwork) -> None:
    with pytest.raises(ValueError, match="at least one mask"):
        build(network.name, masks=0)


def test_a_network_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(KeyError, match=DEFAULT):
        build("unet")


def test_every_parameter_gets_a_gradient(network: LineNetwork) -> None:
    torch.manual_seed(0)
    fresh = build(network.name, masks=MASKS, seed=1).train()
    fresh.logits(torch.rand(2, 1, 64, 64)).square().mean().backward()
    for name, parameter in fresh.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_seed_decides_the_weights(network: LineNetwork) -> None:
    def weights(seed: int) -> list[Tensor]:
        return list(build(network.name, masks=MASKS, seed=seed).parameters())

    five = weights(5)
    assert all(torch.equal(a, b) for a, b in zip(five, weights(5), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(five, weights(6), strict=True))


@torch.no_grad()
def test_a_fresh_network_draws_next_to_nothing(network: LineNetwork) -> None:
    assert build(network.name, seed=1).train()(torch.rand(2, 1, 64, 64)).mean() < 0.2


@torch.no_grad()
def test_a_mask_can_depend_on_lines_far_away(network: LineNetwork) -> None:
    # Which of several equal lines a mask shows can only be known by what else is in the picture.
    picture = torch.rand(1, 1, 192, 192)
    other = picture.clone()
    other[..., 130:, 130:] = 0
    assert (network.logits(picture) - network.logits(other)).abs()[..., :64, :64].max() > 1e-4


@torch.no_grad()
def test_bf16_and_channels_last_give_the_masks_of_float32(network: LineNetwork) -> None:
    picture = torch.rand(1, 1, 64, 96)
    expected = network(picture)
    last = settled(build(network.name, masks=MASKS, seed=3)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last.load_state_dict(network.state_dict())
    given = picture.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(given), expected, atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = last(given)
    assert (rounded.float() - expected).abs().mean() < 0.02


@torch.no_grad()
def test_torchscript_and_onnx_traced_at_one_size_answer_at_others(network: LineNetwork) -> None:
    example = torch.rand(1, 1, 64, 64)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.trace(network, example)
        torch.onnx.export(
            network,
            (example,),
            file,
            opset_version=17,
            dynamo=False,
            input_names=["micrograph"],
            output_names=["masks"],
            dynamic_axes={"micrograph": {0: "batch", 2: "height", 3: "width"}},
        )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for shape in ((1, 1, 96, 64), (3, 1, 64, 96), (2, 1, 45, 83)):
        picture = torch.rand(shape)
        expected = network(picture)
        torch.testing.assert_close(script(picture), expected, atol=1e-4, rtol=0)
        (answer,) = session.run(None, {"micrograph": picture.numpy()})
        np.testing.assert_allclose(answer, expected.numpy(), atol=1e-4, rtol=0)


def test_the_network_that_ships_fits_into_20_megabytes_of_onnx() -> None:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(build(DEFAULT).eval(), (torch.rand(1, 1, 64, 64),), file, opset_version=17, dynamo=False)
    assert file.tell() < LARGEST_SHIPPED_BYTES
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)


class WithResNet34(UNetPlusPlus):
    name = "unetplusplus_resnet34"
    title = "the library's own default"
    encoder_config = ResNetConfig(depth=34, res2_channels=64, norm="batch")
    decoder_channels = (256, 128, 64, 32, 16)


def test_the_layout_has_as_many_parameters_as_the_library_of_the_published_code() -> None:
    # segmentation_models_pytorch gives 26,078,609 for U-Net++ with its default encoder, three channels and one class.
    two_more_channels = 2 * 64 * 7 * 7
    assert WithResNet34(masks=1).parameter_count() + two_more_channels == 26_078_609


def test_nodes_are_wired_as_in_the_paper() -> None:
    network = WithResNet34(masks=1)
    inputs = {name: node.first.conv.in_channels for name, node in network.decoder.nodes.items()}
    encoder, last = (64, 64, 128, 256, 512), {0: 32, 1: 64, 2: 128, 3: 256}
    for level in range(4):
        for column in range(1, 5 - level):
            below_is_last = column > 1 and level + column == 4
            below = last[level + 1] if below_is_last else encoder[level + 1]
            assert inputs.pop(f"{level}_{column}") == below + column * encoder[level]
    assert not inputs
