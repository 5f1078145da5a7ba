"""The network that reads a line of a plate, in the form in which EasyOCR loads networks of users.

EasyOCR imports this file by its name and makes ``Model`` from ``network_params`` of the YAML file
beside it. Input: grey, 32 px high, -1..1. Output: a score for each sign, every four pixels (CTC).
"""

from __future__ import annotations

import torch
from torch import nn


def block(
    before: int, after: int, size: tuple[int, int], stride: tuple[int, int], *, folded: bool,
    pad: tuple[int, int] | None = None,
) -> nn.Sequential:  # fmt: skip
    """Return convolution, normalisation (or, ``folded`` into the weights, none) and ReLU."""
    pad = (size[0] // 2, size[1] // 2) if pad is None else pad
    layers: list[nn.Module] = [nn.Conv2d(before, after, size, stride, pad, bias=folded)]
    if not folded:
        layers.append(nn.BatchNorm2d(after))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


class Model(nn.Module):
    """Convolutions down to one row, then convolutions along the line: no recurrence, no language.

    Parameters
    ----------
    input_channel, output_channel, hidden_size, num_class
        What EasyOCR gives: 1, channels at the end, channels at the start, signs with the blank.
    folded
        Whether the weights have normalisation folded in, as those for reading do.
    """

    def __init__(
        self, input_channel: int, output_channel: int, hidden_size: int, num_class: int,
        folded: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        c, last = hidden_size, output_channel
        self.see = nn.Sequential(
            block(input_channel, c, (5, 5), (2, 2), folded=folded),  # 16 rows, a column each 2 px
            block(c, 3 * c // 2, (3, 3), (2, 1), folded=folded),  # 8
            block(3 * c // 2, 2 * c, (3, 3), (1, 2), folded=folded),  # a column each 4 px
            block(2 * c, 3 * c, (3, 3), (2, 1), folded=folded),  # 4
            block(3 * c, 4 * c, (3, 3), (2, 1), folded=folded),  # 2
            block(4 * c, last, (2, 3), (1, 1), folded=folded, pad=(0, 1)),  # 1
        )
        self.along = nn.ModuleList(
            block(last, last, (1, 5), (1, 1), folded=folded) for _ in range(2)
        )
        self.say = nn.Linear(last, num_class)

    def forward(self, input: torch.Tensor, text: torch.Tensor | None = None) -> torch.Tensor:  # noqa: A002 - EasyOCR's names
        """Return scores, float32[batch, steps, signs]; ``text`` is EasyOCR's, and not used."""
        # light and contrast of a crop say nothing: each is brought to the same
        mean = input.mean((2, 3), keepdim=True)
        spread = input.std((2, 3), keepdim=True)
        seen = self.see((input - mean) / (spread + 0.02))
        for layer in self.along:
            seen = seen + layer(seen)
        scores: torch.Tensor = self.say(seen.squeeze(2).transpose(1, 2))
        return scores
