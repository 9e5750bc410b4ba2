"""Every registered network for atom columns runs through one and the same battery."""

from __future__ import annotations

import io

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from training.atoms.networks import NETWORKS, AtomNetwork, build
from training.atoms.networks.cubic import load_published


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> AtomNetwork:
    return build(request.param, seed=3).eval()


def sharpened(network: AtomNetwork) -> AtomNetwork:
    """The same architecture with positive weights, so that no influence of a pixel cancels."""
    positive = build(network.name, seed=3).double().eval()
    with torch.no_grad():
        for module in positive.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.abs_().add_(1e-3).div_(module.weight.sum(dim=(1, 2, 3), keepdim=True))
                if module.bias is not None:
                    module.bias.zero_()
    return positive


@torch.no_grad()
def test_the_map_has_the_shape_of_the_picture_and_lies_in_0_to_1(network: AtomNetwork) -> None:
    step = network.multiple_of
    for height, width, batch in ((step * 4, step * 4, 1), (step * 5, step * 9, 3)):
        probability = network(torch.rand(batch, 1, height, width))
        assert probability.shape == (batch, 1, height, width)
        assert probability.min() >= 0
        assert probability.max() <= 1


def test_every_parameter_gets_a_gradient(network: AtomNetwork) -> None:
    fresh = build(network.name, seed=1).train()
    fresh.logits(torch.rand(2, 1, 64, 64)).square().mean().backward()
    for name, parameter in fresh.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_seed_decides_the_weights(network: AtomNetwork) -> None:
    def weights(seed: int) -> list[Tensor]:
        return list(build(network.name, seed=seed).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(5), weights(5), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(weights(5), weights(6), strict=True))


def test_no_pixel_beyond_the_halo_has_influence_and_the_halo_is_tight(network: AtomNetwork) -> None:
    positive = sharpened(network)
    size = 2 * network.halo_px + 4 * network.multiple_of
    radius = 0
    middle = size // network.multiple_of // 2 * network.multiple_of
    for offset in (0, 1, network.multiple_of // 2, network.multiple_of - 1):
        place = middle + offset
        picture = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        positive.logits(picture)[0, 0, place, place].backward()
        assert picture.grad is not None
        rows, columns = torch.nonzero(picture.grad[0, 0], as_tuple=True)
        radius = max(radius, int((rows - place).abs().max()), int((columns - place).abs().max()))
    assert network.halo_px - network.multiple_of < radius <= network.halo_px


@torch.no_grad()
def test_a_tile_with_its_halo_is_answered_as_in_the_whole_picture(network: AtomNetwork) -> None:
    halo, step = network.halo_px, network.multiple_of
    whole = torch.rand(1, 1, 2 * halo + 16 * step, 2 * halo + 16 * step)
    expected = network(whole)
    start = 4 * step
    stop = start + 2 * halo + 8 * step
    tile = network(whole[..., start:stop, start:stop])
    inner = slice(start + halo, stop - halo)
    assert torch.allclose(tile[..., halo:-halo, halo:-halo], expected[..., inner, inner], atol=1e-6)


@torch.no_grad()
def test_torchscript_and_onnx_traced_at_one_size_answer_at_others(network: AtomNetwork) -> None:
    example = torch.rand(1, 1, 64, 64)
    script = torch.jit.trace(network, example)
    file = io.BytesIO()
    torch.onnx.export(
        network,
        (example,),
        file,
        opset_version=17,
        dynamo=False,
        input_names=["micrograph"],
        output_names=["probability"],
        dynamic_axes={"micrograph": {0: "batch", 2: "height", 3: "width"}},
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for shape in ((1, 1, 96, 64), (3, 1, 64, 160)):
        picture = torch.rand(shape)
        expected = network(picture)
        assert torch.allclose(script(picture), expected, atol=1e-4)
        (answer,) = session.run(None, {"micrograph": picture.numpy()})
        np.testing.assert_allclose(answer, expected.numpy(), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("picture", ["silicon_110", "dyscandate"])
def test_the_published_cubic_network_gives_its_published_maps(shared_data, picture: str) -> None:
    folder = shared_data / "atom_columns"
    network = load_published(folder / "published_cubic_network.pt")
    expected = np.load(folder / f"published_cubic_network_{picture}.npz")["probability"]
    pixels = np.asarray(Image.open(folder / f"{picture}.png").convert("L"), dtype=np.float32)
    pixels = pixels[: expected.shape[0], : expected.shape[1]]
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    answer = network(torch.from_numpy(pixels)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-5, rtol=0)


def test_a_foreign_tensor_in_the_published_file_is_refused(shared_data, tmp_path) -> None:
    tensors = torch.load(
        shared_data / "atom_columns" / "published_cubic_network.pt", map_location="cpu", weights_only=True
    )
    tensors["c5.weight"] = torch.zeros(1)
    torch.save(tensors, tmp_path / "changed.pt")
    with pytest.raises(RuntimeError, match=r"c5\.weight"):
        load_published(tmp_path / "changed.pt")
