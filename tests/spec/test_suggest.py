"""One-edit typos of every key and word of the language get the right suggestion."""

from pydantic import BaseModel

from i2v3d.spec.model import Spec
from i2v3d.spec.model.base import Word
from i2v3d.spec.suggest import hint_for, nearest


def _vocabularies(model=Spec, seen=None):
    seen = {} if seen is None else seen
    if model in seen:
        return seen
    seen[model] = set(model.known_keys())
    for name, info in model.model_fields.items():
        for word in (item for item in _metadata(info) if isinstance(item, Word)):
            seen[model, name] = set(word.choices)
        for part in _models_in(info.annotation):
            _vocabularies(part, seen)
    return seen


def _metadata(info):
    yield from info.metadata
    for argument in getattr(info.annotation, "__args__", ()):
        yield from getattr(argument, "__metadata__", ())


def _models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _typos(word):
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]
        yield word[:place] + word[place] + word[place:]
        yield word[:place] + "q" + word[place + 1 :]
        if place + 1 < len(word):
            yield word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def test_nine_in_ten_typos_of_keys_and_words_are_understood():
    tried = right = 0
    for words in _vocabularies().values():
        for word in (word for word in words if len(word) >= 3):
            for typo in set(_typos(word)) - words:
                tried += 1
                right += nearest(typo, words) == word
    assert tried > 2000
    assert right / tried >= 0.95, right / tried


def test_case_and_dashes_do_not_matter():
    assert nearest("Look-At", ["look_at", "move"]) == "look_at"


def test_without_a_near_word_the_known_ones_are_listed():
    assert hint_for("zzz", ["b", "a"], label="known keys") == "known keys: a, b"
    assert hint_for("zzz", [], label="objects") == "objects: none"
