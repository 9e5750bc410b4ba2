"""Pairing of lines and masks, and the loss of the pairs: against examples worked by hand and against plain loops."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.dislocations.losses import LINE_WIDTH_PX, areas, line_losses
from training.dislocations.matching import MATCHINGS, UNPAIRED, Matching, greedy, optimal, ordered


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def everything(costs: Tensor) -> Tensor:
    """All lines of a batch of costs are there."""
    return torch.ones(costs.shape[:2], dtype=torch.bool)


def rows(*lines: list[float]) -> Tensor:
    """One picture's costs, a list a line."""
    return torch.tensor([lines])


def drawn(seed: int, *, pictures: int = 2, lines: int = 4, masks: int = 6, size: int = 12) -> tuple[Tensor, Tensor]:
    """Logits (B, N, H, W), and true lines (B, M, H, W) of which each mask resembles one or none."""
    generator = torch.Generator().manual_seed(seed)
    truths = torch.rand(pictures, lines, size, size, generator=generator) < 0.15
    truths[..., 0, 0] = True
    logits = torch.randn(pictures, masks, size, size, generator=generator)
    for picture in range(pictures):
        for mask, line in enumerate(torch.randperm(lines, generator=generator)[:masks].tolist()):
            logits[picture, mask] += 2 * truths[picture, line]
    return logits, truths


def dice_of(mask: Tensor, line: Tensor) -> Tensor:
    """Dice loss of one mask and one line."""
    return 1 - (2 * (mask * line).sum() + 1) / (mask.sum() + line.sum() + 1)


def published_loss(logits: Tensor, truths: Tensor) -> Tensor:
    """The published loss in words: each line in turn takes the best free mask, which is then removed; average."""
    pictures = []
    for masks, lines in zip(torch.sigmoid(logits), truths, strict=True):
        free, losses = list(masks), []
        for line in lines:
            of_line = [dice_of(mask, line) for mask in free]
            best = min(range(len(free)), key=lambda number, of_line=of_line: float(of_line[number].detach()))
            losses.append(of_line[best])
            free.pop(best)
        pictures.append(torch.stack(losses).mean())
    return torch.stack(pictures).mean()


def test_the_greedy_lines_choose_in_turn_and_the_optimal_ones_together() -> None:
    # The first line likes mask 0 a little better than mask 1; the second line can do with mask 0 alone.
    costs = rows([0.1, 0.2], [0.1, 0.9])
    assert greedy(costs, everything(costs)).tolist() == [[0, 1]]
    assert optimal(costs, everything(costs)).tolist() == [[1, 0]]


def test_the_greedy_result_depends_on_the_order_of_the_lines_and_the_optimal_one_does_not() -> None:
    costs = rows([0.1, 0.9], [0.1, 0.2])
    assert greedy(costs, everything(costs)).tolist() == [[0, 1]]
    assert greedy(costs.flip(1), everything(costs)).tolist() == [[0, 1]]
    assert optimal(costs, everything(costs)).tolist() == [[0, 1]]
    assert optimal(costs.flip(1), everything(costs)).tolist() == [[1, 0]]


@pytest.mark.parametrize("matching", MATCHINGS.values(), ids=list(MATCHINGS))
def test_of_equal_masks_each_line_gets_another(matching: Matching) -> None:
    costs = torch.full((2, 3, 4), 0.5)
    for found in matching(costs, everything(costs)).tolist():
        assert len(set(found)) == 3


@pytest.mark.parametrize("matching", MATCHINGS.values(), ids=list(MATCHINGS))
def test_a_line_that_is_not_there_takes_no_mask(matching: Matching) -> None:
    costs = rows([0.0, 0.1], [0.2, 0.9])
    assert matching(costs, torch.tensor([[False, True]])).tolist() == [[UNPAIRED, 0]]
    assert matching(costs, torch.tensor([[False, False]])).tolist() == [[UNPAIRED, UNPAIRED]]
    assert matching(torch.empty(2, 0, 3), torch.ones(2, 0, dtype=torch.bool)).shape == (2, 0)


def test_more_lines_than_masks_leave_the_last_or_the_dearest_over() -> None:
    costs = rows([0.9, 0.8], [0.3, 0.4], [0.2, 0.1])
    assert greedy(costs, everything(costs)).tolist() == [[1, 0, UNPAIRED]]
    assert optimal(costs, everything(costs)).tolist() == [[UNPAIRED, 0, 1]]


