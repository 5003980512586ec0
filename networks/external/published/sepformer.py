"""SepFormer (Subakan et al. 2021), trained to separate two speakers in noise and reverberation (WHAMR!)."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.speech_features import PAPER_GAIN
from networks.external.staged import StagedNetwork
from networks.external.weight_files import StateDict, Weights, read_state_dict

_SAMPLE_RATE_HZ = 8000
_NUM_SAMPLES = 2 * _SAMPLE_RATE_HZ
_KERNEL, _STRIDE = 16, 8
_CHUNK, _HOP = 250, 125  # frames
_NUM_HEADS = 8
_MAX_POSITIONS = 2500
_NUM_SPEAKERS = 2
_NUM_DUAL = 2
_PARTS = ("encoder", "masknet", "decoder")  # a file each


class SelfAttention(nn.MultiheadAttention):
    """Attention of PyTorch, with one product for queries, keys and values.

    On a CPU, PyTorch's own forward pass takes half as long again for chunks of 250 frames.
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, N, D) -> (B, N, D)."""
        projected = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        heads = projected.unflatten(-1, (3, self.num_heads, self.head_dim)).permute(
            2, 0, 3, 1, 4
        )  # (3, B, H, N, D / H)
        attended = nn.functional.scaled_dot_product_attention(*heads.unbind(0))
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """A transformer layer with norms before attention and feed-forward network.

    Args:
        num_units: Units, D.
        num_hidden: Units of the hidden layer of the feed-forward network.
    """

    def __init__(self, num_units: int, num_hidden: int) -> None:
        super().__init__()
        self.self_att = nn.ModuleDict({"att": SelfAttention(num_units, _NUM_HEADS, batch_first=True)})
        hidden, added = nn.Linear(num_units, num_hidden), nn.Linear(num_hidden, num_units)
        feed_forward = (hidden, nn.ReLU(inplace=True), nn.Identity(), added)
        self.pos_ffn = nn.ModuleDict({"ffn": nn.Sequential(*feed_forward)})
        self.norm1 = nn.ModuleDict({"norm": nn.LayerNorm(num_units, eps=1e-6)})
        self.norm2 = nn.ModuleDict({"norm": nn.LayerNorm(num_units, eps=1e-6)})

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.self_att["att"](self.norm1["norm"](x))
        added: Tensor = self.pos_ffn["ffn"](self.norm2["norm"](x))
        return x + added


class Positions(nn.Module):
    """Positional encodings: sines in even, cosines in odd columns.

    Args:
        num_units: Units, D.
    """

    def __init__(self, num_units: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, num_units, 2) * (-math.log(10_000) / num_units))
        angles = torch.arange(_MAX_POSITIONS)[:, None] * rates
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[None])

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D) with the positions added."""
        return x + self.get_buffer("pe")[:, : x.shape[1]]


class Transformer(nn.Module):
    """Positions, layers and a norm.

    Args:
        num_units: Units, D.
        num_hidden: Units of the hidden layers of the feed-forward networks.
        num_layers: Number of layers.
    """

    def __init__(self, num_units: int, num_hidden: int, num_layers: int) -> None:
        super().__init__()
        layers = nn.Sequential(*(Layer(num_units, num_hidden) for _ in range(num_layers)))
        norm = nn.ModuleDict({"norm": nn.LayerNorm(num_units, eps=1e-6)})
        self.mdl = nn.ModuleDict({"layers": layers, "norm": norm})
        self.pos_enc = Positions(num_units)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = self.mdl["layers"](self.pos_enc(x))
        normed: Tensor = self.mdl["norm"]["norm"](x)  # type: ignore[index]
        return normed


class DualPath(nn.Module):
    """Attention within chunks, then across chunks, each with a norm over the whole sound and a residual connection.

    Args:
        num_units: Units, D.
        num_hidden: Units of the hidden layers of the feed-forward networks.
        num_layers: Number of layers of each transformer.
    """

    def __init__(self, num_units: int, num_hidden: int, num_layers: int) -> None:
        super().__init__()
        self.intra_mdl = Transformer(num_units, num_hidden, num_layers)
        self.inter_mdl = Transformer(num_units, num_hidden, num_layers)
        self.intra_norm = nn.GroupNorm(1, num_units, eps=1e-8)
        self.inter_norm = nn.GroupNorm(1, num_units, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, K, S) for S chunks of K frames -> (B, D, K, S)."""
        within = self.intra_mdl(x.permute(0, 3, 2, 1).flatten(0, 1))  # (B * S, K, D)
        within = within.unflatten(0, (len(x), -1)).permute(0, 3, 2, 1)
        x = x + self.intra_norm(within)
        across = self.inter_mdl(x.permute(0, 2, 3, 1).flatten(0, 1))  # (B * K, S, D)
        across = across.unflatten(0, (len(x), -1)).permute(0, 3, 1, 2)
        return x + self.inter_norm(across)


class MaskNet(nn.Module):
    """The part that makes a mask for each speaker; what follows the transformers is loaded but not run.

    Args:
        num_units: Units, D.
        num_hidden: Units of the hidden layers of the feed-forward networks.
        num_layers: Number of layers of each transformer.
    """

    def __init__(self, num_units: int, num_hidden: int, num_layers: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, num_units, eps=1e-8)
        self.conv1d = nn.Conv1d(num_units, num_units, 1, bias=False)
        self.dual_mdl = nn.Sequential(*(DualPath(num_units, num_hidden, num_layers) for _ in range(_NUM_DUAL)))
        self.prelu = nn.PReLU()
        self.conv2d = nn.Conv2d(num_units, _NUM_SPEAKERS * num_units, 1)
        self.output = nn.Sequential(nn.Conv1d(num_units, num_units, 1))
        self.output_gate = nn.Sequential(nn.Conv1d(num_units, num_units, 1))
        self.end_conv1x1 = nn.Conv1d(num_units, num_units, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, N) -> (B, D, K, S)."""
        chunked: Tensor = self.dual_mdl(in_chunks(self.conv1d(self.norm(x))))
        return chunked


