"""Optional libraries: named when they are missing, with the command that installs them."""

from importlib import import_module
from types import ModuleType

from histoscribe.errors import DataContractError, Problem


def need(module: str, extra: str, why: str) -> ModuleType:
    """Import an optional library; `extra` is the group of pyproject.toml that brings it.

    Raises
    ------
    DataContractError
        It is not installed; says the install command.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and something it needs is not
        raise DataContractError(
            Problem(
                where=why,
                found=f"{module.partition('.')[0]} is not installed",
                expected=f"the optional extra {extra!r}",
                remedy=f"pip install 'histoscribe[{extra}]'",
            )
        ) from None
