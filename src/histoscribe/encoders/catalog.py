"""The list of encoders and the published places of their weights; reading it needs no torch."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD, EncoderRecord
from histoscribe.errors import Problem

EXTRACTOR = "egn-extractor"
"""Name of the encoder that each run trains."""
CONVERTED = ("cmt:ti", "cmt:xs")
"""Backbones that networks start from, whose published weights `histoscribe convert` translates."""
_OWN = (
    EncoderRecord(
        name="colour_texture",
        group="nothing to load",
        width=157,
        licence="BSD-3-Clause",
        paper="histoscribe; stain vectors of Ruifrok and Johnston 2001",
        needs_weights=False,
    ),
    EncoderRecord(
        name="mean_colour",
        group="nothing to load",
        width=3,
        licence="BSD-3-Clause",
        paper="histoscribe",
        needs_weights=False,
    ),
)


def _imagenet(model: str, width: int, paper: str, hub: str | None) -> EncoderRecord:
    return EncoderRecord(
        name=f"torchvision:{model}",
        width=width,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        licence="BSD-3-Clause",
        paper=paper,
        needs_weights=True,
        hub=hub,
        files=("model.safetensors",),
    )


_RECORDS = (
    *_OWN,
    _imagenet("densenet121", 1024, "arXiv:1608.06993", "timm/densenet121.tv_in1k"),
    _imagenet("resnet50", 2048, "arXiv:1512.03385", "timm/resnet50.tv_in1k"),
    _imagenet("squeezenet1_0", 512, "arXiv:1602.07360", None),
    *(record for record, _ in PATHOLOGY.values()),
)


def list_encoders() -> tuple[EncoderRecord, ...]:
    """Listed encoders; `torchvision:<model>` and `timm:<model>` load from a file, too.

    Examples
    --------
    >>> import histoscribe as hs
    >>> [record.width for record in hs.list_encoders() if record.name == "uni"]
    [1024]
    """
    return _RECORDS


def find_record(name: str) -> EncoderRecord | None:
    """Facts of a listed encoder; None for an unlisted name."""
    return next((record for record in _RECORDS if record.name == name), None)


def hub_files(name: str) -> tuple[tuple[str, str], ...]:
    """Repositories and file names of an encoder's weights on huggingface.co."""
    record = find_record(name)
    if record is not None:
        return record.published
    family, _, model = name.partition(":")
    # timm publishes a model under its full name, with the tag of its training data
    return ((f"timm/{model}", "model.safetensors"),) if family == "timm" and "." in model else ()


def needs_weights(name: str) -> bool:
    """Whether this encoder has weights to load; False for an unknown name."""
    record = find_record(name)
    return ":" in name if record is None else record.needs_weights


def missing_weights(
    name: str, places: Sequence[Path] = (), as_control: str = 'inputs.weights = "random"'
) -> Problem:
    """Error for missing weights: their terms of use, and where to put them.

    `places` were searched, the first being the recommended one; `as_control` is the setting for
    random weights.
    """
    record = find_record(name)
    fetch = _fetch(record) if record is not None and record.hub is not None else ""
    looked = f", neither at {' nor at '.join(map(str, places))}" if places else ""
    terms = f" (licence: {record.licence})" if record is not None else ""
    # a file may keep its name from the hub
    file = record.files[0] if record is not None and len(record.files) == 1 else None
    put = [places[0].with_name(file) if file else places[0]] if places else []
    return Problem(
        where=f"weights of {name}",
        found=f"no weights{looked}{' nor in the cache of huggingface_hub' if fetch else ''}",
        expected=f"a file with its trained weights{terms}; nothing is downloaded here",
        remedy=f"{fetch}{_convert(name)}{''.join(f'put the file at {p}, or ' for p in put)}"
        f"give it: --weights {name}=FILE; or set {as_control}, as a control",
    )


def unknown_encoder(name: str) -> Problem:
    """Error for an unknown encoder, with similar names."""
    names = [record.name for record in _RECORDS]
    near = get_close_matches(name, names, n=2) or [of for of in names if of.endswith(f":{name}")]
    return Problem(
        where=f"encoder {name!r}",
        found="no encoder of this name",
        expected=f"one of {', '.join(names)}, torchvision:<model> or timm:<model>",
        remedy=f"did you mean {' or '.join(near)}?" if near else "choose one of these",
    )


def _convert(name: str) -> str:
    """Command that translates the file of the authors, for the backbones that have one."""
    if name not in CONVERTED:
        return ""
    return f"translate the authors' file (`histoscribe convert {name} FILE.pth --out FILE`), then "


def _fetch(record: EncoderRecord) -> str:
    """Command that downloads the weights into the hub's cache, which is searched."""
    file = f" {record.files[0]}" if len(record.files) == 1 else ""
    download = f"`hf download {record.hub}{file}`"
    if not record.gated:
        return f"run {download}, or "
    return (
        f"these weights are gated: accept their terms at https://huggingface.co/{record.hub}, "
        f"then run `hf auth login` and {download}, or "
    )
