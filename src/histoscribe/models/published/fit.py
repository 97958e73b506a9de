"""Reasons why published tensors do not fit our network, all at once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from histoscribe.errors import Problem
from histoscribe.models.published.names import TensorPlace, grouped, without_numbers
from histoscribe.models.published.networks import (
    PUBLISHED,
    PublishedNetwork,
    gene_count,
    sizes,
    trained_shapes,
)

_NAMES = "correct the table of names (--names FILE), or give the file of this network"


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Published tensors under our names, compared with the tensors of our network."""

    network: PublishedNetwork
    where: str
    """The file."""
    places: Sequence[TensorPlace]
    tensors: Mapping[str, Tensor]
    expected: Mapping[str, Tensor]

    def problems(self) -> list[Problem]:
        """Reasons why the tensors do not fit; empty for a whole fit."""
        problems = [*self._genes(), *self._not_finite()]
        other = self._other_network()
        if other is not None:
            return [self._of_another(other), *problems]
        return [*self._sizes(), *problems, *self._places(), *self._shapes()]

    def _genes(self) -> Iterator[Problem]:
        found, expected = gene_count(self.tensors), gene_count(self.expected)
        if found is not None and expected is not None and found != expected:
            yield Problem(
                where=self.where,
                found=f"a last layer for {found} genes",
                expected=f"{expected} genes",
                remedy=f"set --genes {found} (in Python n_genes = {found}), or give the file of "
                f"{expected} genes",
            )

    def _not_finite(self) -> Iterator[Problem]:
        broken = [name for name, tensor in self.tensors.items() if not tensor.isfinite().all()]
        if broken:
            yield Problem(
                where=self.where,
                found=f"values that are not finite, in {grouped(broken)}",
                expected="finite weights",
                remedy="download the file again, or ask its authors",
            )

    def _other_network(self) -> PublishedNetwork | None:
        """Another published network that these tensors fit."""
        found = trained_shapes(self.tensors)
        n_genes, others = gene_count(self.tensors), (n for n in PUBLISHED if n != self.network)
        for other in others:
            expected = other.expected(n_genes or 1, other.made_for(self.tensors))
            if trained_shapes(expected) == found:
                return other
        return None

    def _of_another(self, other: PublishedNetwork) -> Problem:
        return Problem(
            where=self.where,
            found=f"the tensors of {other.name}: {sizes(self.tensors)}",
            expected=f"those of {self.network.name}: {sizes(self.expected)}",
            remedy=f"convert the file as {other.name}, for the model {other.model!r}, or give the "
            f"file of {self.network.name}",
        )

    def _sizes(self) -> Iterator[Problem]:
        if sizes(self.tensors) != sizes(self.expected):
            yield Problem(
                where=self.where,
                found=sizes(self.tensors),
                expected=f"{self.network.name}: {sizes(self.expected)}",
                remedy="give the file of this network; there are "
                f"{', '.join(network.name for network in PUBLISHED)}, and no other sizes",
            )

    def _places(self) -> Iterator[Problem]:
        """Tensors without a place, places without a tensor, and places with two."""
        lost = [p.published for p in self.places if p.ours is not None and not self._known(p.ours)]
        empty = [name for name in self.expected if name not in self.tensors]
        taken = Counter(place.ours for place in self.places if place.ours is not None)
        twice = [p.published for p in self.places if p.ours is not None and taken[p.ours] > 1]
        expected = f"one tensor for each of the {len(self.expected)} places of {self.network.name}"
        for what, names in (
            ("tensors without a place", lost),
            ("places without a tensor", empty),
            ("tensors for the same place", twice),
        ):
            if names:
                found = f"{len(names)} {what}: {grouped(names)}"
                yield Problem(self.where, found, expected, _NAMES)

    def _known(self, name: str) -> bool:
        return name in self.expected

    def _shapes(self) -> Iterator[Problem]:
        """Tensors of another shape; for another number of genes it is said already."""
        genes = gene_count(self.tensors) != gene_count(self.expected)
        wrong = Counter(
            f"{without_numbers(place.published)} {_shape(self.tensors[place.ours])} for "
            f"{_shape(self.expected[place.ours])}"
            for place in self.places
            if place.ours is not None
            and self._known(place.ours)
            and self.tensors[place.ours].shape != self.expected[place.ours].shape
            and not (genes and place.ours.startswith("head."))
        )
        if wrong:
            shapes = (f"{text} ({n})" if n > 1 else text for text, n in wrong.items())
            yield Problem(
                where=self.where,
                found=f"{wrong.total()} tensors of another shape: {', '.join(shapes)}",
                expected=f"the shapes of {self.network.name}",
                remedy="give the file of this network",
            )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
