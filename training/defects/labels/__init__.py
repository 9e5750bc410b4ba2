"""Labels of defects from other people's files, in one form.

    from training.defects.labels import read_labels

    pictures = read_labels(Path("defects.csv"), Path("micrographs"))

Every picture says which classes were labelled in it: what is not labelled is unknown, not background.
"""

from __future__ import annotations

from training.defects.labels.label import Ellipse, Label, LabelError, LabelledPicture
from training.defects.labels.reading import read_labels

__all__ = ["Ellipse", "Label", "LabelError", "LabelledPicture", "read_labels"]
