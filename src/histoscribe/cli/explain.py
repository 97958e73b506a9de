"""`histoscribe explain QUESTION PREDICTOR... COHORT --out DIR`: one sub-command a question."""

from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from histoscribe.cli.console import OutFolder, Plugins, Weights, load_plugins, say, weight_files
from histoscribe.cli.settings_options import option_parameters, option_values
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain import questions
from histoscribe.explain.question import Question
from histoscribe.strict import override

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PREDICTOR... COHORT",
        help="Folders that `train` or `benchmark` wrote; after them a manifest, catalog:NAME, "
        "hest:FOLDER or stnet:FOLDER.",
        show_default=False,
    ),
]
CohortName = Annotated[
    str | None, typer.Option("--cohort", metavar="COHORT", help="The cohort, if it is not last.")
]
Bulk = Annotated[
    str | None,
    typer.Option(
        "--bulk",
        metavar="TABLE",
        help="Bulk expression, for a question that reads it: a file, or catalog:NAME.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting by its name in Python. Repeatable."),
]


def _shared(question: Question) -> tuple[list[Parameter], list[Parameter]]:
    """Parameters before and after the settings; bulk expression for questions that read it."""

    def optional(name: str, annotation: Any) -> Parameter:
        return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)

    first = [
        optional("inputs", Inputs),
        Parameter("out_folder", Parameter.KEYWORD_ONLY, annotation=OutFolder),
    ]
    bulk = [optional("bulk", Bulk)] if question.bulk != "none" else []
    last = [
        optional("overrides", Overrides),
        optional("weights", Weights),
        optional("plugin", Plugins),
    ]
    return first, [optional("cohort", CohortName), *bulk, *last]


class QuestionGroup(TyperGroup):
    """The questions as sub-commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the question that the first argument names; an unknown one lists the known ones."""
        if not args[0].startswith("-"):
            questions.find_question(args[0])
        return super().resolve_command(ctx, args)


def questions_app() -> typer.Typer:
    """Make every question a sub-command whose options are the fields of its settings."""
    app = typer.Typer(
        cls=QuestionGroup,
        no_args_is_help=True,
        subcommand_metavar="QUESTION [PREDICTOR...] [COHORT]",
        short_help="Ask a predictor how it came to its predictions.",
        help="Ask a predictor how it came to its predictions.\n\n"
        "Every number comes with its value by chance. Writes DIR/finding.json with figures and "
        "tables. `histoscribe explain QUESTION --help` lists the options of a question; "
        "`histoscribe report RUN --findings DIR` puts findings into a report.",
    )
    for question in questions.QUESTIONS:
        listed = f"{question.summary} Needs: {question.needs}."
        app.command(name=question.name, short_help=listed)(_command(question))
    return app


def _command(question: Question) -> Any:
    def run(  # noqa: PLR0913 - one parameter an option
        *,
        inputs: list[str] | None,
        out_folder: Path,
        cohort: str | None,
        overrides: list[str] | None,
        weights: list[str] | None,
        plugin: list[Path] | None,
        bulk: str | None = None,
        **options: Any,
    ) -> None:
        load_plugins(plugin)
        settings = option_values(question.settings, options)
        for text in overrides or ():
            _check_new(text, settings)
            override(settings, text)
        data = _Data(inputs or [], cohort, bulk, weights or [])
        _answer(question, data, settings, out_folder)

    first, last = _shared(question)
    parameters = [*first, *option_parameters(question.settings), *last]
    run.__doc__ = f"{question.summary}\n\nNeeds: {question.needs}."
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    vars(run)["__signature__"] = Signature(parameters)
    return run


class _Data(NamedTuple):
    """What a question is put to, as given on the command line."""

    inputs: Sequence[str]
    cohort: str | None
    bulk: str | None
    weights: Sequence[str]


def _answer(question: Question, data: _Data, settings: Mapping[str, Any], out: Path) -> None:
    """Answer a question and print the finding."""
    from histoscribe.explain.run import explain, input_problems, question_settings
    from histoscribe.predictor.saving import load_predictor

    question_settings(question, settings)
    folders, cohort = predictors_and_cohort(data.inputs, data.cohort)
    has_cohort = cohort is not None
    problems = [
        *input_problems(question, len(folders), has_cohort=has_cohort, bulk=data.bulk),
    ]
    if problems:
        raise DataContractError(problems)
    weights = weight_files(data.weights)
    finding = explain(
        question.name,
        [load_predictor(folder, weights) for folder in folders],
        cohort,
        bulk=data.bulk,
        out=out,
        **settings,
    )
    for title, numbers in (("found", finding.statistic), ("beside", finding.null)):
        for number in numbers:
            say(f"{title}: {number}")
    for words in finding.caveat:
        say(f"beware: {words}")
    for name in (*finding.figures, *finding.tables, *finding.files, "finding.json"):
        say(str(out / name))


def predictors_and_cohort(
    inputs: Sequence[str], cohort: str | None
) -> tuple[Sequence[str], str | None]:
    """Tell predictor folders from the cohort: the last one, where it is no predictor folder.

    Raises DataContractError where `--cohort` names a cohort, too.
    """
    from histoscribe.predictor.folder import is_predictor

    if not inputs or is_predictor(Path(inputs[-1])):
        return inputs, cohort
    if cohort is not None:
        raise DataContractError(
            Problem(
                where=f"{inputs[-1]} and --cohort {cohort}",
                found=f"two cohorts: {inputs[-1]} is no predictor folder, so it is a cohort, too",
                expected="one cohort, last or with --cohort",
                remedy="leave one out, or correct the path of the predictor",
            )
        )
    return inputs[:-1], inputs[-1]


def _check_new(text: str, settings: Mapping[str, Any]) -> None:
    name = text.partition("=")[0].strip()
    if name in settings:
        raise DataContractError(
            Problem(
                where=f"--set {text}",
                found=f"{name} is given twice",
                expected="one value for a setting",
                remedy="leave one out",
            )
        )
