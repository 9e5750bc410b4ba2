"""Bytes → the name of their format, by content alone."""

from __future__ import annotations

import bz2
import codecs
import struct

from analysis.micrograph.picture import SEND_A_PICTURE, Content, not_a_picture
from emserve.exceptions import UnsupportedFormat

# Signatures at the first byte.
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0\x08\0\0\0": "tiff",
    b"MM\0+\0\x08\0\0": "tiff",
    b"\x93NUMPY": "npy",
    b"II\x97\x01": "ser",
    b"JK\0\x02": "emi",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"AAMVHFSS": "bcf",
    b"DIGITAL SURF": "sur",
    b"DSCOMPRESSED": "sur",
    b"\x1aE\xdf\xa3": "mkv",
}
VIDEOS = frozenset({"mp4", "avi", "mkv"})
_ISO_MEDIA = {b"ftyp", b"moov", b"mdat", b"wide"}  # the first box of an MP4 or MOV
_ISO_PICTURES = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"}
# Formats that are known, and known to hold no picture in real space.
_NOT_PICTURES = {
    b"#FORMAT": "a spectrum (EMSA/MSA)",
    b"WDF1": "spectra (Renishaw WDF)",
    b"IMGBLO": "diffraction patterns (NanoMegas blockfile)",
    b"HDR,": "diffraction patterns (Merlin MIB)",
    b"MQ1,": "diffraction patterns (Merlin MIB)",
    b"CDF\x01": "spectra (netCDF)",
}
# Formats that are known, and that no reader is there for.
_CONTAINERS = {
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\0": "compressed with xz",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"GIF8": "a GIF",
    b"8BPS": "a Photoshop document",
}
_READ = "Send a PNG, JPEG, TIFF, NPY, MRC, dm3, dm4, ser or EMD file, or a video as MP4, MOV, AVI, MKV or WebM."


def sniff(data: Content) -> str:
    """The format of a file, e.g. 'png', 'dm4', 'hdf5'.

    Raises
    ------
    UnsupportedFormat: no reader knows these bytes.
    UnreadableMicrograph: a format that never holds a picture.
    """
    start = data[:64]
    for signature, what in _NOT_PICTURES.items():
        if start.startswith(signature):
            raise not_a_picture(what)
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if start[4:8] in _ISO_MEDIA:
        if start[4:8] == b"ftyp" and start[8:12] in _ISO_PICTURES:
            raise _unsupported("a HEIC or AVIF picture", "Convert it to TIFF or PNG.")
        return "mp4"
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0" and data[15:18] == b"\0\0\0":
        return "bmp"
    if data[24:36] == b"S\0e\0m\0p\0e\0r\0":
        return "unf"
    if data[4:24] == b"JED-2200:LibJxImageF":
        return "jeol"
    if data[:4] == b"\0\1\0\0" and any(name in data[52:256] for name in (b"TVIPS", b"HYPERSPY")):
        return "tvips"
    if data[:2] == b"IM" and data[64:77] == b"[Application]":
        raise not_a_picture("a streak camera's spectra over time (Hamamatsu)")
    if data[:3] == b"BZh" and _is_elid(data):
        return "elid"
    if _is_digital_micrograph(data):
        return f"dm{data[3]}"
    if is_zip(data):
        if is_panta_rhei(data):
            return "prz"
        if any(data.find(name) >= 0 for name in (b".zgroup", b".zarray", b"zarr.json")):
            raise _unsupported("a store of zarr (zspy), which can hold code", "Save it as hspy or TIFF.")
        raise _unsupported(
            "a ZIP archive (or a document or NPZ, which are ZIP archives)",
            "Unpack it and send the file; frames of a video may come as a ZIP.",
        )
    if is_mrc(data):
        return "mrcz" if _is_packed(data) else "mrc"
    for signature, what in _CONTAINERS.items():
        if start.startswith(signature):
            raise _unsupported(what, f"Unpack or convert it. {_READ}")
    raise _unknown(data)


def is_zip(data: Content) -> bool:
    """Whether these bytes begin as a ZIP archive does, be it an empty one."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def is_panta_rhei(data: Content) -> bool:
    """Whether a ZIP archive is a prz of Panta Rhei."""
    return b"data.npy" in data[:4096] and data.find(b"meta_data") >= 0


def is_mrc(data: Content) -> bool:
    """Whether these bytes are an MRC file; those of before 2000 do not have the word MAP in their header."""
    if len(data) < 1024:
        return data[208:212] in (b"MAP ", b"MAP\0")
    if data[208:212] in (b"MAP ", b"MAP\0"):
        return True
    for order in "<>":
        columns, rows, sections, mode = struct.unpack_from(f"{order}4i", data)
        (extended,) = struct.unpack_from(f"{order}i", data, 92)
        bytes_per_pixel = {0: 1, 1: 2, 2: 4, 6: 2}.get(mode)
        if bytes_per_pixel and min(columns, rows, sections) > 0 and 0 <= extended < len(data):
            expected = 1024 + extended + columns * rows * sections * bytes_per_pixel
            if expected == len(data):
                return True
    return False


def _is_packed(data: Content) -> bool:
    """Whether an MRC's mode says that it is compressed (MRCZ: 1000 times the number of the method is added)."""
    return len(data) >= 1024 and 1 <= struct.unpack_from("<i", data, 12)[0] // 1000 <= 20


def _is_digital_micrograph(data: Content) -> bool:
    if len(data) < 24 or data[:4] not in (b"\0\0\0\x03", b"\0\0\0\x04"):
        return False
    at = 8 if data[3] == 3 else 12
    return data[at : at + 4] in (b"\0\0\0\0", b"\0\0\0\x01")


def _is_elid(data: Content) -> bool:
    """Phenom's ELID is compressed as a whole; no more than its first word is unpacked here."""
    try:
        return bz2.BZ2Decompressor().decompress(data[:1_000_000], 4) == b"EID2"
    except OSError:
        return False


def _unsupported(what: str, remedy: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"The file is {what}, not a micrograph.", remedy=remedy)


def _unknown(data: Content) -> UnsupportedFormat:
    start = data[:512]
    if start[:8].lower().startswith((b"http://", b"https://", b"ftp://", b"s3://", b"file://")):
        return _unsupported(
            "a web address, which is never fetched", "Download the micrograph and send the file itself."
        )
    if _is_text(start):
        return _unsupported("text", SEND_A_PICTURE)
    return UnsupportedFormat("The file is of no format that a reader knows.", remedy=_READ)


def _is_text(start: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # a character may be cut in two at the end
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
