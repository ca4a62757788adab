"""The table of exit codes in docs/errors.md against the classes."""

import re
from pathlib import Path

import pytest

from kewcore import errors

pytestmark = pytest.mark.unit


def test_every_kind_of_error_has_its_own_documented_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__base__ is errors.KewError]
    page = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", page, flags=re.MULTILINE))
    assert told == {str(kind.exit_code): kind.__name__ for kind in kinds}
    assert len(told) == len(kinds) == 10
