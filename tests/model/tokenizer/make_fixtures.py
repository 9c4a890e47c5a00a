"""Makes the tokenizers and the expected ids of tokenizer_test.ts with the Rust library.

    pip install tokenizers==0.23.3
    python make_fixtures.py ../../../books/opticks.txt
"""

import json
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "A cairn is a pile of stones.",
    " Leading and  double   spaces, and trailing ",
    "Line one.\n\nLine two!\r\n\tIndented; don't stop: it's 12345 o'clock.",
    "naïve café — 石の道 ⛰️ 👩‍🚀 ẞ",
    "<|end|>The end<|end|>",
    "a",
    "\n",
]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level():
    """As Llama 3: byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>", "<|landmark|>"],
        show_progress=False,
    )
    return tokenizer, trainer


def byte_fallback():
    """As Llama 2: no pre-tokenizer, spaces as U+2581, unknown characters as bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<unk>", "<|end|>", "<|landmark|>", *(f"<0x{i:02X}>" for i in range(256))],
        max_token_length=8,
        show_progress=False,
    )
    return tokenizer, trainer


def main():
    with open(sys.argv[1], encoding="utf-8") as book:
        lines = book.read()[:100_000].splitlines(keepends=True)
    for name, make in {"byte_level": byte_level, "byte_fallback": byte_fallback}.items():
        tokenizer, trainer = make()
        tokenizer.train_from_iterator(lines, trainer)
        made = json.loads(tokenizer.to_str())
        # Bytes are tokens of the model, and not special: text is made of them.
        made["added_tokens"] = [t for t in made["added_tokens"] if not t["content"].startswith("<0x")]
        tokenizer = Tokenizer.from_str(json.dumps(made))
        cases = [
            {"text": text, "ids": (ids := tokenizer.encode(text, add_special_tokens=False).ids),
             "decoded": tokenizer.decode(ids)}
            for text in TEXTS
        ]
        with open(f"{name}.json", "w", encoding="utf-8") as file:
            json.dump({"tokenizer": made, "cases": cases}, file, ensure_ascii=False, indent=None)
            file.write("\n")


main()
