"""The network of personality: what the voice says and what the words say, each on its own, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.tasks.personality_calibration import fit_scale, fit_voice_share

Modality = Literal["voice", "words"]
PATTERNS = ("both", "voice", "words")
"""What may be known of an utterance. Each has a bias and a scale of its own."""
COUNT = 5


class BranchConfig(StrictModel):
    """From one modality's numbers to the five traits: a linear map, and beside it one hidden layer."""

    hidden: int = Field(default=0, ge=0)
    """Width of the hidden layer; 0: none, which is best below some thousand speakers."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Of the hidden layer."""


class NetworkConfig(StrictModel):
    """The two branches."""

    voice: BranchConfig = BranchConfig()
    words: BranchConfig = BranchConfig()
    voice_gain: float = Field(default=0.3, gt=0.0)
    """What a standardised feature, divided by the square root of their number, is multiplied by before its branch."""
    words_gain: float = Field(default=1.0, gt=0.0)
    """What the bag of words, of length 1, is multiplied by: a larger one is learnt faster and decays less."""


class Read(NamedTuple):
    """What a network gives for a batch, each float32 [batch, 5]."""

    traits: Tensor
    """On the scale of the labels; where traits are yes or no, the probability of yes."""
    standard: Tensor
    """What the loss is about: standardised traits before scaling, or logits."""
    voice: Tensor
    """Part of `standard` that the voice says, zero where nothing is known of it."""
    words: Tensor
    """Part of `standard` that the words say, zero where none is known."""
    known: Tensor
    """Whether voice and words are known, float32 [batch, 2]."""


class Branch(nn.Module):
    """Linear map to the traits, zero at first; beside it a hidden layer, if there is one."""

    def __init__(self, features: int, config: BranchConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(features, COUNT, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.hidden: nn.Module | None = None
        if config.hidden:
            last = nn.Linear(config.hidden, COUNT, bias=False)
            nn.init.zeros_(last.weight)
            self.hidden = nn.Sequential(nn.Linear(features, config.hidden), nn.GELU(), nn.Dropout(config.dropout), last)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers float32 [batch, n] -> float32 [batch, 5]."""
        said: Tensor = self.linear(numbers)
        return said if self.hidden is None else said + self.hidden(numbers)


class Voice(nn.Module):
    """Features, standardised and clipped; one that is missing counts as the median."""

    def __init__(self, centres: Sequence[float], scales: Sequence[float], clip: float, config: NetworkConfig) -> None:
        super().__init__()
        self.centre: Tensor
        self.spread: Tensor
        self.register_buffer("centre", torch.tensor(centres), persistent=False)
        self.register_buffer("spread", torch.tensor(scales), persistent=False)
        self.clip = clip
        self.gain = config.voice_gain / max(1, len(centres)) ** 0.5
        self.branch = Branch(len(centres), config.voice)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [batch, n], NaN for missing -> float32 [batch, 5] and known, float32 [batch, 1]."""
        missing = torch.isnan(features)
        standard = (torch.where(missing, self.centre, features) - self.centre) / self.spread
        known = (~missing).any(dim=1, keepdim=True).float()
        return self.branch(standard.clamp(-self.clip, self.clip) * self.gain) * known, known


class Words(nn.Module):
    """A bag of words: log(1 + count) of each, weighted, of Euclidean length 1. The order of the words is nothing."""

    def __init__(self, weights: Sequence[float], config: NetworkConfig) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.tensor(weights), persistent=False)
        self.gain = config.words_gain
        self.branch = Branch(len(weights), config.words)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Words int64 [batch, n], 0 for none -> float32 [batch, 5] and known, float32 [batch, 1]."""
        counts = torch.zeros(words.shape[0], len(self.weights) + 1, dtype=torch.float32, device=words.device)
        counts = counts.scatter_add(1, words, (words > 0).float())[:, 1:]
        known = (counts.sum(dim=1, keepdim=True) > 0).float()
        bag = functional.normalize(torch.log1p(counts) * self.weights, dim=1)
        return self.branch(bag * self.gain) * known, known


class PersonalityNetwork(nn.Module):
    """Late fusion: each modality's say is added where it is known; bias and scale depend on which are.

    Args:
        branches: By modality, in the order of the inputs.
        mean: Of each trait, on its own scale.
        sd: Of each trait.
        binary: Whether the answer is the probability that a trait is present.
    """

    def __init__(
        self, branches: dict[Modality, nn.Module], mean: Sequence[float], sd: Sequence[float], *, binary: bool
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({str(name): branch for name, branch in branches.items()})
        self.binary = binary
        self.bias = nn.Parameter(torch.zeros(len(PATTERNS), COUNT))
        self.scale: Tensor
        self.mean: Tensor
        self.sd: Tensor
        self.register_buffer("scale", torch.ones(len(PATTERNS), COUNT))
        self.voice_share: Tensor
        self.register_buffer("voice_share", torch.ones(()))
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("sd", torch.tensor(sd), persistent=False)

    def forward(self, *inputs: Tensor) -> Read:
        """The request's inputs, in order -> what they say."""
        nothing = torch.zeros(inputs[0].shape[0], COUNT, device=inputs[0].device)
        said = {"voice": (nothing, nothing[:, :1]), "words": (nothing, nothing[:, :1])}
        for (name, branch), given in zip(self.branches.items(), inputs, strict=True):
            said[name] = branch(given)
        (voice, heard), (words, worded) = said["voice"], said["words"]
        pattern = torch.cat([heard * worded, heard * (1 - worded), (1 - heard) * worded], dim=1)
        standard = pattern @ self.bias + voice + words
        if self.binary:
            traits = torch.sigmoid(standard.float())
        else:
            mixed = standard - pattern[:, :1] * (1.0 - self.voice_share) * voice
            traits = self.mean + self.sd * (pattern @ self.scale) * mixed.float()
        return Read(traits, standard.float(), voice, words, torch.cat([heard, worded], dim=1))

    @torch.no_grad()
    def fit(self, read: Read, wanted: Tensor, known: Tensor, speakers: Tensor) -> None:
        """Mix voice and words as the scores ask, and stretch answers until they vary as the training labels do.

        Args:
            read: What the network gave for some rows.
            wanted: Their standardised scores, float32 [rows, 5].
            known: 1 where a score is known, float32 [rows, 5].
            speakers: A number for the speaker of each row, int64 [rows].
        """
        heard, worded = read.known.bool().unbind(dim=1)
        both = heard & worded
        share = fit_voice_share(*(one[both] for one in (read.voice, read.words, wanted, known, speakers)))
        self.voice_share.fill_(share)
        cases = ((both, share * read.voice + read.words), (heard, read.voice), (worded, read.words))
        for place, (rows, said) in enumerate(cases):
            self.scale[place] = fit_scale(said[rows], speakers[rows])