def test_ordered_lines_take_the_masks_one_after_the_other_whatever_they_cost() -> None:
    costs = rows([0.9, 0.1, 0.0], [0.5, 0.5, 0.5], [0.0, 0.9, 0.9])
    assert ordered(costs, everything(costs)).tolist() == [[0, 1, 2]]
    assert ordered(costs, torch.tensor([[True, False, True]])).tolist() == [[0, UNPAIRED, 1]]
    assert ordered(costs[..., :2], everything(costs)).tolist() == [[0, 1, UNPAIRED]]


def test_a_cost_that_is_no_number_is_not_paired_silently() -> None:
    costs = rows([0.1, float("nan")])
    with pytest.raises(ValueError, match="invalid"):
        optimal(costs, everything(costs))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), lines=st.integers(1, 4), masks=st.integers(1, 5))
def test_no_other_pairs_cost_less_than_the_optimal_ones_and_no_mask_is_taken_twice(
    seed: int, lines: int, masks: int
) -> None:
    costs = torch.rand(1, lines, masks, generator=torch.Generator().manual_seed(seed))
    found = {name: matching(costs, everything(costs))[0].tolist() for name, matching in MATCHINGS.items()}
    pairs = min(lines, masks)
    sums = {}
    for name, of_lines in found.items():
        taken = [(line, mask) for line, mask in enumerate(of_lines) if mask != UNPAIRED]
        assert len({mask for _, mask in taken}) == len(taken) == pairs
        sums[name] = sum(float(costs[0, line, mask]) for line, mask in taken)
    least = min(
        sum(float(costs[0, line, mask]) for line, mask in zip(chosen, order, strict=True))
        for chosen in itertools.combinations(range(lines), pairs)
        for order in itertools.permutations(range(masks), pairs)
    )
    assert sums["optimal"] == pytest.approx(least, abs=1e-6)
    assert sums["greedy"] >= least - 1e-6


def test_the_loss_and_its_gradient_worked_by_hand() -> None:
    # One mask of ½ everywhere, of a picture of two pixels; the line is the left one.
    # Dice loss 1 − (2·½ + 1) / (1 + 1 + 1) = ⅓. With S = p₁ + p₂ + 2 = 3 and the overlap p₁ + ½ = 1:
    # ∂/∂p₁ = −(2 S − 2 p₁ − 1) / S² = −4/9, ∂/∂p₂ = (2 p₁ + 1) / S² = 2/9; a logit of 0 moves p by ¼.
    logits = torch.zeros(1, 1, 1, 2, requires_grad=True)
    losses = line_losses(logits, torch.tensor([[[[1, 0]]]]))
    losses.dice.backward()
    assert losses.dice.item() == pytest.approx(1 / 3)
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.flatten(), (-1 / 9, 1 / 18), atol=1e-7)


def test_masks_without_a_line_have_no_gradient_until_they_are_pushed_to_empty() -> None:
    # Mask 0 is the line. Mask 1 shows ½ on both pixels: area 1, against a line of 4 √2 px across this picture.
    logits = torch.tensor([[[[9.0, -9.0]], [[0.0, 0.0]]]], requires_grad=True)
    truth = torch.tensor([[[[True, False]]]])
    line_losses(logits, truth).total().backward()
    assert logits.grad is not None
    assert (logits.grad[0, 1] == 0).all()
    assert (logits.grad[0, 0] != 0).all()

    logits.grad = None
    line = LINE_WIDTH_PX * 2**0.5
    losses = line_losses(logits, truth, empty_weight=0.5)
    losses.empty.backward()
    assert losses.empty.item() == pytest.approx(0.5 / (1 + line))
    np.testing.assert_allclose(logits.grad[0, 1], [[0.5 * 0.25 * line / (1 + line) ** 2] * 2], rtol=1e-5)
    assert (logits.grad[0, 0] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_loss_and_its_gradient_are_those_of_the_published_loop(seed: int) -> None:
    logits, truths = drawn(seed)
    logits.requires_grad_()
    loss = line_losses(logits, truths, matching=greedy).dice
    expected = published_loss(logits, truths.float())
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits))


