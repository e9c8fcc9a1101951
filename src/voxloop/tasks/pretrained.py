"""The families' networks over a pretrained encoder."""

from __future__ import annotations

from torch import Tensor, nn

from voxloop.speech.augmentation import AugmentationConfig
from voxloop.tasks.backbone import Architecture
from voxloop.tasks.backbone_network import Backbone
from voxloop.tasks.emotion_network import Dimensions, EmotionEnds, NetworkConfig


class PretrainedEmotion(EmotionEnds):
    """Waveform to logits, and to arousal and valence where asked.

    Args:
        architecture: Of the pretrained encoder.
        network: Sizes of what is behind it.
        augmentation: Which of its frames are hidden in training.
        labels: How many logits.
        dimensions: The scale of arousal and valence; None leaves them out.
    """

    def __init__(
        self,
        architecture: Architecture,
        network: NetworkConfig,
        augmentation: AugmentationConfig,
        labels: int,
        dimensions: Dimensions | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(architecture, augmentation)
        self.add_ends(architecture.hidden_size, network, labels, dimensions)

    def embed(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Return what an utterance sounds like, float32 [batch, 2 * hidden]."""
        frames, counts = self.backbone(waveform, num_samples)
        return self.pool_frames(frames, counts)


class PretrainedRecogniser(nn.Module):
    """Waveform to log-probabilities.

    Args:
        architecture: Of the pretrained encoder.
        augmentation: Which of its frames are hidden in training.
        symbols: How many there are.
        views: How often an utterance is varied in training.
    """

    def __init__(self, architecture: Architecture, augmentation: AugmentationConfig, symbols: int, views: int) -> None:
        super().__init__()
        self.views = views
        self.backbone = Backbone(architecture, augmentation)
        self.dropout = nn.Dropout(architecture.hidden_dropout)
        self.classify = nn.Linear(architecture.hidden_size, symbols)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities float32 [batch, frames, symbols] and the frames of each row, int64 [batch].

        Args:
            waveform: float32 [batch, samples].
            num_samples: int64 [batch].
        """
        frames, counts = self.backbone(waveform, num_samples, self.views)
        logits: Tensor = self.classify(self.dropout(frames))
        return logits.float().log_softmax(dim=2), counts
