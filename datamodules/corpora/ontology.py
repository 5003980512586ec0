"""AudioSet's ontology (Gemmeke et al. 2017): categories of sounds, their names and ancestors."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datamodules.building.build_report import BuildError
from datamodules.text_files import TextFileError, nfc, read_json

ABSTRACT = "abstract"
"""Restriction of categories that only group others and are never labels."""


@dataclass(frozen=True)
class Category:
    """A category of the ontology.

    Args:
        id: Its identifier, such as "/m/09x0r".
        name: Its name, such as "Speech".
        children: Identifiers of the categories directly below it.
        is_abstract: Whether it only groups others.
    """

    id: str
    name: str
    children: tuple[str, ...]
    is_abstract: bool


class Ontology:
    """The categories as a graph without cycles; a category may have several parents.

    Args:
        categories: All categories.

    Raises:
        BuildError: An identifier or a name occurs twice, a child is unknown, or there is a cycle.
    """

    def __init__(self, categories: Iterable[Category]) -> None:
        listed = list(categories)
        self.categories = {category.id: category for category in listed}
        self._id_of_name = {category.name: category.id for category in listed}
        if len(self.categories) < len(listed) or len(self._id_of_name) < len(listed):
            raise BuildError("ontology: an identifier or a name occurs twice")
        for category in listed:
            unknown = [child for child in category.children if child not in self.categories]
            if unknown:
                raise BuildError(f"ontology: {category.name!r} has unknown children {unknown}")
        self._check_no_cycle()

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        parents: dict[str, list[str]] = {id: [] for id in self.categories}
        for category in self.categories.values():
            for child in category.children:
                parents[child].append(category.id)
        return parents

    def id_of(self, name: str) -> str:
        """Identifier of the category with a name.

        Raises:
            BuildError: There is no such category.
        """
        if name not in self._id_of_name:
            raise BuildError(f"the ontology has no category named {name!r}")
        return self._id_of_name[name]

    def ancestors(self, id: str) -> frozenset[str]:
        """All categories above a category."""
        return self._reached(self._parents, id)

    def branch(self, id: str) -> frozenset[str]:
        """A category and all below it."""
        children = {category.id: list(category.children) for category in self.categories.values()}
        return self._reached(children, id) | {id}

    def closure(self, ids: Iterable[str]) -> frozenset[str]:
        """Categories with all of their ancestors, without abstract ones.

        Raises:
            BuildError: An identifier is unknown.
        """
        given = frozenset(ids)
        unknown = sorted(given - set(self.categories))
        if unknown:
            raise BuildError(f"the ontology has no categories {unknown}")
        closed = given.union(*(self.ancestors(id) for id in given))
        return frozenset(id for id in closed if not self.categories[id].is_abstract)

    @staticmethod
    def _reached(edges: dict[str, list[str]], start: str) -> frozenset[str]:
        reached: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            id = waiting.pop()
            if id not in reached:
                reached.add(id)
                waiting += edges[id]
        return frozenset(reached)

    def _check_no_cycle(self) -> None:
        for id, category in self.categories.items():
            if id in self.ancestors(id):
                raise BuildError(f"ontology: {category.name!r} is its own ancestor")


def read_ontology(path: str | Path) -> Ontology:
    """Read `ontology.json`, a list of objects with `id`, `name`, `child_ids` and `restrictions`.

    Args:
        path: The file.

    Raises:
        BuildError: It is missing, broken or inconsistent.
    """
    try:
        content = read_json(path)
        return Ontology(
            Category(item["id"], nfc(item["name"]), tuple(item["child_ids"]), ABSTRACT in item.get("restrictions", []))
            for item in content
        )
    except TextFileError as error:
        raise BuildError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(f"{path}: not AudioSet's ontology ({type(error).__name__}: {error})") from error
