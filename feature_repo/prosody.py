"""Prosody per utterance and per speaker, as the feature store knows it. Declarations only.

Where the files lie is a setting: `voxloop.adapters.feast.publish_features` puts them there.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64

from voxloop.settings import get_settings

PUBLISHED = get_settings().home / "features"

MEASURES = [
    Field(name="f0_mean_hz", dtype=Float64, description="Mean pitch of the voiced frames, Hz"),
    Field(name="f0_sd_semitones", dtype=Float64, description="How much the pitch moves"),
    Field(name="f0_range_semitones", dtype=Float64, description="From the 5th to the 95th percentile"),
    Field(name="voiced_share", dtype=Float64, description="Of the sounding frames"),
    Field(name="energy_mean_db", dtype=Float64, description="Mean level of the sounding frames, dB of full scale"),
    Field(name="energy_sd_db", dtype=Float64, description="How much the level moves"),
    Field(name="syllables_per_second", dtype=Float64, description="Voiced peaks of loudness a second"),
    Field(name="pause_share", dtype=Float64, description="Of the time between first and last sound"),
    Field(name="sounding_seconds", dtype=Float64, description="Time that sounds; of a speaker: in all"),
]

utterance = Entity(name="utterance", join_keys=["utterance_id"], value_type=ValueType.STRING)
speaker = Entity(name="speaker", join_keys=["speaker_id"], value_type=ValueType.STRING)

utterance_prosody_files = FileSource(
    name="utterance_prosody_files",
    path=str(PUBLISHED / "utterance_prosody.parquet"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)
speaker_prosody_files = FileSource(
    name="speaker_prosody_files",
    path=str(PUBLISHED / "speaker_prosody.parquet"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)

# A recording stays what it is, and a speaker's running means are superseded, never stale: no time to live.
utterance_prosody = FeatureView(
    name="utterance_prosody",
    entities=[utterance],
    ttl=timedelta(0),
    schema=MEASURES,
    source=utterance_prosody_files,
    online=True,
)
speaker_prosody = FeatureView(
    name="speaker_prosody",
    entities=[speaker],
    ttl=timedelta(0),
    schema=[Field(name="utterances", dtype=Int64, description="How many the means are taken over"), *MEASURES],
    source=speaker_prosody_files,
    online=True,
)

emotion_v1 = FeatureService(name="emotion_v1", features=[utterance_prosody, speaker_prosody])