def test_areas_are_counted_for_each_pair() -> None:
    logits, truths = drawn(7)
    masks = torch.sigmoid(logits)
    shared, of_masks, of_lines = areas(masks.flatten(2), truths.flatten(2).float())
    for picture, line, mask in itertools.product(range(2), range(truths.shape[1]), range(masks.shape[1])):
        torch.testing.assert_close(shared[picture, line, mask], masks[picture, mask][truths[picture, line]].sum())
    torch.testing.assert_close(of_masks, masks.sum(dim=(2, 3)))
    assert of_lines.tolist() == truths.sum(dim=(2, 3)).tolist()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_neither_the_order_of_lines_nor_that_of_masks_changes_the_optimal_loss(seed: int) -> None:
    logits, truths = drawn(seed)
    expected = line_losses(logits, truths, empty_weight=0.3)
    generator = torch.Generator().manual_seed(seed)
    masks, lines = torch.randperm(6, generator=generator), torch.randperm(4, generator=generator)
    found = line_losses(logits[:, masks], truths[:, lines], empty_weight=0.3)
    torch.testing.assert_close(found.total(), expected.total())
    assert expected.dice <= line_losses(logits, truths, matching=greedy).dice + 1e-6


def test_perfect_masks_cost_nothing_and_lines_that_fill_a_batch_up_change_nothing() -> None:
    _, truths = drawn(3)
    perfect = torch.where(truths, 30.0, -30.0)[:, [2, 0, 3, 1]]
    assert float(line_losses(perfect, truths, empty_weight=1.0).total()) == pytest.approx(0, abs=1e-6)

    logits, truths = drawn(4)
    filled = torch.cat([truths, torch.zeros_like(truths)], dim=1)
    torch.testing.assert_close(line_losses(logits, filled).dice, line_losses(logits, truths).dice)


def test_a_picture_without_lines_only_pushes_its_masks_to_empty() -> None:
    logits, truths = drawn(5)
    truths[1] = False
    alone = line_losses(logits[:1], truths[:1])
    torch.testing.assert_close(line_losses(logits, truths).dice, alone.dice)

    logits.requires_grad_()
    for nothing in (torch.zeros(2, 3, 12, 12, dtype=torch.bool), torch.zeros(2, 0, 12, 12, dtype=torch.bool)):
        without = line_losses(logits, nothing)
        assert without.total().item() == 0
        (gradient,) = torch.autograd.grad(without.total(), logits)
        assert (gradient == 0).all()
        pushed = line_losses(logits, nothing, empty_weight=1.0)
        (gradient,) = torch.autograd.grad(pushed.total(), logits)
        assert (gradient > 0).all()


@pytest.mark.parametrize("matching", MATCHINGS.values(), ids=list(MATCHINGS))
def test_lines_for_which_there_is_no_mask_are_counted_and_cost_nothing(matching: Matching) -> None:
    logits, truths = drawn(6, lines=5, masks=3)
    losses = line_losses(logits, truths, matching=matching, empty_weight=1.0)
    assert losses.left_over == 2 * 2
    assert float(losses.empty) == 0
    costs = torch.stack(
        [
            torch.stack([torch.stack([dice_of(mask, line) for mask in torch.sigmoid(masks)]) for line in lines])
            for masks, lines in zip(logits, truths.float(), strict=True)
        ]
    )
    found = matching(costs, everything(costs))
    kept = torch.stack([lines[of_lines != UNPAIRED] for lines, of_lines in zip(truths, found, strict=True)])
    torch.testing.assert_close(losses.dice, line_losses(logits, kept, matching=matching).dice)


def test_in_mixed_precision_only_the_logits_are_rounded() -> None:
    # A picture of 2¹⁶ pixels: sums in bf16 stop at 256.
    logits, truths = drawn(8, size=256)
    rounded = logits.bfloat16().to(memory_format=torch.channels_last)
    expected = line_losses(rounded.float(), truths, empty_weight=0.2)
    with torch.autocast("cpu", torch.bfloat16):
        found = line_losses(rounded, truths.to(torch.uint8), empty_weight=0.2)
    assert found.total().dtype == torch.float32
    torch.testing.assert_close(found.total(), expected.total(), atol=1e-5, rtol=0)


def test_descending_the_loss_separates_two_lines() -> None:
    truths = torch.zeros(1, 2, 16, 16, dtype=torch.bool)
    truths[0, 0, 4], truths[0, 1, 11] = True, True
    logits = (0.1 * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        line_losses(logits, truths, empty_weight=0.5).total().backward()
        optimizer.step()
    shown = sorted((logits.detach()[0] > 0).sum(dim=(1, 2)).tolist())
    assert shown == [0, 0, 16, 16]
    assert ((logits.detach()[0] > 0).any(dim=0) == truths[0].any(dim=0)).all()
