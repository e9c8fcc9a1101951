"""Pieces of words, and whole words, as symbols."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from tests.unit.tasks.asr_tones import tiny_config, tone_row
from voxloop.errors import ConfigError, CorpusError
from voxloop.tasks import asr, transcripts

TEXTS = ["one two three", "three two one two", "two one", "three three", "one one two", "nothing", "to the tree"]
CONFIG = tiny_config("symbols={kind: sentencepiece, pieces: 24}")


def test_pieces_are_learnt_and_read_back() -> None:
    pytest.importorskip("sentencepiece", reason="an option, not among the dependencies")
    rows = [tone_row(text) for text in TEXTS]
    encoding = asr.learn_encoding(rows, CONFIG)
    assert encoding == asr.learn_encoding(rows, CONFIG)
    assert transcripts.AsrEncoding.model_validate_json(encoding.model_dump_json()) == encoding
    assert encoding.labels[0] == "<blank>"
    for row in rows:
        tokens = transcripts.to_tokens(row, encoding)
        assert 0 < len(tokens) <= len(row["text"]) + 1
        assert transcripts.to_text(tokens, encoding) == row["text"]
    with pytest.raises(CorpusError, match="u1 has 'q' in its transcript 'one q'"):
        asr.encode(tone_row("one q"), np.zeros(16_000, dtype=np.int16), encoding, CONFIG)


def test_too_many_pieces_are_refused() -> None:
    pytest.importorskip("sentencepiece", reason="an option, not among the dependencies")
    with pytest.raises(CorpusError, match="SentencePiece learns no 8 pieces from 1 transcripts"):
        asr.learn_encoding([tone_row("abcdefghijklmnopq")], tiny_config("symbols={kind: sentencepiece, pieces: 8}"))


def test_pieces_without_sentencepiece_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(transcripts, "import_module", refuse)
    with pytest.raises(ConfigError, match="SentencePiece is not installed"):
        asr.learn_encoding([tone_row("one")], CONFIG)


@pytest.mark.parametrize("symbols", [{"kind": "characters", "pieces": 9}, {"kind": "sentencepiece"}])
def test_pieces_are_counted_where_they_are_asked_for(symbols: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="pieces goes with kind"):
        transcripts.SymbolsConfig.model_validate(symbols)


def test_whole_words_are_learnt_and_read_back() -> None:
    config = tiny_config("symbols={kind: words}")
    rows = [tone_row(text) for text in TEXTS]
    encoding = asr.learn_encoding(rows, config)
    assert len(encoding.symbols) == 1 + len({word for text in TEXTS for word in text.split()})
    assert transcripts.AsrEncoding.model_validate_json(encoding.model_dump_json()) == encoding
    for row in rows:
        tokens = transcripts.to_tokens(row, encoding)
        assert len(tokens) == len(row["text"].split())
        assert transcripts.to_text(tokens, encoding) == row["text"]
    with pytest.raises(CorpusError, match="u1 has 'four' in its transcript 'one four'; .* written with 7 words"):
        asr.encode(tone_row("one four"), np.zeros(16_000, dtype=np.int16), encoding, config)
