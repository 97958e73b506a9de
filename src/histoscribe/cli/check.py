"""`histoscribe check COHORT`."""

import sys
from typing import Annotated

import typer

from histoscribe.cli.console import say, show_problems


def run(cohort: Annotated[str, typer.Argument(help="Manifest or catalog:NAME.")]) -> None:
    """List every problem of a cohort with its remedy; exit code 2 where there is one."""
    from histoscribe.io.cohort import check_cohort, read_cohort
    from histoscribe.io.twins import twin_images

    problems = check_cohort(cohort)
    if problems:
        show_problems(problems)
        sys.exit(2)
    sections = read_cohort(cohort)
    for section in sections:
        dropped = ", ".join(f"{name} {n}" for name, n in section.dropped.items() if n)
        say(
            f"{section.id}: patient {section.patient}, {len(section.spots)} spots, "
            f"{section.slide.mpp:.3g} um/px" + (f", left out: {dropped}" if dropped else "")
        )
        for note in section.notes:
            say(f"  {note}")
    for twins in twin_images(sections):
        say(f"one image serves sections {' and '.join(twin.id for twin in twins)}")
    say("no problems")
