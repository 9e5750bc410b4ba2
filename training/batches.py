"""The stream of batches that every family's training goes through, made in worker processes ahead of it.

Batches come in groups, each made at once: what is costly to make, a synthetic picture, serves several steps. A group
depends on the run's settings and its number alone, so that a resumed run sees what an uninterrupted one would have
seen, however many workers make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

Batch = TypeVar("Batch")


def streamed(
    groups: Dataset[list[Batch]], *, count: int, steps: int, first_step: int, workers: int, ahead: int
) -> Iterator[Batch]:
    """The batches from step `first_step` on, in their order.

    Args:
        groups: item i is the i-th group. count: how many groups there are. steps: batches in each.
        workers: processes that make them; 0 for none but this one. ahead: groups that each has ready.
    """
    first_group, skipped = divmod(first_step, steps)
    options: dict[str, Any] = {}
    if workers:
        options = {"prefetch_factor": ahead, "worker_init_fn": _one_thread}
    loader = DataLoader(
        groups,
        batch_size=None,
        sampler=range(first_group, count),
        num_workers=workers,
        collate_fn=_as_it_is,
        **options,
    )
    for group in loader:
        yield from group[skipped:]
        skipped = 0


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)


def _as_it_is(group: list[Batch]) -> list[Batch]:
    return group
