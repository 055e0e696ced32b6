from __future__ import annotations

import pytest

from audiolab.errors import ParameterError
from audiolab.stages.words.languages import LANGUAGES, OTHER_NAMES, language_code


def test_the_table_is_that_of_openai_whisper():
    tokenizer = pytest.importorskip("whisper.tokenizer")
    assert list(LANGUAGES.items()) == list(tokenizer.LANGUAGES.items())
    names = {name: code for code, name in LANGUAGES.items()} | OTHER_NAMES
    assert names == tokenizer.TO_LANGUAGE_CODE


@pytest.mark.parametrize(
    ("given", "code"),
    [("en", "en"), ("English", "en"), (" FR ", "fr"), ("Castilian", "es"), ("haitian creole", "ht"),
     ("auto", None), (None, None)],
)  # fmt: skip
def test_codes(given, code):
    assert language_code(given) == code


@pytest.mark.parametrize("name", ["klingon", "", "e"])
def test_unknown_languages(name):
    with pytest.raises(ParameterError, match="no language"):
        language_code(name)
