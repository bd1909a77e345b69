"""The tokenizer: byte-level BPE over the generator's own text, split as llama.cpp splits for `qwen2`.

Merges are learnt on finer pieces than the ones they are later applied to: letters never grow together with
the space, quote or bracket before them, nor one script with another. So a word has one spelling in tokens
wherever it stands, and copying it means copying tokens. Only after that do the commonest words, those that
are one token already and that nobody asks to have copied, get a second token with the space before them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from models.tiny import memory, skills, toolbox, world
from models.tiny.conversation import SPECIAL, VISIBLE

ENTRIES = 2048
SPACED = 160
SHORT_WORDS = 50
SPACE = "\u0120"  # how byte-level BPE writes a space

# What the engine knows as tokenizer.ggml.pre = qwen2; the engine's word is checked by package.py.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LEARNING_SPLIT = (
    r"(?:'s|'t|'re|'ve|'m|'ll|'d)|\p{Ll}+|\p{Lu}\p{Ll}+|\p{Lu}{1,3}|\p{Lo}{1,4}|[\p{L}\p{M}]|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def splitter(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def learn(texts: Iterable[str], entries: int = ENTRIES) -> Tokenizer:
    """Learn merges from texts; the special tokens take the first numbers."""
    kept = list(texts)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = splitter(LEARNING_SPLIT)
    marks = [AddedToken(mark, special=True, normalized=False) for mark in (*SPECIAL, *VISIBLE)]
    trainer = trainers.BpeTrainer(
        vocab_size=entries - SPACED,
        min_frequency=2,
        special_tokens=marks,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(kept, trainer)
    tokenizer.pre_tokenizer = splitter(QWEN2_SPLIT)
    return with_spaces(tokenizer, spaced_words(kept, tokenizer.get_vocab()))


def spaced_words(texts: list[str], known: dict[str, int]) -> list[str]:
    """The commonest words that stand after a space and are one token, without those copied or looked for."""
    copied = {*world.THINGS, *world.COLOURS, *world.ANIMALS, *world.FOODS, *world.JOBS, *matched_words()}
    counted = Counter(word for text in texts for word in re.findall(r"(?<= )[a-z]+", text))
    ranked = [word for word, _ in counted.most_common() if word in known and word not in copied]
    # A short piece also begins words that are copied: only the very commonest short words are worth that.
    common = (
        word for place, word in enumerate(ranked) if len(word) > 3 or (place < SHORT_WORDS and word != "b")
    )
    return [word for word, _ in zip(common, range(SPACED), strict=False)]


def matched_words() -> set[str]:
    """Words a question shares with a tool's name, a key or a fact: one spelling makes them easy to match."""
    phrases = [*memory.ATTRIBUTES, *toolbox.RESULT_KEYS, *(name for name, _ in skills.FIELDS)]
    for subject in toolbox.SUBJECTS:
        phrases += [*subject.nouns, *subject.verbs, *(name for names, _, _ in subject.keys for name in names)]
    return {word for phrase in phrases for word in re.split(r"[_ ]", phrase)}


def with_spaces(tokenizer: Tokenizer, words: list[str]) -> Tokenizer:
    """The same tokenizer with one last merge a word: the space and the whole word."""
    told = json.loads(tokenizer.to_str())
    for word in words:
        told["model"]["vocab"][SPACE + word] = len(told["model"]["vocab"])
        told["model"]["merges"].append([SPACE, word])
    return Tokenizer.from_str(json.dumps(told))


def load(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))
