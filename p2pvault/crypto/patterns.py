"""Noise's handshake patterns as data, and the names that choose among them.

The fundamental patterns are sections 7.4 and 7.5 of revision 34, the deferred ones section 18.1.
P2PVault uses one of them; the others are here because the published vectors cover them, and a
machine that is right for all of them is right for ours.
"""

import re
from dataclasses import dataclass

SUITE = "25519_ChaChaPoly_BLAKE2b"
"""The one set of primitives that this package implements."""

Message = tuple[str, ...]
"""The tokens of one handshake message, in the order of sections 7.1 and 9.1."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One handshake pattern with its modifiers applied.

    Attributes:
        name: The whole protocol name, which initialises the handshake hash.
        initiator_known: Whether the responder knows the initiator's static key beforehand.
        responder_known: Whether the initiator knows the responder's.
        messages: The messages; the initiator sends the first, then they alternate. A pre-shared
            key is a token `psk0`, `psk1`, ..., where the number is its modifier's.
    """

    name: str
    initiator_known: bool
    responder_known: bool
    messages: tuple[Message, ...]

    @property
    def uses_psk(self) -> bool:
        """Whether ephemeral keys are mixed into the key as well (section 9.2)."""
        return any(token.startswith("psk") for message in self.messages for token in message)


_MESSAGES = {
    "N": "e es",
    "K": "e es ss",
    "X": "e es s ss",
    "NN": "e | e ee",
    "NK": "e es | e ee",
    "NX": "e | e ee s es",
    "XN": "e | e ee | s se",
    "XK": "e es | e ee | s se",
    "XX": "e | e ee s es | s se",
    "KN": "e | e ee se",
    "KK": "e es ss | e ee se",
    "KX": "e | e ee se s es",
    "IN": "e s | e ee se",
    "IK": "e es s ss | e ee se",
    "IX": "e s | e ee se s es",
    "NK1": "e | e ee es",
    "NX1": "e | e ee s | es",
    "X1N": "e | e ee | s | se",
    "X1K": "e es | e ee | s | se",
    "XK1": "e | e ee es | s se",
    "X1K1": "e | e ee es | s | se",
    "X1X": "e | e ee s es | s | se",
    "XX1": "e | e ee s | es s se",
    "X1X1": "e | e ee s | es s | se",
    "K1N": "e | e ee | se",
    "K1K": "e es | e ee | se",
    "KK1": "e | e ee se es",
    "K1K1": "e | e ee es | se",
    "K1X": "e | e ee s es | se",
    "KX1": "e | e ee se s | es",
    "K1X1": "e | e ee s | se es",
    "I1N": "e s | e ee | se",
    "I1K": "e es s | e ee | se",
    "IK1": "e s | e ee se es",
    "I1K1": "e s | e ee es | se",
    "I1X": "e s | e ee s es | se",
    "IX1": "e s | e ee se s | es",
    "I1X1": "e s | e ee s | se es",
}

_NAME = re.compile(r"Noise_([NKXI]1?[NKX]?1?)((?:psk\d(?:\+psk\d)*)?)_" + SUITE)


def pattern(name: str) -> Pattern:
    """Return the pattern of a full protocol name, such as `Noise_XX_25519_ChaChaPoly_BLAKE2b`.

    Raises:
        ValueError: No such pattern, or another suite.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in _MESSAGES:
        raise ValueError(f"not a Noise protocol that is implemented here: {name}")
    base = match[1]
    messages = [message.split() for message in _MESSAGES[base].split("|")]
    modifiers = match[2].split("+") if match[2] else []
    if len(modifiers) != len(set(modifiers)):
        raise ValueError(f"not a Noise protocol, it repeats a modifier: {name}")
    for modifier in modifiers:
        _place(messages, modifier)
    one_way = base in {"N", "K", "X"}
    return Pattern(
        name=name,
        initiator_known=base[0] == "K",
        responder_known=one_way or base.replace("1", "")[1] == "K",
        messages=tuple(tuple(message) for message in messages),
    )


def _place(messages: list[list[str]], modifier: str) -> None:
    """Put psk0 in front of the first message, psk1 and on behind the message of that number."""
    position = int(modifier.removeprefix("psk"))
    if position > len(messages):
        raise ValueError(f"{modifier} names a message that the pattern does not have")
    if position == 0:
        messages[0].insert(0, modifier)
    else:
        messages[position - 1].append(modifier)
