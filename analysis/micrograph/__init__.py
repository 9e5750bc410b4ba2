"""The bytes of a microscope's file → `Micrograph`: grey pixels, the pixel size, and where the pixel size came from.

    from analysis.micrograph import read, read_file, read_frames

    micrograph = read_file("micrograph.dm4")
    print(micrograph.pixel_size_x_nm, micrograph.pixel_size_source)
    for micrograph in read_frames("video.mp4"):
        print(micrograph.frame, micrograph.pixels.shape)

One small file per reader; a file is recognised by its content (`sniff`), never by its name. PNG, JPEG, BMP, TIFF, NPY
and MRC are read by permissively licensed libraries. The extra `formats` reads DigitalMicrograph (dm3, dm4), TIA (ser,
with its emi), EMD (Velox, NCEM), HyperSpy's hspy, NeXus, USID, MRCZ (with mrcz and blosc), TVIPS, Phenom's ELID,
Bruker's bcf, JEOL's img, Semper's unf, Digital Surf's sur and Panta Rhei's prz. The extra `video` reads MP4, MOV, AVI,
MKV and WebM. Spectra and diffraction are refused.
"""

from __future__ import annotations

from analysis.micrograph.frames import read_frames
from analysis.micrograph.micrograph import Micrograph, read, read_file

__all__ = ["Micrograph", "read", "read_file", "read_frames"]
