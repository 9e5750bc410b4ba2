"""The bytes of a microscope's file → `Micrograph`: grey pixels, the pixel size, and where the pixel size came from.

    from analysis.micrograph import read, read_file

    micrograph = read_file("micrograph.dm4")
    print(micrograph.pixel_size_x_nm, micrograph.pixel_size_source)

One small file per reader; a file is recognised by its content (`sniff`), never by its name. PNG, JPEG, BMP, TIFF, NPY
and MRC are read by permissively licensed libraries. The extra `formats` reads DigitalMicrograph (dm3, dm4), TIA (ser,
with its emi), EMD (Velox, NCEM), HyperSpy's hspy, NeXus, USID, MRCZ (with mrcz and blosc), TVIPS, Phenom's ELID,
Bruker's bcf, JEOL's img, Semper's unf, Digital Surf's sur and Panta Rhei's prz. Spectra and diffraction are refused.
"""

from __future__ import annotations

from analysis.micrograph.micrograph import Micrograph, read, read_file

__all__ = ["Micrograph", "read", "read_file"]
