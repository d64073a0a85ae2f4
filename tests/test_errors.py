"""An error is one line, whatever it quotes."""

from hypothesis import given
from hypothesis import strategies as st

from jointloop.common.errors import JointloopError, NoBlenderError


@given(st.text())
def test_no_text_breaks_the_line_of_an_error_or_commands_a_terminal(text: str) -> None:
    said = str(NoBlenderError(f"x{text}x"))
    assert len(said.splitlines()) == 1
    assert not {c for c in said if ord(c) < 32 or 127 <= ord(c) < 160}
    if text.isprintable():
        assert said == f"x{text}x"


def test_escapes_are_those_of_python() -> None:
    assert str(JointloopError("a\nb\x1b[2J")) == r"a\nb\x1b[2J"
