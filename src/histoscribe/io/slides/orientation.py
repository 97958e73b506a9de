"""Images that ask viewers to turn or mirror them: TIFF tag 274, in EXIF of JPEG and PNG too."""

from histoscribe.errors import Problem

STORED = 1
"""Orientation of an image that is shown as it is stored."""
_SHOWN = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored, and turned by 90 degrees counter-clockwise",
    6: "turned by 90 degrees clockwise",
    7: "mirrored, and turned by 90 degrees clockwise",
    8: "turned by 90 degrees counter-clockwise",
}


def orientation_warning(orientation: int) -> tuple[str, ...]:
    """Warning that px are read as stored; none for an image that is shown so."""
    if orientation not in _SHOWN:
        return ()
    return (
        f"The file asks viewers to show the image {_SHOWN[orientation]} (orientation tag "
        f"{orientation}). It is read as stored: mask and results are in stored px.",
    )


def orientation_problem(where: str, orientation: int) -> Problem | None:
    """Problem of an image with spots: nothing says whether they lie on it as stored or as shown."""
    if orientation not in _SHOWN:
        return None
    return Problem(
        where=where,
        found=f"the file asks viewers to show the image {_SHOWN[orientation]} (orientation tag "
        f"{orientation}), so its spots may refer to px as stored or as shown",
        expected="an image without this tag, in the orientation of its spots",
        remedy="if the spots fit the px as stored, remove the tag (`exiftool -Orientation=1 -n`); "
        "if they fit the image as a viewer shows it, save it turned, e.g. with `mogrify "
        "-auto-orient`",
    )
