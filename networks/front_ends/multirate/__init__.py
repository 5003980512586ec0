"""Band envelopes at the frame rate from short inverse FFTs: the result of the direct method, many times faster.

The steps for each band, with the file that explains them:

1. `band_groups`: the band's bins of the spectrum, centred on 0, go through an inverse FFT of M points.
2. `interpolation`: a matrix product makes H points of these M.
3. `low_pass`: the magnitudes at these points are low-passed and decimated to frames.

`envelopes` runs the steps with PyTorch's operators, `fused` as compiled code on CPUs, `device` as Triton kernels on
GPUs, and `faster` measures which is faster. `calibration` measures how many points each band needs, and `chosen` keeps
the result.
"""

from networks.front_ends.multirate.envelopes import MultirateEnvelopes

__all__ = ["MultirateEnvelopes"]
