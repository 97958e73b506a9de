"""Optional libraries; a missing one is reported with its install command."""

from importlib import import_module
from types import ModuleType

from histoscribe.errors import DataContractError, Problem


def need(module: str, extra: str, why: str) -> ModuleType:
    """Import an optional library; `extra` is the group of pyproject.toml that installs it.

    Raises
    ------
    DataContractError
        if it is not installed; the message has the install command.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # it is installed, but something that it needs is not
        raise DataContractError(
            Problem(
                where=why,
                found=f"{module.partition('.')[0]} is not installed",
                expected=f"the optional extra {extra!r}",
                remedy=f"pip install 'histoscribe[{extra}]'",
            )
        ) from None
