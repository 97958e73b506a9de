"""`histoscribe convert NETWORK FILE --out FILE.safetensors`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import say

if TYPE_CHECKING:
    from histoscribe.models.published.convert import Conversion


def run(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="cmt:ti, cmt:xs, tcgn or tcgn-xs.")
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Weights as published, e.g. FILE.pth.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.safetensors", help="File to write.")],
    names: Annotated[
        Path | None,
        typer.Option(
            "--names", metavar="TABLE.toml", help="Another table of names than ours for TCGN."
        ),
    ] = None,
    genes: Annotated[
        int, typer.Option("--genes", metavar="N", help="Genes of a whole TCGN.")
    ] = 785,
) -> None:
    """Convert published weights of TCGN or its CMT backbone; nothing in the file is executed.

    Says where every tensor went, and writes nothing unless all fit.
    """
    from histoscribe.models.published.convert import convert_weights

    conversion = convert_weights(network, file, out, names=names, n_genes=genes)
    for line in conversion_lines(conversion):
        say(line)
    say(str(out))


def conversion_lines(conversion: "Conversion") -> list[str]:
    """Origin and place of the tensors, what was left out, and what is missing in the file."""
    from histoscribe.models.published.names import grouped

    checkpoint, network = conversion.checkpoint, conversion.network
    placed = [place for place in conversion.places if place.ours is not None]
    parts = Counter(str(place.ours).partition(".")[0] for place in placed)
    lines = [
        f"{network.name}: {len(placed)} of {len(conversion.places)} tensors",
        f"  in our parts: {', '.join(f'{part} {n}' for part, n in parts.items())}",
    ]
    if checkpoint.container:
        lines.append(f"  read under: {'.'.join(checkpoint.container)}")
    if checkpoint.unread:
        lines.append(f"  beside it, not read: {', '.join(checkpoint.unread)}")
    for prefix, n in Counter(place.prefix for place in conversion.places if place.prefix).items():
        lines.append(f"  `{prefix}` removed from {n} names")
    left_out = [place for place in conversion.places if place.ours is None]
    for reason in dict.fromkeys(place.reason for place in left_out):
        of_reason = grouped(place.published for place in left_out if place.reason == reason)
        lines.append(f"  left out: {of_reason} ({reason})")
    if conversion.filled:
        lines.append(f"  counters missing in the file, set to 0: {grouped(conversion.filled)}")
    if network.whole:
        lines.append("  our constants: ImageNet's mean and deviation of the colours")
        lines.append("  names of genes are not in the file: the columns are in its authors' order")
    else:
        lines.append(
            f"  not in the file, random at the start: {', '.join(network.parts_without_weights())}"
        )
        lines.append(f"  position biases for {conversion.side_px} px, resized when they are loaded")
    return lines
