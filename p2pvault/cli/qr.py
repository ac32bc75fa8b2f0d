"""A QR code in half-block characters, for a camera that looks at the terminal."""

import io


def qr_lines(text: str) -> list[str]:
    """Return a QR code (ISO/IEC 18004, error correction of at least 7 %) as lines of text.

    Args:
        text: What it says.

    Returns:
        Lines of equal width, two modules high; light modules are drawn, as most terminals are
        dark and readers take either.
    """
    import segno  # noqa: PLC0415  # 40 ms that only `pair` needs

    picture = io.StringIO()
    segno.make(text, micro=False, error="l").terminal(picture, compact=True, border=2)
    return picture.getvalue().splitlines()
