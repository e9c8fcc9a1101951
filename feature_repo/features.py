"""What the feature store knows of utterances and speakers: prosody, words, emotions. Declarations only.

Where the files lie is a setting: `voxloop.adapters.feast.publish_features` puts them there. Every view can be pushed to
as well, through the push source of its name (`voxloop.adapters.feast.push_features`). `event_us`, `known_us` and an
utterance's `speaker_id` are for the store itself: which row is newer, and whose it is when a speaker is erased.
"""

from collections.abc import Mapping
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64, String

from voxloop.data.emotion_history import COUNTED
from voxloop.data.revisions import EVENT_US, KNOWN_US
from voxloop.data.word_tables import COUNTS, SHARES
from voxloop.settings import get_settings

PUBLISHED = get_settings().home / "features"

PROSODY = {
    "f0_mean_hz": "Mean pitch of the voiced frames, Hz",
    "f0_sd_semitones": "How much the pitch moves",
    "f0_range_semitones": "From the 5th to the 95th percentile",
    "voiced_share": "Of the sounding frames",
    "energy_mean_db": "Mean level of the sounding frames, dB of full scale",
    "energy_sd_db": "How much the level moves",
    "syllables_per_second": "Voiced peaks of loudness a second",
    "pause_share": "Of the time between first and last sound",
    "sounding_seconds": "Time that sounds; of a speaker: in all",
}
WORDS = {**COUNTS, **SHARES}

utterance = Entity(name="utterance", join_keys=["utterance_id"], value_type=ValueType.STRING)
speaker = Entity(name="speaker", join_keys=["speaker_id"], value_type=ValueType.STRING)


def numbers(described: Mapping[str, str]) -> list[Field]:
    """Return a field of 64-bit floats for each name."""
    return [Field(name=name, dtype=Float64, description=text) for name, text in described.items()]


def declare_view(name: str, entity: Entity, fields: list[Field]) -> FeatureView:
    """Return a view over `<name>.parquet` with a push source in front.

    What was said stays said, and a speaker's running row is superseded, never stale: no time to live.
    """
    files = FileSource(
        name=f"{name}_files",
        path=str(PUBLISHED / f"{name}.parquet"),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    marks = [
        Field(name=EVENT_US, dtype=Int64, description="Moment of the event, microseconds since 1970"),
        Field(name=KNOWN_US, dtype=Int64, description="Since when it is known, microseconds since 1970"),
    ]
    return FeatureView(
        name=name,
        entities=[entity],
        ttl=timedelta(0),
        schema=[*fields, *marks],
        source=PushSource(name=f"{name}_push", batch_source=files),
        online=True,
    )


WHOSE = Field(name="speaker_id", dtype=String, description="Who spoke")
HOW_MANY = Field(name="utterances", dtype=Int64, description="How many utterances the row is about")
EMOTIONS = [
    HOW_MANY,
    Field(name="predicted", dtype=Int64, description="How many of them a model judged, not a person"),
    *(Field(name=f"{emotion}_count", dtype=Int64) for emotion in COUNTED),
    *(Field(name=f"{emotion}_share", dtype=Float64) for emotion in COUNTED),
    Field(name="last_emotion", dtype=String),
    Field(name="seconds_since_previous", dtype=Float64, description="Between the last two; null at the first"),
]

utterance_prosody = declare_view("utterance_prosody", utterance, [WHOSE, *numbers(PROSODY)])
speaker_prosody = declare_view("speaker_prosody", speaker, [HOW_MANY, *numbers(PROSODY)])
utterance_words = declare_view("utterance_words", utterance, [WHOSE, *numbers(WORDS)])
speaker_words = declare_view("speaker_words", speaker, [HOW_MANY, *numbers(WORDS)])
speaker_emotions = declare_view("speaker_emotions", speaker, EMOTIONS)

OF_SPEAKER_EMOTIONS = [field.name for field in EMOTIONS]

# `event_us` of the emotions: the time since the last one is the moment of the question less this.
emotion_v1 = FeatureService(
    name="emotion_v1",
    features=[
        utterance_prosody[[*PROSODY]],
        speaker_prosody[["utterances", *PROSODY]],
        speaker_emotions[[*OF_SPEAKER_EMOTIONS, EVENT_US]],
    ],
)
personality_v1 = FeatureService(
    name="personality_v1",
    features=[
        utterance_prosody[[*PROSODY]],
        utterance_words[[*WORDS]],
        speaker_prosody[["utterances", *PROSODY]],
        speaker_words[["utterances", *WORDS]],
        speaker_emotions[[*OF_SPEAKER_EMOTIONS, EVENT_US]],
    ],
)
# Who speaks how fast, how loud and with how many fillers: for slices and adaptation. Nothing of the utterance's own
# words: they are the answer.
asr_v1 = FeatureService(
    name="asr_v1",
    features=[
        utterance_prosody[[*PROSODY]],
        speaker_prosody[["utterances", *PROSODY]],
        speaker_words[["utterances", "filler_share", "words_per_second", "characters_per_second"]],
    ],
)
