"""The start of the program `p2pvaultd`."""

import gc


def main() -> None:
    """Start the daemon; ends the process."""
    # What is imported stays. Looking through it for garbage again and again, while it grows, would
    # be a quarter of a start; and afterwards nobody needs to look at it any more.
    gc.disable()
    from p2pvaultd.program import run  # noqa: PLC0415 (what the pause is for)

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
