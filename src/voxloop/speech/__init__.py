"""Sound only: decoding, resampling, the spectrogram, prosody, and the speaker world."""
