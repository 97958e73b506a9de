"""Settings of runs on bags: expression measured in bulk, or blocks of spots taken for bulk."""

from typing import Annotated

from pydantic import Field, model_validator

from histoscribe.strict import StrictSettings
from histoscribe.types import BulkUnit


class BulkSettings(StrictSettings):
    """Bags with one label each: patients with bulk expression, or blocks of spots."""

    table: str | None = None
    """Table of genes x patients (CSV or TSV, also gzipped), relative to the settings file. The
    cohort is then a manifest of slides: `patient`, `slide`, and where known `mpp` and `site`.
    """
    unit: BulkUnit | None = None
    """Unit of the table: `counts`, `tpm`, `fpkm`, or `log` for values that are already logged; it
    is checked against the numbers.
    """
    block_spots: Annotated[int, Field(ge=2)] | None = None
    """Instead of a table: make bags of about this many neighbouring spots of a spatial cohort, with
    the sum of their counts as measured expression.
    """

    @model_validator(mode="after")
    def _one_kind_of_bag(self) -> "BulkSettings":
        if self.table is not None and self.block_spots is not None:
            raise ValueError("give either a table of expression or block_spots")
        if (self.table is None) != (self.unit is None):
            raise ValueError("a table needs its unit (counts, tpm, fpkm or log), and only a table")
        return self

    @property
    def makes_bags(self) -> bool:
        """Whether the run is on bags and not on spots."""
        return self.table is not None or self.block_spots is not None

    @property
    def measured(self) -> str:
        """Kind and unit of the labels, for cards."""
        return "blocks" if self.unit is None else f"bulk {self.unit}"
