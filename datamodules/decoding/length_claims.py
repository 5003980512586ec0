"""Sound files that hold less than their headers claim.

libsndfile reads what is there of a file that was cut short, and says so only in its log of the header and of the
reading. Formats whose headers claim nothing (IRCAM, PVF, raw PAF, XI) cannot be judged.
"""

import re
from collections.abc import Callable, Iterator

_CHUNK = re.compile(r"^ *(?:data|SSND|BODY|Data Size|riff) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
"""Size of a chunk in bytes as claimed, and as found."""
_MATLAB_BYTES = re.compile(r"File seems to be truncated\. (?P<found>\d+) <--> (?P<claimed>\d+)")
_PSION_BYTES = re.compile(r"^Data length (?P<claimed>\d+) should be (?P<found>\d+)", re.MULTILINE)
_RF64_SAMPLES = re.compile(
    r"Calculated frame count (?P<found>\d+) does not match value from 'ds64' chunk of (?P<claimed>\d+)"
)
_SAMPLES = {
    "AVR": re.compile(r"^ *Frames *: (\d+)", re.MULTILINE),
    "MPC2K": re.compile(r"^ *Frames *: (\d+)", re.MULTILINE),
    "MAT5": re.compile(r"^ *Rows : \d+ *Cols : (\d+)", re.MULTILINE),
    "NIST": re.compile(r"^sample_count -i (\d+)", re.MULTILINE),
}
"""Number of samples as claimed, in formats whose log does not compare it; the last one counts."""
_IS_CUT = re.compile(r"file seems to be truncated|seems to be a truncated file|Warning : short read", re.IGNORECASE)
_JUDGED_BY_FORMAT = ("OGG", "CAF", *_SAMPLES)
_IS_WORTH_READING = re.compile(r"should be|truncated|short read|does not match", re.IGNORECASE)
_RIFF_SIZE = re.compile(r"^RIFF *: (\d+)", re.MULTILINE)

_CAF_BYTES = re.compile(r"^data : (\d+)", re.MULTILINE)
_CAF_BYTES_PER_SAMPLE = re.compile(r"^ *Bytes / packet *: (\d+)", re.MULTILINE)
_CAF_SAMPLES = re.compile(r"^ *Valid frames *: (\d+)", re.MULTILINE)
_CAF_EDIT_BYTES = 4

_GSM_BYTES = re.compile(r"^data : (\d+)(?: \(should be (\d+)\))?", re.MULTILINE)
_GSM_BLOCK_BYTES, _GSM_BLOCK_SAMPLES = 65, 320
"""A block of GSM 06.10 in a WAV file."""

NO_OGG_END = "its Ogg stream stops without its mark of the end"
_OGG_HAS_NO_END = re.compile(r"without an End-Of-Stream flag|lacks an end-of-stream bit|Junk after the last page")

NIST_HEADER_BYTES = 1024

_UNKNOWN_SIZES = frozenset(
    size - header for size in (0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF) for header in (0, 8, 36, 44)
)
"""Sizes that programs write into WAV headers when they write into a pipe, where the size is not known."""


def shortfall(log: str, format_name: str, num_samples: int, read_header: Callable[[], str]) -> str | None:
    """Compare what a file claims to hold with what it holds.

    Args:
        log: libsndfile's log of the file, best after the reading.
        format_name: libsndfile's name of the format, such as "WAV".
        num_samples: Samples per channel that libsndfile finds.
        read_header: Gives the first bytes of the file as text; called for formats that libsndfile does not log.

    Returns:
        What is missing, in words and numbers; None if the file holds what it claims, or claims nothing.
    """
    if format_name not in _JUDGED_BY_FORMAT and not _IS_WORTH_READING.search(log):
        return None  # nearly always, and fast
    if format_name == "OGG":
        return NO_OGG_END if _OGG_HAS_NO_END.search(log) else None
    for held, claimed, unit in _claims(log, format_name, num_samples, read_header):
        if claimed > held:
            return f"it holds {held} of the {claimed} {unit} that its header claims"
    return "its last block is incomplete" if _IS_CUT.search(log) and not _is_from_a_pipe(log) else None


def _claims(
    log: str, format_name: str, num_samples: int, read_header: Callable[[], str]
) -> Iterator[tuple[int, int, str]]:
    """What a file holds, what it claims, and the unit of both."""
    samples, num_bytes = "samples per channel", "bytes of sound"
    if format_name == "CAF":
        yield num_samples, _caf_claim(log), samples
    if format_name in _SAMPLES:
        claims = _SAMPLES[format_name].findall(read_header() if format_name == "NIST" else log)
        yield num_samples, int(claims[-1]) if claims else 0, samples
    for pattern, unit in ((_RF64_SAMPLES, samples), (_MATLAB_BYTES, num_bytes), (_PSION_BYTES, num_bytes)):
        if found := pattern.search(log):
            yield int(found["found"]), int(found["claimed"]), unit
    for claimed, held in (map(int, sizes) for sizes in _CHUNK.findall(log)):
        yield held, 0 if _is_unknown(claimed, log) else claimed, num_bytes


def samples_of_gsm(log: str, num_samples: int) -> int:
    """Samples in a WAV file of GSM 06.10: libsndfile counts the byte that makes its size even as another block."""
    found = _GSM_BYTES.search(log)
    if found is None:
        return num_samples
    num_bytes = min(int(size) for size in found.groups() if size)
    return min(num_samples, -(-num_bytes // _GSM_BLOCK_BYTES) * _GSM_BLOCK_SAMPLES)


def _caf_claim(log: str) -> int:
    """Samples per channel that the header of a CAF file claims; 0 if that cannot be said."""
    if found := _CAF_SAMPLES.search(log):
        return int(found[1])
    num_bytes, per_sample = _CAF_BYTES.search(log), _CAF_BYTES_PER_SAMPLE.search(log)
    if num_bytes is None or per_sample is None or not int(per_sample[1]) or int(num_bytes[1]) >= 2**62:
        return 0
    return (int(num_bytes[1]) - _CAF_EDIT_BYTES) // int(per_sample[1])


def _is_unknown(size: int, log: str) -> bool:
    """Whether the size of a chunk is a placeholder, as the size of the whole file is then too."""
    riff = _RIFF_SIZE.search(log)
    return riff is not None and size in _UNKNOWN_SIZES and (int(riff[1]) == 0 or int(riff[1]) >= min(_UNKNOWN_SIZES))


def _is_from_a_pipe(log: str) -> bool:
    return any(_is_unknown(int(claimed), log) for claimed, _ in _CHUNK.findall(log))
