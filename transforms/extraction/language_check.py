"""Documents in another language than the model's: counted, never left out.

A model reads a language that it was not trained on all the same, and finds few and mostly wrong
facts there. py3langid (a naive Bayes classifier over byte n-grams; Lui and Baldwin, ACL 2012) tells
the language of 2,000 characters in a fifth of a millisecond.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

#: The counter of documents in another language; `other_language.de` counts those in German.
OTHER_LANGUAGE = "other_language"

# Shorter texts say too little.
_FEWEST_CHARACTERS = 100
_LOOKED_AT = 2_000
# Below that a text is of no clear language: a list of names, code, a table.
_LEAST_PROBABILITY = 0.9
# Codes that the detector has under another name.
_SAME = {"nb": "no", "nn": "no"}


def check_language_option(language: str) -> None:
    """Refuses a check that cannot be made.

    Args:
        language: code of the language that documents are expected in.

    Raises:
        ConfigurationError: if py3langid is not installed or does not know the language.
    """
    if find_spec("py3langid") is None:
        raise ConfigurationError(how_to_install("py3langid", "language"), field="check_language")
    if _primary(language) not in _identifier().labels:
        raise ConfigurationError(
            f"py3langid does not know the `language` {language!r}", field="check_language"
        )


def other_language(text: str, language: str) -> str | None:
    """The language of a text, if it is clearly another one.

    Args:
        text: a document.
        language: code of the language that it is expected in.

    Returns:
        An ISO 639-1 code; None where the text is in the expected language, too short, or of no
        clear language.
    """
    begin = text[:_LOOKED_AT]
    if len(begin) < _FEWEST_CHARACTERS:
        return None
    found, probability = _identifier().classify(begin)
    if probability < _LEAST_PROBABILITY or found == _primary(language):
        return None
    return str(found)


def _primary(language: str) -> str:
    """The language of a code without region and script: en of en-GB."""
    primary = language.replace("_", "-").partition("-")[0].lower()
    return _SAME.get(primary, primary)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
