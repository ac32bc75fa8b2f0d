"""What `p2pvaultd --help` looks like."""

import pytest

from p2pvaultd.options import parse_options


def test_the_help_fits_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        parse_options(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert max(map(len, lines)) < 80
    assert lines[-1].endswith("Exit codes are those of p2pvault.")
