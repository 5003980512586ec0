"""Band envelopes at the frame rate from short inverse FFTs: the direct method's result, many times faster."""

from networks.front_ends.multirate.envelopes import MultirateEnvelopes

__all__ = ["MultirateEnvelopes"]
