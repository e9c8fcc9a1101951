"""What may be taken for a recording of speech, and the error that says why a sound is not."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import InputError


class AudioLimits(StrictModel):
    """Bounds on one utterance.

    The defaults stand clear of everything in five corpora: the extremes over 11,932 files of FSDD, nEMO, RAVDESS and
    Mboshi and 1,392 utterances of the speaker world are given with each.
    """

    min_seconds: float = 0.2
    max_seconds: float = 60.0
    """Also bounds what a small file may expand to."""
    max_expansion: float = Field(default=200.0, gt=0.0)
    """Bytes as 16-bit samples over bytes of the file. Found: 20 in Opus, 6 in FLAC; silence in FLAC has 2,550."""
    max_clipped_share: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of samples at full scale. Found: 0.0003 in recordings, 0.041 in the speaker world, where the loud clip."""
    max_dc_offset: float = Field(default=0.05, gt=0.0)
    """Mean over full scale, either way. Found: 0.008 in FSDD, 0.009 in the speaker world."""
    min_level_dbfs: float = -80.0
    """Root mean square below which it is silence. Found: -64 in RAVDESS; the dither of 16 bits alone has about -98."""
    decode_seconds: float = Field(default=2.0, gt=0.0)
    """Processor seconds a file may take: a busy machine changes nothing. One that only waits gets ten times as long."""
    decode_mebibytes: int = Field(default=512, gt=0)
    """Memory a file may take. 60 s in eight channels at 48 kHz take 180 MiB."""


class UnusableAudioError(InputError):
    """A sound that cannot be used. `reason` is the short name it is counted under in a quarantine.

    Args:
        name: The file, as a person would look for it.
        reason: `unreadable`, `not audio`, `empty`, `malformed`, `truncated`, `out of range`, `too short`, `too long`,
            `expands too much`, `not a number`, `silent`, `clipped`, `dc offset` or `out of scale`.
        detail: What exactly was found.
    """

    def __init__(self, name: str, reason: str, detail: str) -> None:
        self.name = name
        self.reason = reason
        self.detail = detail
        super().__init__(f"{name} is unusable: {reason}", rule=detail, remedy="give a whole WAV, FLAC, Ogg or MP3 file")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.reason, self.detail))
