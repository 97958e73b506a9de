"""Genes by id or symbol."""

from collections.abc import Iterable, Sequence

from histoscribe.errors import DataContractError, Problem
from histoscribe.near_names import did_you_mean

_SOME = 5  # genes that a message names as examples


class GeneLookup:
    """Finds genes by id, or by a symbol of one gene only."""

    def __init__(self, ids_and_symbols: Iterable[tuple[str, str]], owner: str) -> None:
        """Take pairs of id and symbol; a gene may come with several symbols.

        `owner` is what has these genes, as messages name it.
        """
        self._owner = owner
        self._symbol: dict[str, str] = {}
        self._ids: dict[str, dict[str, None]] = {}
        for id_, symbol in ids_and_symbols:
            self._symbol.setdefault(id_, symbol)
            self._ids.setdefault(symbol, {})[id_] = None

    def ids(self, names: Sequence[str]) -> tuple[str, ...]:
        """Ids of these genes, in their order, each once.

        Raises
        ------
        DataContractError
            listing every name that no gene has, with similar ones, and every symbol that several
            have, with their ids.
        """
        if problems := self.problems(names):
            raise DataContractError(problems)
        return tuple(dict.fromkeys(self.id_of(name) for name in names))

    def problems(self, names: Iterable[str]) -> list[Problem]:
        """Problems of the names that mean no gene or several."""
        return [self._problem(name) for name in names if not self.means_one(name)]

    def id_of(self, name: str) -> str:
        """Id of the gene of this name, which must mean one; see `problems`."""
        return name if name in self._symbol else next(iter(self._ids[name]))

    def means_one(self, name: str) -> bool:
        """Whether a name is an id, or the symbol of exactly one gene."""
        return name in self._symbol or len(self._ids.get(name, ())) == 1

    def _problem(self, name: str) -> Problem:
        where, n_genes = f"gene {name}", len(self._symbol)
        if name in self._ids:
            ids = list(self._ids[name])
            found = f"the symbol of {len(ids)} genes of {self._owner}"
            return Problem(where, found, "one gene", f"give its id: {' or '.join(ids)}")
        words = [*self._ids, *self._symbol]
        some = ", ".join(words[:_SOME])
        return Problem(
            where=where,
            found=f"no gene of {self._owner} has this id or symbol",
            expected=f"one of its {n_genes} genes, e.g. {some}",
            remedy=did_you_mean(name, words, "choose one of these, by id or symbol"),
        )
