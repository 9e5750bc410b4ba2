"""The pixel size in a TIFF: the microscope's own tags first, then ImageJ's, then the resolution."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import tifffile

from analysis.micrograph.picture import Scale
from analysis.micrograph.units import calibrate, kind_of, seconds

Scales = tuple[Scale | None, Scale | None]

# A resolution of more than this is dots per inch for a printer (72, 96, 300, 4800), not a microscope's calibration:
# 1 µm per pixel is 25,400 dpi.
_LARGEST_FROM_RESOLUTION_NM = 1000.0
_DM_UNIT_X, _DM_UNIT_Y, _DM_SCALE_X, _DM_SCALE_Y = 65003, 65004, 65009, 65010
_OLYMPUS_SIS = 33560
_PRINTERS_UNITS = {"in", "inch", "inches", '"', "cm", "centimeter", "centimeters", "centimetre"}
_NM_PER_RESOLUTION_UNIT: dict[int, float] = {tifffile.RESUNIT.INCH: 2.54e7, tifffile.RESUNIT.CENTIMETER: 1e7}


def scales_of(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Scales:
    """The scales in x and y of the first source that has them; (None, None) where there is none."""
    for source in _SOURCES:
        # Tags are whatever a program wrote, or a broken file holds: one that does not parse is not a calibration.
        with suppress(Exception):
            for scale_x, scale_y in source(tif, page):
                if kind_of(scale_x.unit) != "none":
                    return scale_x, scale_y
    return None, None


def frame_time_s(tif: tifffile.TiffFile) -> float | None:
    """The time from one frame to the next that ImageJ writes, in s; None where there is none."""
    with suppress(Exception):
        values: dict[str, Any] = tif.imagej_metadata or {}
        return seconds(Scale(float(values["finterval"]), str(values.get("tunit") or "s")))
    return None


def _digital_micrograph(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    tags = page.tags
    yield (
        Scale(float(tags[_DM_SCALE_X].value), str(tags[_DM_UNIT_X].value)),
        Scale(float(tags[_DM_SCALE_Y].value), str(tags[_DM_UNIT_Y].value)),
    )


def _tvips(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    values: dict[str, Any] = tif.tvips_metadata or {}
    yield Scale(float(values["PixelSizeX"]), "nm"), Scale(float(values["PixelSizeY"]), "nm")


def _fei(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    values: dict[str, Any] = tif.fei_metadata or {}
    yield Scale(float(values["Scan"]["PixelWidth"]), "m"), Scale(float(values["Scan"]["PixelHeight"]), "m")


def _zeiss(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    """The unnamed parameters hold the pixel size in m of a picture that is 1024 pixels wide."""
    value = float((tif.sem_metadata or {})[""][3]) * 1024 / page.imagewidth
    yield Scale(value, "m"), Scale(value, "m")


def _olympus(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    """The tag may stand on the second page only, which is a thumbnail of the first."""
    for where in tif.pages[:2]:
        values = where.tags.valueof(_OLYMPUS_SIS) if isinstance(where, tifffile.TiffPage) else None
        if values and "pixelsizex" in values:
            yield Scale(float(values["pixelsizex"]), "m"), Scale(float(values["pixelsizey"]), "m")


def _ome(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    xml = page.description
    if "<OME" in xml:
        found = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]{1,40})"', xml[:200_000]))
        yield (
            Scale(float(found["PhysicalSizeX"]), found.get("PhysicalSizeXUnit", "µm")),
            Scale(float(found["PhysicalSizeY"]), found.get("PhysicalSizeYUnit", "µm")),
        )


def _jeol(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    """SightX writes the resolution on the camera; the magnification is in its description."""
    words = dict(re.findall(r"<(EosMode|ModeString|SelectorValue)>\s*([\w.]+)\s*<", page.description[:20_000])[::-1])
    if "TemReporter" in page.description and words["EosMode"] == "eosTEM":
        camera_nm = _resolution_nm(page)
        if words["ModeString"] == "DIFF":
            yield Scale(camera_nm[0], "1/nm"), Scale(camera_nm[1], "1/nm")
        magnification = float(words["SelectorValue"])
        yield Scale(camera_nm[0] / magnification, "nm"), Scale(camera_nm[1] / magnification, "nm")


def _imagej(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    unit = str((tif.imagej_metadata or {})["unit"])
    per_unit_x, per_unit_y = page.get_resolution(tifffile.RESUNIT.NONE)
    scale_x = Scale(1 / per_unit_x if per_unit_x else 0.0, unit)
    scale_y = Scale(1 / per_unit_y if per_unit_y else 0.0, unit)
    if unit.strip().lower() in _PRINTERS_UNITS:  # ImageJ makes a calibration of any picture's dots per inch
        size_nm, _ = calibrate(scale_x, scale_y)
        if size_nm is not None and max(size_nm) > _LARGEST_FROM_RESOLUTION_NM:
            return
    yield scale_x, scale_y


def _resolution(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Iterator[tuple[Scale, Scale]]:
    x_nm, y_nm = _resolution_nm(page)
    if max(x_nm, y_nm) <= _LARGEST_FROM_RESOLUTION_NM:
        yield Scale(x_nm, "nm"), Scale(y_nm, "nm")


def _resolution_nm(page: tifffile.TiffPage) -> tuple[float, float]:
    unit_nm = _NM_PER_RESOLUTION_UNIT[page.resolutionunit]
    x, y = page.resolution
    return unit_nm / x, unit_nm / y


_SOURCES: tuple[Callable[..., Iterator[tuple[Scale, Scale]]], ...] = (
    _digital_micrograph,
    _tvips,
    _fei,
    _zeiss,
    _olympus,
    _jeol,
    _ome,
    _imagej,
    _resolution,
)
