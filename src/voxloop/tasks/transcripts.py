"""How a recogniser writes: the spelling its transcripts are brought to, and the symbols they are cut into."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.data.text import NORMALISER_VERSION, normalise_text
from voxloop.errors import ConfigError, CorpusError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Row

BLANK_NAME = "<blank>"
NORMALISER_NAME = "voxloop.data.text"
WORD_START = "\u2581"
"""What SentencePiece writes for the space in front of a word."""


class SymbolsConfig(StrictModel):
    """What a transcript is cut into."""

    kind: Literal["characters", "sentencepiece", "words"] = "characters"
    """`words` is for a closed vocabulary, such as digits and commands: nothing else can be written."""
    pieces: int | None = Field(default=None, ge=8)
    """How many pieces SentencePiece learns at most."""
    unspoken: str = '.,;:!?"()[]'
    """Characters that are left out of every transcript: nobody says them."""

    @model_validator(mode="after")
    def _pieces_are_counted(self) -> Self:
        if (self.kind == "sentencepiece") != (self.pieces is not None):
            raise ValueError("pieces goes with kind: sentencepiece, and only with it")
        return self


class AsrEncoding(StrictModel):
    """The symbols in the order of the log-probabilities, the blank first, and the spelling they belong to."""

    symbols: tuple[str, ...]
    normaliser: str = NORMALISER_NAME
    normaliser_version: str = NORMALISER_VERSION
    unspoken: str = ""
    sample_rate: int = SAMPLE_RATE
    beam: int = Field(default=1, ge=1)
    """Prefixes that `decode` keeps; 1 takes the likeliest path."""
    pieces: str | None = None
    """The SentencePiece model in base64, where the symbols are pieces."""
    words: bool = False
    """Each symbol is a whole word."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The symbols."""
        return self.symbols


def spell(text: str, language: str | None, unspoken: str) -> str:
    """Return the spelling in which transcripts are learnt and compared; doing it twice changes nothing."""
    spoken = normalise_text(text, language).translate(dict.fromkeys(map(ord, unspoken), " "))
    return " ".join(spoken.split())


def learn_symbols(rows: Sequence[Row], config: SymbolsConfig, beam: int) -> AsrEncoding:
    """Return the symbols that the transcripts of `rows` are written with.

    Raises:
        CorpusError: No row has a transcript, or SentencePiece finds too little to learn from.
        ConfigError: The symbols are to be pieces, and SentencePiece is not installed.
    """
    texts = [spell(row["text"], row["language"], config.unspoken) for row in rows if row["text"] is not None]
    characters = sorted(set("".join(texts)))
    if not characters:
        raise CorpusError(
            "no row to train on has a transcript",
            rule="the symbols of a recogniser are those of its training transcripts",
            remedy="ingest a corpus with transcripts",
        )
    if config.kind == "characters":
        return AsrEncoding(symbols=(BLANK_NAME, *characters), unspoken=config.unspoken, beam=beam)
    if config.kind == "words":
        words = sorted({WORD_START + word for text in texts for word in text.split()})
        return AsrEncoding(symbols=(BLANK_NAME, *words), unspoken=config.unspoken, beam=beam, words=True)
    model = _learn_pieces(texts, config)
    found = _load_pieces(model)
    pieces = [found.id_to_piece(place) for place in range(1, found.get_piece_size())]
    kept = base64.b64encode(model).decode()
    return AsrEncoding(symbols=(BLANK_NAME, *pieces), unspoken=config.unspoken, beam=beam, pieces=kept)


def to_tokens(row: Row, encoding: AsrEncoding) -> list[int]:
    """Return the tokens of a row's transcript, places in `encoding.symbols`.

    Raises:
        CorpusError: The transcript is empty, or has a character that the symbols cannot write.
    """
    text = spell(row["text"], row["language"], encoding.unspoken)
    if not text:
        raise CorpusError(
            f"{row['utterance_id']} has an empty transcript ({row['text']!r})",
            rule="a recogniser learns from what was said",
            remedy="transcribe it, or leave its text null",
        )
    tokens = _cut(text, encoding)
    if 0 in tokens:
        raise CorpusError(
            f"{row['utterance_id']} has {_stranger(text, encoding)!r} in its transcript {text!r}",
            rule=f"the training transcripts are written with {_alphabet(encoding)}",
            remedy="map it when the corpus is ingested, name it in symbols.unspoken, or add speech with it",
        )
    return tokens


def to_text(tokens: Sequence[int], encoding: AsrEncoding) -> str:
    """Return what tokens spell, with single spaces between the words."""
    written = "".join(encoding.symbols[token] for token in tokens)
    return " ".join(written.replace(WORD_START, " ").split())


def _cut(text: str, encoding: AsrEncoding) -> list[int]:
    if encoding.pieces is not None:
        # Piece 0 is SentencePiece's unknown, and its place is the blank's.
        found: list[int] = _load_pieces(base64.b64decode(encoding.pieces)).encode(text)
        return found
    places = {symbol: place for place, symbol in enumerate(encoding.symbols)}
    parts = [WORD_START + word for word in text.split()] if encoding.words else list(text)
    return [places.get(part, 0) for part in parts]


def _stranger(text: str, encoding: AsrEncoding) -> str:
    if encoding.words:
        return next(word for word in text.split() if WORD_START + word not in encoding.symbols)
    known = set("".join(encoding.symbols[1:]))
    return next((character for character in text if character not in known and character != " "), text)


def _alphabet(encoding: AsrEncoding) -> str:
    if encoding.words:
        return f"{len(encoding.symbols) - 1} words"
    return "".join(sorted(set("".join(encoding.symbols[1:])) - {WORD_START, " "}))


def _learn_pieces(texts: Sequence[str], config: SymbolsConfig) -> bytes:
    sentencepiece = _import_sentencepiece()
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=config.pieces,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as refused:
        raise CorpusError(
            f"SentencePiece learns no {config.pieces} pieces from {len(texts)} transcripts: {refused}",
            rule="pieces are learnt from the training transcripts",
            remedy="ask for fewer pieces, or take kind: characters",
        ) from None
    return model.getvalue()


def _load_pieces(model: bytes) -> Any:
    return _import_sentencepiece().SentencePieceProcessor(model_proto=model)


def _import_sentencepiece() -> Any:
    try:
        return import_module("sentencepiece")
    except ModuleNotFoundError:
        raise ConfigError(
            "symbols.kind is sentencepiece, and SentencePiece is not installed",
            rule="pieces need it, characters do not",
            remedy="install sentencepiece, or take kind: characters",
        ) from None
