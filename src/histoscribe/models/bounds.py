"""Numbers with bounds that settings of networks have in common."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
"""Share of units that dropout sets to zero."""
