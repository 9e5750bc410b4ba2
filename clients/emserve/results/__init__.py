"""The contract: what a server answers and what a client hands to its user are these very classes.

Conventions, stated once for the whole project: pixel (0, 0) is the centre of the top left pixel, x points to the
right, y down. Every physical quantity carries its unit in its name. Where the pixel size is not known, quantities in
nm and pm are None and a warning says what to pass.

Unknown fields of a newer server are kept, and the named choices are open (`Literal[…] | str`), so that an old client
reads a newer answer and loses nothing. `CONTRACT` counts up behind the point when something is added, in front of it
when something that was there changes.
"""

from emserve.results.atoms import (
    AtomColumn,
    AtomsParameters,
    AtomsPostprocess,
    AtomsResult,
    AtomsStatistics,
    Lattice,
    LatticeVector,
)
from emserve.results.defects import (
    Defect,
    DefectClassStatistics,
    DefectMask,
    DefectsParameters,
    DefectsResult,
    DefectsStatistics,
    Hardening,
    HardeningBin,
)
from emserve.results.dislocations import (
    DislocationLine,
    DislocationsParameters,
    DislocationsResult,
    DislocationsStatistics,
    SlipTrace,
)
from emserve.results.distribution import Distribution
from emserve.results.head import (
    CONTRACT,
    MicrographInfo,
    ModelInfo,
    Notice,
    Part,
    PixelSizeSource,
    Result,
    Timings,
    Trust,
)
from emserve.results.models import ModelList, ModelSummary
from emserve.results.stack import (
    DislocationsFrame,
    DislocationsTracks,
    DislocationTrack,
    Drift,
    PairDistance,
    StackError,
    StackMessage,
    StackParameters,
    TrackedLine,
    stack_message,
)

__all__ = [
    "CONTRACT",
    "AtomColumn",
    "AtomsParameters",
    "AtomsPostprocess",
    "AtomsResult",
    "AtomsStatistics",
    "Defect",
    "DefectClassStatistics",
    "DefectMask",
    "DefectsParameters",
    "DefectsResult",
    "DefectsStatistics",
    "DislocationLine",
    "DislocationTrack",
    "DislocationsFrame",
    "DislocationsParameters",
    "DislocationsResult",
    "DislocationsStatistics",
    "DislocationsTracks",
    "Distribution",
    "Drift",
    "Hardening",
    "HardeningBin",
    "Lattice",
    "LatticeVector",
    "MicrographInfo",
    "ModelInfo",
    "ModelList",
    "ModelSummary",
    "Notice",
    "PairDistance",
    "Part",
    "PixelSizeSource",
    "Result",
    "SlipTrace",
    "StackError",
    "StackMessage",
    "StackParameters",
    "Timings",
    "TrackedLine",
    "Trust",
    "stack_message",
]
