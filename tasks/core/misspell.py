"""Questions as hurried people type them: seeded slips of the fingers, the same in every run."""

import random
import re

SHORTEST = 4  # letters of a word that is misspelled; shorter ones become other words
WORD = re.compile(r"[^\W\d_]+")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def misspelled(text: str, share: float, key: str) -> str:
    """The text with one slip in about this share of its words of four letters or more.

    A slip swaps two neighbouring letters, hits the key beside one, leaves one out or doubles it;
    never at a word's first letter, where people rarely slip. At least one word has a slip if the
    share is above 0 and there is one that can. `key` seeds the choice: equal keys, equal slips.
    """
    found = (match for match in WORD.finditer(text) if match[0].isalpha())
    words = [match for match in found if len(match[0]) >= SHORTEST]
    rng = random.Random(key)
    if not words or share <= 0:
        return text
    struck = [word for word in words if rng.random() < share] or [rng.choice(words)]
    parts, end = [], 0
    for word in struck:
        parts += [text[end : word.start()], _slip(word[0], rng)]
        end = word.end()
    return "".join((*parts, text[end:]))


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kinds = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]]
    if word[at] != word[at + 1]:
        kinds.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    if beside := _beside(word[at]):
        kinds.append(word[:at] + rng.choice(beside) + word[at + 1 :])
    return rng.choice(kinds)


def _beside(letter: str) -> str:
    """The keys left and right of a letter on a QWERTY keyboard, in its case; none elsewhere."""
    for row in ROWS:
        at = row.find(letter.lower())
        if at >= 0:
            near = row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
            return near.upper() if letter.isupper() else near
    return ""
