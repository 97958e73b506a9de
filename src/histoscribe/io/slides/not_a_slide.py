"""Error messages for files that are no slide or an incomplete one."""

from pathlib import Path

from histoscribe.errors import DataContractError, Problem

PYRAMID = (
    "save it as a pyramidal TIFF in tiles of 256 to 1024 px, e.g. with QuPath or "
    "`vips tiffsave --tile --pyramid --compression jpeg`"
)
"""What to do about an image that does not fit into memory."""
_EXPECTED = "a whole slide that OpenSlide knows, or a JPEG, PNG or TIFF"


def not_a_slide(path: Path) -> DataContractError:
    """Error for a file in no known format."""
    found, remedy = _seems(path)
    return DataContractError(Problem(str(path), found, _EXPECTED, remedy))


def broken_image(path: Path, what: str, error: Exception) -> DataContractError:
    """Error for a truncated or undecodable image; `what` names it in the message."""
    return DataContractError(
        Problem(
            where=str(path),
            found=f"the {what} is truncated or broken ({error})",
            expected="a complete image file",
            remedy="copy or download it again, then compare the file sizes",
        )
    )


def _seems(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "the file is empty", "copy or download it again, then compare the file sizes"
    if head.startswith(b"PK\x03\x04"):
        locked = len(head) > 6 and head[6] & 1
        return (
            f"{'an encrypted' if locked else 'a'} zip archive",
            f"unpack it{' with its password' if locked else ''} and give the slide inside",
        )
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself", "run `git lfs pull`"
    if head.lstrip()[:1] in (b"<", b"{"):
        return (
            "a web page or message in place of a slide",
            "download it again; the server may require a login",
        )
    return (
        f"content in no known format (it starts with {head[:8].hex(' ')})",
        "if it is encrypted, decrypt it; if it was copied or downloaded, repeat that and compare "
        "the file sizes; if QuPath opens it, export it as OME-TIFF from QuPath",
    )
