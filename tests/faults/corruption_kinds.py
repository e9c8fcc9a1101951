"""The kinds of corruption: what each does, and which check must object to which column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from tests.faults import corruption as do
from tests.faults.corruption import (
    Corruption,
    Planted,
    every,
    in_text,
    look_alike,
    put,
    retype,
    shift,
    some,
    swap,
)

IN_LETTERS, WHOLE, PRESENT, SHARED = (
    "written in its own letters",
    "whole and what its row says",
    "no row is without it",
    "no two rows share it",
)
IN_RANGE, KNOWN, TYPED, THEN, SPEAKER = (
    "within its range",
    "one of the known labels",
    "with the promised type",
    "can have been then",
    "most rows of the same speaker_id say",
)
FUTURE, PAST = datetime(2031, 5, 1, tzinfo=UTC), datetime(1899, 12, 31, tzinfo=UTC)

CORRUPTIONS = (
    # Nulls
    Corruption("an id is null", put(utterance_id=None), PRESENT, "utterance_id"),
    Corruption("a speaker is null", put(speaker_id=None), PRESENT, "speaker_id", variation=True),
    Corruption("a digest is null", put(sha256=None), PRESENT, "sha256", variation=True),
    Corruption("a moment is null", put(recorded_at=None), PRESENT, "recorded_at", variation=True),
    Corruption("a split is null", put(split=None), PRESENT, "split", variation=True),
    Corruption("a duration is null", put(duration_s=None), PRESENT, "duration_s", variation=True),
    Corruption(
        "a transcript is null", put(text=None), "0% of the rows are without it", "text", task="asr", variation=True
    ),
    Corruption(
        "a tenth of the labels are null",
        lambda rows, draw: some(lambda _row, _draw: {"emotion": None}, len(rows) // 10)(rows, draw),
        "5% of the rows are without it",
        "emotion",
        by_row=False,
        variation=True,
    ),
    # Units
    Corruption(
        "milliseconds for seconds",
        some(lambda row, _: {"duration_s": row["duration_s"] * 1000}),
        IN_RANGE,
        "duration_s",
    ),
    Corruption(
        "seconds for milliseconds, everywhere",
        every(lambda row: {"duration_s": row["duration_s"] / 1000}),
        "num_samples / sample_rate",
        "duration_s",
        by_row=False,
    ),
    Corruption(
        "amplitude for decibels",
        every(lambda row: {"loudness_dbfs": 10 ** (row["loudness_dbfs"] / 20)}),
        IN_RANGE,
        "loudness_dbfs",
        by_row=False,
        variation=True,
    ),
    Corruption("kilohertz for hertz", put(sample_rate=16), "rate of the suite", "sample_rate", variation=True),
    Corruption(
        "20 dB more gain",
        every(do.louder),
        "quantiles are like those before",
        "loudness_dbfs",
        by_row=False,
        compared=True,
    ),
    # Columns taken for each other
    Corruption("rate and samples swapped", swap("num_samples", "sample_rate"), WHOLE, "audio", by_row=False),
    Corruption("emotion and gender swapped", swap("emotion", "gender"), KNOWN, "emotion", by_row=False, variation=True),
    Corruption(
        "text and id swapped",
        swap("text", "utterance_id"),
        "it is one word",
        "utterance_id",
        by_row=False,
        variation=True,
    ),
    # Twice the same
    Corruption("an id twice", do.copy_of_another("utterance_id"), SHARED, "utterance_id"),
    Corruption(
        "audio twice",
        do.copy_of_another("audio", "sha256", "num_samples", "duration_s", "loudness_dbfs", "text"),
        SHARED,
        "sha256",
    ),
    # Text
    Corruption("Cyrillic look-alikes", look_alike("e", "\u0435"), IN_LETTERS, "text"),
    Corruption("Greek look-alikes", look_alike("o", "\u03bf"), IN_LETTERS, "text", variation=True),
    Corruption("zero-width characters", in_text(lambda text: text.replace(" ", " \u200b", 1)), IN_LETTERS, "text"),
    Corruption("control characters", in_text(lambda text: text + "\x07"), IN_LETTERS, "text", variation=True),
    Corruption("a byte order mark", in_text(lambda text: "\ufeff" + text), IN_LETTERS, "text", variation=True),
    Corruption("decomposed accents", in_text(lambda text: text + " cafe\u0301"), IN_LETTERS, "text"),
    Corruption(
        "UTF-8 read as Latin-1", in_text(lambda text: text + " caf\u00c3\u00a9"), IN_LETTERS, "text", variation=True
    ),
    Corruption("replacement characters", in_text(lambda text: text + " caf\ufffd"), IN_LETTERS, "text", variation=True),
    Corruption("full-width letters", look_alike("a", "\uff41"), IN_LETTERS, "text", variation=True),
    Corruption("an empty text", put(text=""), IN_LETTERS, "text", task="asr", variation=True),
    Corruption("a text of white space", put(text="  "), IN_LETTERS, "text", task="asr", variation=True),
    Corruption("a text far too long", in_text(do.repeat_text), "can be said in that time", "text"),
    # Numbers
    Corruption("duration NaN", put(duration_s=float("nan")), "finite number", "duration_s"),
    Corruption("loudness infinite", put(loudness_dbfs=float("inf")), "finite number", "loudness_dbfs", variation=True),
    Corruption("a trait NaN", put(openness=float("nan")), "finite number", "openness", task="personality"),
    Corruption("a trait off its scale", put(neuroticism=55.0), "on the scale", "neuroticism", task="personality"),
    Corruption(
        "a negative duration",
        some(lambda row, _: {"duration_s": -row["duration_s"]}),
        IN_RANGE,
        "duration_s",
        variation=True,
    ),
    Corruption("no samples", put(num_samples=0), "there are samples", "num_samples", variation=True),
    Corruption("an hour", put(duration_s=3600.0), IN_RANGE, "duration_s", variation=True),
    Corruption("the level of silence", put(loudness_dbfs=-120.0), IN_RANGE, "loudness_dbfs", variation=True),
    Corruption("age 412", put(age=412), IN_RANGE, "age"),
    Corruption("age -1", put(age=-1), IN_RANGE, "age", variation=True),
    # Types
    Corruption("duration as text", retype("duration_s", pa.string(), str), TYPED, "duration_s", by_row=False),
    Corruption("rate as int64", retype("sample_rate", pa.int64()), TYPED, "sample_rate", by_row=False, variation=True),
    Corruption(
        "loudness as float32",
        retype("loudness_dbfs", pa.float32()),
        TYPED,
        "loudness_dbfs",
        by_row=False,
        variation=True,
    ),
    Corruption("text as large_string", retype("text", pa.large_string()), TYPED, "text", by_row=False),
    Corruption("age as float", retype("age", pa.float64(), float), TYPED, "age", by_row=False, variation=True),
    Corruption(
        "moments without a zone",
        retype("recorded_at", pa.timestamp("us"), lambda moment: moment.replace(tzinfo=None)),
        TYPED,
        "recorded_at",
        by_row=False,
    ),
    Corruption(
        "moments in ms",
        retype("recorded_at", pa.timestamp("ms", tz="UTC")),
        TYPED,
        "recorded_at",
        by_row=False,
        variation=True,
    ),
    Corruption("a column missing", lambda rows, _: Planted(rows, without=("text",)), TYPED, "text", by_row=False),
    Corruption(
        "a column too many",
        lambda rows, _: Planted(rows, extra={"mood": "good"}),
        "no shard has a column beyond the schema",
        None,
        by_row=False,
    ),
    # Audio
    Corruption("audio of another rate", some(do.at_half_the_rate), WHOLE, "audio"),
    Corruption(
        "a row that says another rate", put(sample_rate=8_000), "rate of the suite", "sample_rate", variation=True
    ),
    Corruption("audio cut off", some(do.cut_off), WHOLE, "audio"),
    Corruption("audio cut off and coded again", some(do.cut_off_and_coded), WHOLE, "audio", variation=True),
    Corruption("a flipped bit", some(do.change_a_byte), WHOLE, "audio", variation=True),
    Corruption("audio of a stranger", some(do.of_a_stranger), WHOLE, "audio"),
    Corruption("WAV for FLAC", some(do.as_wav), WHOLE, "audio", variation=True),
    Corruption("audio gone", put(audio=None), WHOLE, "audio", variation=True),
    Corruption("all audio 30 dB softer than its level", do.mute_all, WHOLE, "audio", by_row=False),
    Corruption(
        "a digest in capitals",
        some(lambda row, _: {"sha256": row["sha256"].upper()}),
        "lower-case hex",
        "sha256",
        variation=True,
    ),
    Corruption(
        "a digest cut", some(lambda row, _: {"sha256": row["sha256"][:40]}), "lower-case hex", "sha256", variation=True
    ),
    # Shifted by a row
    Corruption("audio shifted", shift("audio"), WHOLE, "audio", by_row=False),
    Corruption("transcripts shifted", shift("text"), "better than those of rows nearby", "text", by_row=False),
    Corruption(
        "transcripts dealt out anew",
        do.shuffle("text"),
        "texts fit durations as before",
        "text",
        task="asr",
        by_row=False,
        compared=True,
    ),
    Corruption("speakers shifted", shift("speaker_id"), "holds the speaker_id", "utterance_id", by_row=False),
    Corruption("genders shifted", shift("gender"), SPEAKER, "gender", by_row=False, variation=True),
    Corruption("ages shifted", shift("age"), "same speaker elsewhere", "age", by_row=False, variation=True),
    Corruption(
        "durations shifted",
        shift("duration_s"),
        "num_samples / sample_rate",
        "duration_s",
        by_row=False,
        variation=True,
    ),
    Corruption("levels shifted", shift("loudness_dbfs"), WHOLE, "audio", by_row=False, variation=True),
    Corruption(
        "emotions shifted", shift("emotion"), "of surprise is like before", "emotion", by_row=False, compared=True
    ),
    # Labels
    Corruption("an unknown label", put(emotion="boredom"), KNOWN, "emotion", variation=True),
    Corruption(
        "a label in capitals",
        some(lambda row, _: {"emotion": row["emotion"].title()}),
        KNOWN,
        "emotion",
        variation=True,
    ),
    Corruption(
        "a label with a space", some(lambda row, _: {"emotion": row["emotion"] + " "}), KNOWN, "emotion", variation=True
    ),
    Corruption(
        "one label everywhere",
        every(lambda _: {"emotion": "neutral"}),
        "something to tell apart",
        "emotion",
        by_row=False,
    ),
    Corruption(
        "one label nearly everywhere",
        lambda rows, _: Planted([*rows[:12], *({**row, "emotion": "neutral"} for row in rows[12:])]),
        "no label takes nearly all rows",
        "emotion",
        by_row=False,
        variation=True,
    ),
    Corruption(
        "half of one label gone to another",
        every(lambda row: {"emotion": "anger" if row["emotion"] in {"fear", "sadness"} else row["emotion"]}),
        "anger has about the share it had",
        "emotion",
        by_row=False,
        compared=True,
        variation=True,
    ),
    # Speakers and splits
    Corruption(
        "a speaker in two splits",
        do.flip_of_speaker("split", lambda split: "dev" if split != "dev" else "train"),
        SPEAKER,
        "split",
    ),
    Corruption("an unknown split", put(split="validation"), "one of the splits", "split"),
    Corruption("no test rows", do.drop_test, "enough rows of test", "split", verdict="CANNOT_TELL", by_row=False),
    Corruption(
        "another gender",
        do.flip_of_speaker("gender", lambda one: "male" if one == "female" else "female"),
        SPEAKER,
        "gender",
    ),
    Corruption(
        "another age", do.flip_of_speaker("age", lambda age: age + 9), "same speaker elsewhere", "age", variation=True
    ),
    Corruption("another language", do.flip_of_speaker("language", lambda _: "fr"), SPEAKER, "language", variation=True),
    # Time
    Corruption("recorded tomorrow", put(recorded_at=FUTURE), THEN, "recorded_at"),
    Corruption("recorded before recording", put(recorded_at=PAST), THEN, "recorded_at", variation=True),
    Corruption(
        "recorded at the epoch", put(recorded_at=datetime(1970, 1, 1, tzinfo=UTC)), THEN, "recorded_at", variation=True
    ),
    Corruption(
        "milliseconds read as microseconds",
        some(
            lambda row, _: {"recorded_at": datetime(1970, 1, 1, tzinfo=UTC) + _since_epoch(row["recorded_at"]) / 1000}
        ),
        THEN,
        "recorded_at",
        variation=True,
    ),
    # Files
    Corruption(
        "no rows at all", lambda _rows, _: Planted([]), "enough rows", None, verdict="CANNOT_TELL", by_row=False
    ),
    Corruption("fewer rows than promised", do.lose_rows, "as many rows as the manifest says", None, by_row=False),
    Corruption(
        "more rows than promised", do.gain_rows, "as many rows as the manifest says", None, by_row=False, variation=True
    ),
    Corruption("a shard rewritten later", do.rewrite_later, "file the manifest has the digest of", None, by_row=False),
    Corruption("most rows gone", do.thin_out, "rows before", None, by_row=False, compared=True),
    Corruption(
        "a column emptied",
        every(lambda _: {"gender": None}),
        "not missing more often than before",
        "gender",
        by_row=False,
        compared=True,
        variation=True,
    ),
)


def _since_epoch(moment: datetime) -> timedelta:
    return moment - datetime(1970, 1, 1, tzinfo=UTC)
