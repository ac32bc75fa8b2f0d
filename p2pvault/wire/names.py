"""Names that people give to devices and vaults, and the short word for a kind of device.

A name travels to other devices and is shown there: in a terminal, in a log, in a table. So it must
not carry anything that moves a cursor, hides, or reorders the text around it. Escaping for a
particular output stays with that output.

Which characters are assigned depends on the Unicode version of the running Python, so two devices
may judge a very new character differently. Therefore no rule that all devices must agree on may
hang on these functions; they guard what is typed, and what is shown.
"""

import re
import unicodedata
from typing import Final

from p2pvault.errors import BadValue, MalformedMessage
from p2pvault.limits import DEVICE_KIND_CHARACTERS_MAX, DEVICE_NAME_CHARACTERS_MAX
from p2pvault.wire.codec import Tree

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""General categories (Unicode Standard, table 4-4): control, format (all bidi controls and
zero-width joiners are in it), surrogate, private use, unassigned, line and paragraph separator."""

_INPUT_CHARACTERS_MAX: Final = 4 * DEVICE_NAME_CHARACTERS_MAX
"""Looked at before normalisation: NFC never makes a character out of more than four of them in
practice, and a bound in front keeps the work small."""

_KIND: Final = re.compile(rf"[a-z][a-z0-9-]{{0,{DEVICE_KIND_CHARACTERS_MAX - 1}}}")


def clean_name(text: str) -> str:
    """Return the one form in which a name is stored, sent and shown.

    Args:
        text: What the person typed or another device sent.

    Returns:
        The name in Unicode normalisation form C, 1 to `DEVICE_NAME_CHARACTERS_MAX` characters.

    Raises:
        BadValue: Empty, too long, or with characters that cannot be shown safely, a space at
            either end, or two spaces in a row.
    """
    if len(text) > _INPUT_CHARACTERS_MAX:
        raise _bad(f"it has {len(text)} characters, at most {DEVICE_NAME_CHARACTERS_MAX} fit")
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= DEVICE_NAME_CHARACTERS_MAX:
        raise _bad(f"it has {len(name)} characters, not 1 to {DEVICE_NAME_CHARACTERS_MAX}")
    for character in name:
        if unicodedata.category(character) in _INVISIBLE:
            raise _bad(f"it contains U+{ord(character):04X}, which cannot be shown")
    if any(part.strip() != part or not part for part in _split_at_spaces(name)):
        raise _bad("it starts or ends with a space, or has two in a row")
    return name


def clean_kind(text: str) -> str:
    """Return the kind of a device, such as `laptop` or `phone`, unchanged.

    Raises:
        BadValue: Not 1 to `DEVICE_KIND_CHARACTERS_MAX` of a to z, 0 to 9 and hyphen, letter first.
    """
    if _KIND.fullmatch(text) is None:
        raise BadValue(
            f"a kind of device is a word of at most {DEVICE_KIND_CHARACTERS_MAX} lower-case letters"
        )
    return text


def name_shape(tree: Tree) -> str:
    """Read a name that another device sent: it must be in its clean form already."""
    if not isinstance(tree, str):
        raise MalformedMessage("expected a name")
    try:
        clean = clean_name(tree)
    except BadValue as error:
        raise MalformedMessage(str(error)) from error
    if clean != tree:
        raise MalformedMessage("a name that is not in normalisation form C")
    return clean


def kind_shape(tree: Tree) -> str:
    """Read a kind of device that another device sent."""
    if not isinstance(tree, str):
        raise MalformedMessage("expected a kind of device")
    try:
        return clean_kind(tree)
    except BadValue as error:
        raise MalformedMessage(str(error)) from error


def _split_at_spaces(name: str) -> list[str]:
    """Split at every space separator (Zs), so that two in a row leave an empty part."""
    parts = [""]
    for character in name:
        if unicodedata.category(character) == "Zs":
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _bad(reason: str) -> BadValue:
    # The name itself is not repeated: what is wrong with it may be what it does to a terminal.
    return BadValue(f"this name cannot be used: {reason}", hint="Choose a short, plain name.")
