import pytest

from p2pvault.crypto.patterns import SUITE, pattern


def test_modifiers_stand_where_the_specification_puts_them() -> None:
    found = pattern(f"Noise_XXpsk0+psk3_{SUITE}")
    assert found.messages == (("psk0", "e"), ("e", "ee", "s", "es"), ("s", "se", "psk3"))
    assert found.uses_psk
    assert not pattern(f"Noise_XX_{SUITE}").uses_psk


@pytest.mark.parametrize(
    ("name", "initiator_known", "responder_known"),
    [
        ("NN", False, False),
        ("NK", False, True),
        ("KN", True, False),
        ("KK", True, True),
        ("IX", False, False),
        ("X1K", False, True),
        ("K1X1", True, False),
        ("N", False, True),
        ("K", True, True),
        ("X", False, True),
    ],
)
def test_the_letters_say_which_static_keys_are_known(
    name: str, initiator_known: bool, responder_known: bool
) -> None:
    found = pattern(f"Noise_{name}_{SUITE}")
    assert (found.initiator_known, found.responder_known) == (initiator_known, responder_known)


@pytest.mark.parametrize(
    "name",
    [
        "Noise_XX_25519_AESGCM_SHA256",
        f"Noise_XY_{SUITE}",
        f"Noise_KK2_{SUITE}",
        f"Noise_XXhfs_{SUITE}",
        f"Noise_XXpsk4_{SUITE}",
        f"Noise_XXpsk0psk3_{SUITE}",
        f"Noise_XXpsk0+_{SUITE}",
        f"Noise_XXpsk0+psk0_{SUITE}",
        f"Noise_X1_{SUITE}",
        f"Noise_XX_{SUITE}\n",
        "",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"psk4|not a Noise protocol"):
        pattern(name)
