"""Files of external networks as their authors published them, with what these hold in addition to weights."""

import collections
import enum
import operator
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class _Attributes:
    """An object whose attributes are pickled."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class _TypeOfPython36:
    """`typing.Dict[str, int]`, as Python 3.6 pickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.getitem, (typing.Dict, (str, int))  # noqa: UP006


@contextmanager
def _installed(*paths: str) -> Iterator[list[Any]]:
    """Classes with these full names in modules of their own, until the end; those that end with Enum are enums."""
    before = set(sys.modules)
    made: list[Any] = []
    for path in paths:
        module, _, name = path.rpartition(".")
        parts = module.split(".")
        for package in (".".join(parts[: count + 1]) for count in range(len(parts))):
            sys.modules.setdefault(package, types.ModuleType(package))
        if name.endswith("Enum"):
            made.append(enum.Enum(name, {"member": "value"}, module=module))
        else:
            made.append(type(name, (_Attributes,), {"__module__": module}))
        setattr(sys.modules[module], name, made[-1])
    try:
        yield made
    finally:
        for package in set(sys.modules) - before:
            del sys.modules[package]


def save_vggish(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A state dict of 2019, in the format before PyTorch 1.6, next to the weights of the PCA."""
    torch.save(dict(weights), folder / "vggish-10086976.pth", _use_new_zipfile_serialization=False)
    pca = {"pca_eigen_vectors": torch.zeros(128, 128), "pca_means": torch.zeros(128, 1)}
    torch.save(pca, folder / "vggish_pca_params-970ea276.pth", _use_new_zipfile_serialization=False)
    return folder / "vggish-10086976.pth"


def save_sepformer(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A folder with one state dict for each part, and the settings of the training software."""
    for part in ("encoder", "masknet", "decoder"):
        tensors = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(f"{part}.")}
        torch.save(collections.OrderedDict(tensors), folder / f"{part}.ckpt")
    (folder / "hyperparams.yaml").write_text("sample_rate: 8000\nEncoder: !new:speechbrain.lobes.Encoder\n")
    return folder


def save_deepspeech2(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A checkpoint of Lightning 1.1, with settings of OmegaConf and classes of the training software."""
    with _installed(
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.nodes.AnyNode",
        "omegaconf.base.ContainerMetadata",
        "deepspeech_pytorch.enums.WindowEnum",
        "deepspeech_pytorch.configs.train_config.SpectConfig",
        "deepspeech_pytorch.checkpoint.FileCheckpointHandler",
    ) as (settings, node, container_metadata, window, spect_config, handler):
        metadata = container_metadata(element_type=typing.Any, flags=collections.defaultdict(int, readonly=1))
        spectrum = spect_config(sample_rate=16000, window=window.member)
        content = {"hidden_size": node(_val=1024, _metadata=metadata), "spect": spectrum}
        model = settings(_metadata=metadata, _content=content, _parent=None, types=[int, float, dict, tuple])
        checkpoint = {
            "epoch": 30,
            "global_step": 600_000,
            "pytorch-lightning_version": "1.1.0",
            "state_dict": collections.OrderedDict(weights),
            "callbacks": {handler: {"best_model_score": torch.tensor(0.1), "best_model_path": "x"}},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}],
            "lr_schedulers": [{"gamma": 0.99, "last_epoch": 30, "_step_count": 31}],
            "hparams_name": "kwargs",
            "hyper_parameters": {
                "model_cfg": model,
                "rnn_type": torch.nn.modules.rnn.LSTM,
                "labels": ["_", "'", "A"],
                "spect_cfg": spectrum,
                "anything": (typing.Any, typing.Tuple, _TypeOfPython36(), Ellipsis),  # noqa: UP006
            },
        }
        torch.save(checkpoint, folder / "librispeech_pretrained_v3.ckpt")
    return folder / "librispeech_pretrained_v3.ckpt"


def save_vqvae(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A checkpoint of training with the encoder among decoder, optimiser and schedule."""
    checkpoint = {
        "encoder": collections.OrderedDict(weights),
        "decoder": {"rnn1.weight_ih_l0": torch.zeros(3, 2)},
        "optimizer": {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]},
        "amp": {"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 10}},
        "scheduler": {"milestones": collections.Counter([300_000, 400_000]), "gamma": 0.5, "last_epoch": 5},
        "step": 500_000,
    }
    torch.save(checkpoint, folder / "model.ckpt-500000.pt")
    return folder / "model.ckpt-500000.pt"


def save_dcase2020(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A state dict."""
    torch.save(collections.OrderedDict(weights), folder / "dcase_model_baseline_pre_trained.pt")
    return folder / "dcase_model_baseline_pre_trained.pt"


def save_metricgan(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """A state dict."""
    torch.save(collections.OrderedDict(weights), folder / "enhance_model.ckpt")
    return folder / "enhance_model.ckpt"


SAVE = {
    "VGGish": save_vggish,
    "SepFormer": save_sepformer,
    "DeepSpeech2": save_deepspeech2,
    "VQVAE": save_vqvae,
    "DCASE2020": save_dcase2020,
    "MetricGAN": save_metricgan,
}
