"""Whether a faster precision may be used: only where the scores of an evaluation in it equal those in fp32."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

SHARE = 0.002
"""Recall, precision, sites found and columns off the lattice may differ by this much."""
DISTANCE_PM = 0.3
"""Δd may differ by this much."""


class Equality(BaseModel):
    """The largest differences between two evaluations, and what they are of."""

    share: float
    share_of: str
    distance_pm: float
    distance_of: str

    @property
    def holds(self) -> bool:
        """Whether both are within tolerance."""
        return self.share <= SHARE and self.distance_pm <= DISTANCE_PM

    def sentence(self) -> str:
        """For the manifest."""
        return (
            f"evaluated on the same simulated and real micrographs as fp32: recall, precision and lattice sites "
            f"differ by at most {self.share:.4f} (allowed {SHARE}), Δd by at most {self.distance_pm:.2f} pm "
            f"(allowed {DISTANCE_PM})"
        )


def compare_evaluations(reference: dict[str, Any], other: dict[str, Any]) -> Equality:
    """The largest differences between two evaluation reports of the same pictures.

    Args:
        reference, other: contents of two `evaluation.json`.

    Raises:
        ValueError: they are not of the same pictures.
    """
    shares: dict[str, float] = {}
    distances: dict[str, float] = {}
    if reference["simulated"].keys() != other["simulated"].keys() or reference["real"].keys() != other["real"].keys():
        raise ValueError("the two evaluations are not of the same pictures; run both with the same arguments")
    if not reference["real"]:
        raise ValueError("no real micrographs were evaluated; give `training evaluate` a folder of them with --real")
    for quality, lattices in reference["simulated"].items():
        for lattice, row in lattices.items():
            against = other["simulated"][quality].get(lattice)
            if against is None or against["columns"] != row["columns"]:
                raise ValueError(f"the two evaluations differ in their pictures of {lattice} at {quality} quality")
            place = f"{lattice}, {quality}"
            for figure in ("recall", "precision"):
                shares[f"{figure} of {place}"] = abs(row[figure] - against[figure])
            distances[f"Δd of {place}"] = abs(row["rms_pm"] - against["rms_pm"])
    for file, row in reference["real"].items():
        for figure in ("sites_found", "columns_off_the_lattice"):
            if figure in row:
                shares[f"{figure} of {file}"] = abs(row[figure] - other["real"][file].get(figure, 0.0))
    share_of, distance_of = max(shares, key=lambda k: shares[k]), max(distances, key=lambda k: distances[k])
    return Equality(
        share=shares[share_of], share_of=share_of, distance_pm=distances[distance_of], distance_of=distance_of
    )
