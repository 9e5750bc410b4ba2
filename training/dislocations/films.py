"""How well lines are followed: synthetic films whose motion is known, through the stack analysis that is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from analysis.dislocations.distances import paired_distance
from analysis.dislocations.metrics import matched_places
from analysis.dislocations.splines import fit
from analysis.dislocations.stack import FrameAnalysis, StackAnalysis
from analysis.micrograph import Micrograph
from training.dislocations.curves import FloatArray
from training.dislocations.examples import background_folder
from training.dislocations.synthetic import Parameters, SyntheticFrame, draw_parameters, film, glide_directions
from training.dislocations.synthetic.motion import moved

FIRST_SEED = 300_000
"""Films have seeds from here on; test pictures begin below, those of validation and training far above."""
MOST_LINES = 10
SPEEDS_PX = (1.0, 4.0)
"""Slowest and fastest pile-up, px per frame; single lines differ from their pile-up by up to `SINGLE_PX`."""
SINGLE_PX = 0.3
DRIFT_PX = 1.2
"""Fastest drift of the specimen, px per frame; every third film has none."""
_EDGE_PX = 3.0  # a line that comes nearer to the edge is cut by it, and shows another part of itself in every frame
_FEWEST_FINDS = 5  # of a track, for its velocity to count

LINKS_TARGET, DISTANCE_TARGET_PX, VELOCITY_TARGET = 0.95, 1.0, 0.05


@dataclass(frozen=True, eq=False)
class Film:
    """A film of lines that glide evenly before a specimen that drifts evenly.

    velocities_px: (number of lines, 2) x, y per frame relative to the specimen, whose drift per frame is `drift_px`.
    parameters: of the first frame; some lines may enter later. length: number of frames.
    """

    seed: int
    parameters: Parameters
    velocities_px: FloatArray
    drift_px: tuple[float, float]
    length: int
    background_folder: str | None = None

    def frames(self) -> Iterator[SyntheticFrame]:
        """The frames, the same every time."""
        folder = background_folder(self.background_folder)
        return film(self.parameters, self.velocities_px, self.length, drift_px=self.drift_px, folder=folder)


def films(
    number: int, microstructure: str | Path, *, folder: str | None = None, size_px: int = 512, length: int = 20
) -> Iterator[Film]:
    """The first `number` films of a kind, each with a line at least and no more than `MOST_LINES`.

    Parameters
    ----------
    folder: real micrographs as backgrounds; without it they are of Perlin noise. length: frames of each.
    """
    made = 0
    for seed in count(FIRST_SEED):
        if made == number:
            return
        parameters = draw_parameters(
            seed,
            microstructure=microstructure,
            size=(size_px, size_px),
            folder=background_folder(folder),
            most_lines=MOST_LINES,
        )
        if not parameters.lines:
            continue
        random = np.random.default_rng((seed, 2))
        members = np.array(parameters.pile_up)
        pile_ups = random.uniform(*SPEEDS_PX, members.max() + 1) * random.choice((-1, 1), members.max() + 1)
        speeds = pile_ups[members] + random.uniform(-SINGLE_PX, SINGLE_PX, len(members))
        velocities = glide_directions(parameters) * speeds[:, None]
        angle, fast = random.uniform(0, 2 * np.pi), 0.0 if made % 3 == 2 else random.uniform(0.2, DRIFT_PX)
        drift = (float(fast * np.cos(angle)), float(fast * np.sin(angle)))
        # what was drawn is the middle of the film, so that lines enter as well as leave
        begin = moved(parameters, -velocities * (length // 2))
        yield Film(seed, begin, velocities, drift, length, folder)
        made += 1


@dataclass
class FilmScore:
    """One film, answered, against its truth.

    lines: true ones that were ever in the frame. true, found, invented: sums over the frames of the true lines, of
    those found, and of lines that are none. links: a true line that was found in two frames, the second being its next
    find, is a link; it is right where both finds have one track. wrong_links: steps of tracks from one true line to
    another. pair_errors_px: of the distance of every pair in every frame. velocities: true and answered, px per frame,
    of the tracks of lines that the frame does not cut. drift_errors_px: of every frame but the first, where the drift
    was seen; `drift_unsure` frames say that it was not.
    """

    lines: int = 0
    true: int = 0
    found: int = 0
    invented: int = 0
    links: int = 0
    right_links: int = 0
    wrong_links: int = 0
    pair_errors_px: list[float] = field(default_factory=list)
    velocities: list[tuple[float, float]] = field(default_factory=list)
    drift_errors_px: list[float] = field(default_factory=list)
    drift_unsure: int = 0


def follow(stack: StackAnalysis, film: Film, frames: Iterable[SyntheticFrame] | None = None) -> FilmScore:
    """Lets a new stack analysis follow a film, and compares.

    frames: those of the film, for whoever watches them pass.
    """
    score = FilmScore()
    track_of: dict[int, int] = {}  # true line → track of its last find
    line_of: dict[int, int] = {}  # track → true line of its last find
    finds: dict[int, list[int]] = {}  # track → true lines of its finds
    cut: set[int] = set()
    seen: set[int] = set()
    for frame in film.frames() if frames is None else frames:
        answer = stack.add(Micrograph(frame.pixels))
        truth = {line.number: fit(line.points).points() for line in frame.lines}
        seen |= truth.keys()
        cut |= {number for number, points in truth.items() if _is_cut(points, frame.parameters)}
        owners = owners_of(answer, truth)
        score.true += len(truth)
        score.found += len(owners)
        score.invented += len(answer.steps) - len(owners)
        for track, number in owners.items():
            if number in track_of:
                score.links += 1
                score.right_links += track_of[number] == track
            score.wrong_links += line_of.get(track, number) != number
            track_of[number], line_of[track] = track, number
            finds.setdefault(track, []).append(number)
        for pair in answer.pairs:
            if pair.first in owners and pair.second in owners:
                expected = paired_distance(truth[owners[pair.first]], truth[owners[pair.second]])
                score.pair_errors_px.append(abs(pair.distance_px - expected))
        if answer.number:
            off = np.subtract((answer.drift.dx, answer.drift.dy), np.multiply(film.drift_px, answer.number))
            if answer.drift.sure:
                score.drift_errors_px.append(float(np.hypot(*off)))
            else:
                score.drift_unsure += 1
    score.lines = len(seen)
    for one in stack.tracks():
        owned = finds.get(one.number, [])
        if len(owned) < _FEWEST_FINDS or len(set(owned)) > 1 or owned[0] in cut or one.velocity_px_per_frame is None:
            continue
        speed = float(np.hypot(*film.velocities_px[owned[0]]))
        score.velocities.append((speed, one.velocity_px_per_frame))
    return score


def owners_of(answer: FrameAnalysis, truth: dict[int, FloatArray]) -> dict[int, int]:
    """The tracks of a frame's lines that are true lines, with the true line's number; `truth` has points of each."""
    numbers, tracks = list(truth), [step.track for step in answer.steps]
    true, found, _ = matched_places([line.spline for line in answer.lines.lines], list(truth.values()))
    return {tracks[j]: numbers[i] for i, j in zip(true.tolist(), found.tolist(), strict=True)}


def figures_of(scores: Sequence[FilmScore]) -> dict[str, float | int | None]:
    """Figures over films: shares of all links, pairs, tracks and frames, whichever film they are of."""
    pairs = np.array([error for score in scores for error in score.pair_errors_px])
    speeds = np.array([pair for score in scores for pair in score.velocities]).reshape(-1, 2)
    velocity = np.abs(speeds[:, 1] - speeds[:, 0]) / speeds[:, 0]
    drift = np.array([error for score in scores for error in score.drift_errors_px])
    unsure = sum(score.drift_unsure for score in scores)
    return {
        "films": len(scores),
        "lines": sum(score.lines for score in scores),
        "recall": _share(sum(score.found for score in scores), sum(score.true for score in scores)),
        "invented_share": _share(
            sum(score.invented for score in scores), sum(score.found + score.invented for score in scores)
        ),
        "links": sum(score.links for score in scores),
        "links_right": _share(sum(score.right_links for score in scores), sum(score.links for score in scores)),
        "wrong_links": sum(score.wrong_links for score in scores),
        "pairs": len(pairs),
        "pair_error_median_px": _quantile(pairs, 0.5),
        "pair_error_90_px": _quantile(pairs, 0.9),
        "pairs_within_1_px": _share(int((pairs <= DISTANCE_TARGET_PX).sum()), len(pairs)),
        "velocities": len(velocity),
        "velocity_error_median": _quantile(velocity, 0.5),
        "velocity_error_90": _quantile(velocity, 0.9),
        "velocities_within_5_percent": _share(int((velocity <= VELOCITY_TARGET).sum()), len(velocity)),
        "drift_sure": _share(len(drift), len(drift) + unsure),
        "drift_error_rms_px": float(np.sqrt((drift**2).mean())) if drift.size else None,
        "drift_error_largest_px": float(drift.max()) if drift.size else None,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _quantile(values: FloatArray, share: float) -> float | None:
    return float(np.quantile(values, share)) if values.size else None


def _is_cut(points: FloatArray, parameters: Parameters) -> bool:
    """Whether the frame's edge cuts a line that is given by what is inside."""
    height, width = parameters.frame.shape
    ends = points[[0, -1]]
    return bool((ends < _EDGE_PX).any() or (ends > (width - 1 - _EDGE_PX, height - 1 - _EDGE_PX)).any())
