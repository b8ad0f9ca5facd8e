"""Coloured noise: Gaussian series whose power falls with the frequency, f^-exponent.

White noise is of exponent 0, pink of 1, Brownian motion of 2: the larger, the slower the series. Timmer, König (1995),
"On generating power law noise": independent Gaussian Fourier coefficients with the deviation f^(-exponent/2), and back.
"""

from __future__ import annotations

import torch
from torch import Tensor


def parts(steps: int) -> int:
    """Pairs of numbers that a series of so many steps is made of."""
    return steps // 2 + 1


def coloured(white: Tensor, steps: int, exponent: float) -> Tensor:
    """[..., steps] of series, each number of mean 0 and variance 1, from standard normal ``white`` [..., parts, 2].

    The mean of a series is not 0: its lowest frequency is as strong as the next.
    """
    if steps == 1:
        return white[..., 0, :1]
    frequency = torch.fft.rfftfreq(steps).to(white)
    frequency[0] = frequency[1]
    scale = frequency ** (-exponent / 2)
    whole = torch.zeros_like(scale, dtype=torch.bool)  # coefficients without an imaginary part
    whole[0] = True
    whole[-1] = steps % 2 == 0
    real = scale * torch.where(whole, white[..., 0] * 2**0.5, white[..., 0])
    imaginary = torch.where(whole, 0.0, scale * white[..., 1])
    # the variance of each number: a coefficient that is not whole stands for two, and each has two parts
    power = torch.where(whole, 2 * scale.square(), 4 * scale.square()).sum() / steps**2
    return torch.fft.irfft(torch.complex(real, imaginary), n=steps) / power.sqrt()
