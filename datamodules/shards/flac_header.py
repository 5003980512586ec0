"""The header of FLAC data, which holds a digest of the samples: sounds are compared without decoding them."""

FLAC_HEADER_BYTES = 42
"""Size of FLAC's marker with its first block, STREAMINFO, at whose end is the MD5 digest of the samples (RFC 9639)."""
_MD5_BYTES = 16


def flac_digest(flac: bytes) -> str:
    """Read the MD5 digest of the samples from the header of FLAC data; "" if there is none.

    Args:
        flac: The data, at least the first `FLAC_HEADER_BYTES` of them.
    """
    digest = flac[FLAC_HEADER_BYTES - _MD5_BYTES : FLAC_HEADER_BYTES]
    return digest.hex() if flac.startswith(b"fLaC") and any(digest) else ""
