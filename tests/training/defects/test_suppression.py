"""Non-maximum suppression against the loop of its definition."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.defects.networks.boxes import iou
from training.defects.networks.suppression import Best, Suppression


def greedy(boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, threshold: float) -> list[int]:
    kept: list[int] = []
    overlap = iou(boxes, boxes)
    for index in torch.argsort(scores, descending=True, stable=True).tolist():
        if all(groups[other] != groups[index] or overlap[other, index] <= threshold for other in kept):
            kept.append(index)
    return kept


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 4), st.sampled_from([0.3, 0.5, 0.7]))
def test_equals_the_greedy_loop(seed: int, count: int, groups: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + 2 + torch.rand(count, 2, generator=generator) * 20], dim=1)
    scores = torch.rand(count, generator=generator)
    group = torch.randint(groups, (count,), generator=generator)
    assert Suppression(threshold, 1000)(boxes, scores, group).tolist() == greedy(boxes, scores, group, threshold)


def test_a_long_chain_is_settled_from_the_best() -> None:
    # Each box overlaps the next: every other one stays.
    left = torch.arange(20.0)
    boxes = torch.stack([left, torch.zeros(20), left + 3.0, torch.ones(20)], dim=1)
    scores = torch.linspace(1.0, 0.5, 20)
    kept = Suppression(0.45, 1000)(boxes, scores, torch.zeros(20, dtype=torch.int64))
    assert kept.tolist() == list(range(0, 20, 2))


def test_keeps_the_best_of_all_groups() -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0]]).repeat(3, 1)
    scores, groups = torch.tensor([0.2, 0.9, 0.5]), torch.tensor([0, 1, 2])
    assert Suppression(0.5, 2)(boxes, scores, groups).tolist() == [1, 2]


def test_nothing_in_nothing_out() -> None:
    kept = Suppression(0.5, 10)(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert kept.shape == (0,)
    values, indices = Best(5)(torch.tensor([1.0, 3.0, 2.0]))
    assert (values.tolist(), indices.tolist()) == ([3.0, 2.0, 1.0], [1, 2, 0])
