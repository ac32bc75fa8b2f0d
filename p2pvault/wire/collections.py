"""Names of collections in a message: sorted, each once, none that a record could not have."""

from p2pvault.errors import MalformedMessage
from p2pvault.limits import COLLECTION_CHARACTERS_MAX
from p2pvault.wire.codec import Tree
from p2pvault.wire.shape import Shape, sequence, text

_names = text(COLLECTION_CHARACTERS_MAX)


def collections_shape(items_max: int) -> Shape[tuple[str, ...]]:
    """Return the shape of an array of at most `items_max` names."""
    read = sequence(_name, items_max)

    def check(tree: Tree) -> tuple[str, ...]:
        names = read(tree)
        if list(names) != sorted(set(names)):
            raise MalformedMessage("names of collections that are not sorted, or not distinct")
        return names

    return check


def _name(tree: Tree) -> str:
    name = _names(tree)
    if not name or "/" in name:
        raise MalformedMessage("a name that no collection has")
    return name
