"""Text as the words that a keyword index holds where the index itself folds nothing."""

import re
import unicodedata

LETTERS = {  # that no decomposition turns into plain ones
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i",  # noqa: RUF001
}  # fmt: skip
ACCENTS = re.compile("[\u0300-\u036f]")
# Kana and ideographs: text without spaces, of which each character is taken for a word.
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def words(text: str) -> str:
    """Its words in small letters, without accents and plurals, one space between them.

    Everything that is no letter, mark or number ends a word, so that operators and quotes are
    gone. Plurals are English, by the "S stemmer" (Harman 1991, How effective is suffixing?).
    """
    return " ".join(_singular(word) for word in text.translate(_FOLDED).split())


class _Folded(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _folded(chr(code))
        return self[code]


_FOLDED = _Folded()


def _folded(character: str) -> str:
    plain = ACCENTS.sub("", unicodedata.normalize("NFKD", character).casefold())
    plain = "".join(LETTERS.get(one, one) for one in unicodedata.normalize("NFC", plain))
    if UNSPACED.search(plain):
        return f" {plain} "
    return "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in plain)


def _singular(word: str) -> str:
    if len(word) < 4 or word[-1] != "s" or word.endswith(("ss", "us", "is", "aes", "ees", "oes")):
        return word
    if word.endswith("ies"):
        return word if word.endswith(("aies", "eies")) else f"{word[:-3]}y"
    return word[:-1]