def in_chunks(x: Tensor) -> Tensor:
    """(B, D, N) frames -> (B, D, K, S): S chunks of K = 250 frames that overlap by half, in order of time.

    Zeros fill the last chunk, and half a chunk of zeros is on both sides.
    """
    gap = _CHUNK - (_HOP + x.shape[-1] % _CHUNK) % _CHUNK
    return nn.functional.pad(x, (_HOP, gap + _HOP)).unfold(2, _CHUNK, _HOP).transpose(2, 3)


class SepFormer(nn.Module):
    """The network up to the transformers: a convolution on the waveform and attention within and across chunks.

    The decoder is loaded but not run: no stage is behind it.

    Args:
        num_units: Units, D.
        num_hidden: Units of the hidden layers of the feed-forward networks.
        num_layers: Number of layers of each of the four transformers.
    """

    def __init__(self, *, num_units: int = 256, num_hidden: int = 1024, num_layers: int = 8) -> None:
        super().__init__()
        convolution = nn.Conv1d(1, num_units, _KERNEL, stride=_STRIDE, bias=False)
        self.encoder = nn.ModuleDict({"conv1d": convolution, "relu": nn.ReLU()})
        self.masknet = MaskNet(num_units, num_hidden, num_layers)
        self.decoder = nn.ConvTranspose1d(num_units, 1, _KERNEL, stride=_STRIDE, bias=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 8 kHz -> (B, D, K, S), what the masks are made of."""
        frames = self.encoder["relu"](self.encoder["conv1d"](waveform.unsqueeze(1)))
        chunked: Tensor = self.masknet(frames)
        return chunked


def _stages(num_layers: int) -> dict[str, Stage]:
    """Name what each feed-forward network adds, in the order of computing."""
    stages = {"Embedding": Stage("encoder.relu", "batch features time")}
    for dual in range(_NUM_DUAL):
        for part in ("intra_mdl", "inter_mdl"):
            for layer in range(num_layers):
                path = f"masknet.dual_mdl.{dual}.{part}.mdl.layers.{layer}.pos_ffn.ffn.3"
                stages[f"Encoder_{len(stages)}"] = Stage(path, "(batch tokens) tokens features")
    return stages


def _read(weights: Weights) -> StateDict:
    """Read the published folder, which has a file for each part, or a state dict of all."""
    if isinstance(weights, Mapping) or not Path(weights).is_dir():
        return read_state_dict(weights)
    missing = [f"{part}.ckpt" for part in _PARTS if not Path(weights, f"{part}.ckpt").is_file()]
    if missing:
        raise FileNotFoundError(
            f"{weights}: expected a folder with {', '.join(f'{part}.ckpt' for part in _PARTS)}; "
            f"missing: {', '.join(missing)}"
        )
    tensors = {
        f"{part}.{name}": tensor
        for part in _PARTS
        for name, tensor in read_state_dict(Path(weights, f"{part}.ckpt")).tensors.items()
    }
    return StateDict(tensors, str(weights))


def sepformer(
    weights: Weights | None = None,
    *,
    num_samples: int = _NUM_SAMPLES,
    gain: float = PAPER_GAIN,
    num_units: int = 256,
    num_hidden: int = 1024,
    num_layers: int = 8,
) -> StagedNetwork:
    """SepFormer: the convolution on the waveform, and what each feed-forward network adds, 33 stages.

    The latter are averaged over chunks and positions, including the zeros that chunks are padded with.

    Args:
        weights: Folder with `encoder.ckpt`, `masknet.ckpt` and `decoder.ckpt`, or a state dict or file of all of them
            with names such as `encoder.conv1d.weight`; None makes an untrained network.
        num_samples: Samples of a sound at 8 kHz, at least 16.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        num_units: Units of the encoder and of each layer; 256 in the published weights.
        num_hidden: Units of the hidden layers of the feed-forward networks; 1024 in the published weights.
        num_layers: Layers of each of the four transformers; 8 in the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: A file cannot be read safely, or its weights do not fit.
    """
    return assemble(
        SepFormer(num_units=num_units, num_hidden=num_hidden, num_layers=num_layers),
        _stages(num_layers),
        weights=None if weights is None else _read(weights),
        preprocess=nn.Identity(),
        sample_rate_hz=_SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=_KERNEL,
        gain=gain,
    )
