"""Origin of a predictor's model, where it is a user's: whether it is loaded, and unchanged."""

from histoscribe.errors import Problem
from histoscribe.models.catalog import list_models, load_class, model_source
from histoscribe.types import ModelSource


def missing_plugin(model: str, source: ModelSource | None, where: str) -> Problem | None:
    """Problem of a user's model that is not loaded; `where` names its record."""
    if source is None or model in list_models():
        return None
    return Problem(
        where=f"{where}, model {model!r}",
        found=f"no such model is loaded; it came from {source.words}",
        expected="the plug-in with this model, for a predictor stores no code",
        remedy=source.remedy,
    )


def changed_source(model: str, source: ModelSource | None) -> str:
    """Say that the text of a user's model is not that of its training; else empty."""
    if source is None:
        return ""
    load_class(model)  # the module of an installed package is imported on first use
    now = model_source(model)
    if now is not None and now.sha256 == source.sha256:
        return ""
    return (
        f"model {model!r} has changed since training: it came from {source.words}, and now comes "
        f"from {'this package' if now is None else now.words}; its predictions may differ"
    )
