"""Which predicted mask stands for which true line.

A true line may come out in any of a network's masks. So before a mask can be compared with the truth, lines and masks
are paired:

- `greedy`, as published: every true line in turn takes the free mask that costs it least. What it finds depends on the
  order of the lines: an early one can take what a later one needs more.
- `optimal`: the pairs whose costs have the least sum (the assignment problem, the "Hungarian" method). It is the same
  whatever the order of the lines, and never costs more than the greedy one.
- `ordered`, without any choice: the first line is the first mask's, the second the second's. Lines must then come in an
  order that can be seen in the picture, as `training.dislocations.examples.from_left` gives it. A network has a steady
  aim from the first step on. The price: one line more or less moves all lines after it to other masks, and where
  pile-ups of several directions lie over each other the order is hard to see.

Where a picture has more lines than the network has masks, as many lines as there are masks are paired and the others
are left over: the last ones, but the dearest ones with `optimal`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

UNPAIRED = -1

Matching = Callable[[Tensor, Tensor], Tensor]
"""(costs (B, M, N), present (B, M)) → (B, M) int64, the mask of each line or `UNPAIRED`."""


@torch.no_grad()
def greedy(costs: Tensor, present: Tensor) -> Tensor:
    """Every line in turn takes the free mask that costs it least; of equal ones the first.

    Args:
        costs: (B, M, N), of line m by mask n. present: (B, M) bool, false where there is no line.

    Returns:
        (B, M) int64: the mask of each line, `UNPAIRED` where there is no line or no mask is left.
    """
    pictures, lines, masks = costs.shape
    found = torch.full((pictures, lines), UNPAIRED, device=costs.device)
    free = torch.ones((pictures, masks), dtype=torch.bool, device=costs.device)
    for line in range(lines):
        best = costs[:, line].masked_fill(~free, torch.inf).argmin(dim=1, keepdim=True)
        # Where no mask is free, argmin gives one all the same.
        takes = present[:, line, None] & free.gather(1, best)
        found[:, line] = torch.where(takes, best, UNPAIRED)[:, 0]
        free.scatter_(1, best, free.gather(1, best) & ~takes)
    return found


@torch.no_grad()
def optimal(costs: Tensor, present: Tensor) -> Tensor:
    """The pairs whose costs have the least sum; arguments and result as of `greedy`.

    Raises:
        ValueError: a cost is not a number.

    Source: D. F. Crouse, IEEE Trans. Aerospace Electron. Syst. 52 (2016) 1679, as in scipy.
    """
    found = torch.full(costs.shape[:2], UNPAIRED)
    on_cpu, lines_of = costs.float().cpu().numpy(), present.cpu()
    for picture in range(len(costs)):
        lines = torch.nonzero(lines_of[picture])[:, 0]
        rows, masks = linear_sum_assignment(on_cpu[picture, lines.numpy()])
        found[picture, lines[rows]] = torch.from_numpy(masks)
    return found.to(costs.device)


@torch.no_grad()
def ordered(costs: Tensor, present: Tensor) -> Tensor:
    """The lines that are there take the masks in their order; arguments and result as of `greedy`."""
    number = present.cumsum(dim=1) - 1
    return torch.where(present & (number < costs.shape[2]), number, UNPAIRED)


MATCHINGS: dict[str, Matching] = {"optimal": optimal, "greedy": greedy, "ordered": ordered}
