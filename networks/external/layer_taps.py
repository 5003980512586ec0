"""Find the layers of an encoder by its structure, and read their outputs as stages."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from networks.external.stage_layouts import first_tensor

EMBEDDINGS, OUTPUT = "embeddings", "output"
_MAX_CHANNELS = 2  # of a waveform
_MAX_CLASS_TOKENS = 3  # what encoders of patches put in front of them


class _Call(NamedTuple):
    """One call of a module: the tensor it got first, and what it returned."""

    inputs: Tensor | None
    output: object


class _Patches(NamedTuple):
    """The positions of embeddings as patches of a picture: class tokens, then the patches row by row."""

    num_class_tokens: int
    height: int
    width: int
    axes: tuple[str, str]

    @property
    def num_positions(self) -> int:
        return self.num_class_tokens + self.height * self.width

    def arranged(self, value: Tensor) -> Tensor:
        """(B, positions, D) -> (B, height, width, D), without class tokens."""
        return value[:, self.num_class_tokens :].unflatten(1, (self.height, self.width))


class Frames(NamedTuple):
    """How many frames or samples of an encoder's input are of the sound, and how many there are with its padding."""

    sound: int = 1
    total: int = 1

    def kept(self, num_frames: int) -> int:
        """Number of frames of a stage that are, at least in part, of the sound."""
        return -(-num_frames * self.sound // self.total)


ALL_FRAMES = Frames()


class LayerTaps(nn.Module):
    """An encoder with its layers as stages.

    The layers are the items of the list of modules with most weights, of those that a forward pass reaches and, if this
    is known and there is one, that have the right number of items.

    - `embeddings`: input of the first layer, without this stage if that is a waveform;
    - `layers.0`, `layers.1`, ...: outputs of the layers;
    - `output`: what the encoder returns, if it is not the output of the last layer, for example because it is
      normalised.

    The structure also tells the axes. Layers with linear or normalising modules have features last, convolutions have
    time last. If a two-dimensional convolution cuts the input into as many patches as the layers have positions, these
    are split into bands and frames, without class tokens in front. Patches of a picture that does not have the frames
    of the input as an axis are tokens without time.

    Args:
        encoder: The encoder.
        inputs: Its input for `num_sounds` sounds: a tensor, or a dictionary of keyword arguments.
        num_sounds: Number of sounds in the input, more than one.
        method: Name of the method that runs it.
        num_layers: Number of layers, if it is known.
        frames: Frames of the input that are of the sound: those of the padding are left out of all stages with time.

    Raises:
        ValueError: The encoder has no list of layers, or the axes of a stage are unclear.
    """

    def __init__(
        self,
        encoder: nn.Module,
        inputs: Tensor | Mapping[str, Any],
        *,
        num_sounds: int,
        method: str = "forward",
        num_layers: int | None = None,
        frames: Frames = ALL_FRAMES,
    ) -> None:
        super().__init__()
        self.encoder, self.method, self.frames = encoder, method, frames
        calls, result = self._record(inputs, _candidates(encoder))
        self.list_path = _list_of_layers(encoder, calls, num_layers)
        self.owner = self.list_path.rpartition(".")[0]
        items = [path for path in _items(self.list_path, encoder) if path in calls]
        self._sources = {f"layers.{number}": path for number, path in enumerate(items)}
        self.patches = _patches(encoder, calls, calls[items[0]][0].inputs, inputs)
        layers, last = encoder.get_submodule(self.list_path), list(self._sources)[-1]
        self.returns = False
        inner = self._values(calls, result)[last][0]
        num_features = inner.shape[_axes(last, inner, layers, num_sounds, self.patches).index("features")]
        returned = _returned(result)
        # Codecs return codes and networks with heads logits: the module that owns the layers returns activations.
        self.returns = returned is not None and num_features in returned.shape[1:]
        values = {stage: parts[0] for stage, parts in self._values(calls, result).items()}
        if OUTPUT in values and _same(values[OUTPUT], inner):
            del values[OUTPUT]
        self.layouts: dict[str, str] = {}
        for stage, value in values.items():
            axes = _axes(stage, value, layers, num_sounds, self.patches)
            if stage != EMBEDDINGS or value.shape[axes.index("features")] > _MAX_CHANNELS:
                self.layouts[stage] = " ".join(axes)
        self.taps = nn.ModuleList(nn.Identity() for _ in self.layouts)

    def stage_paths(self) -> dict[str, str]:
        """Path of the module of each stage, in order."""
        return {stage: f"taps.{number}" for number, stage in enumerate(self.layouts)}

    def forward(self, *args: Any, **keywords: Any) -> object:
        """Run the encoder, then pass each stage through its tap."""
        calls, result = self._record(keywords or args[0], {*self._sources.values(), self.owner})
        values = self._values(calls, result)
        for (stage, layout), tap in zip(self.layouts.items(), self.taps, strict=True):
            axes = layout.split()
            chunks = values[stage]
            if "time" in axes:
                time = axes.index("time")
                joined = torch.cat(chunks, dim=time) if len(chunks) > 1 else chunks[0]
                tap(joined.narrow(time, 0, self.frames.kept(joined.shape[time])))
            else:
                tap(chunks[0])
        return result

    def _values(self, calls: Mapping[str, list[_Call]], result: object) -> dict[str, list[Tensor]]:
        """The tensors of each stage, several if the encoder runs on chunks of a sound."""
        outputs = {stage: [call.output for call in calls[path]] for stage, path in self._sources.items()}
        if self.returns or self.owner in calls:
            outputs[OUTPUT] = [_returned(result)] if self.returns else [call.output for call in calls[self.owner]]
        first = calls[next(iter(self._sources.values()))]
        values: dict[str, list[Tensor | None]] = {EMBEDDINGS: [call.inputs for call in first]}
        values |= {stage: [first_tensor(output) for output in found] for stage, found in outputs.items()}
        return {stage: [self._arranged(stage, part) for part in parts] for stage, parts in values.items()}

    def _arranged(self, stage: str, value: Tensor | None) -> Tensor:
        if value is None:
            raise ValueError(f"stage {stage!r} gives no tensor")
        is_row = self.patches is not None and value.ndim == 3 and value.shape[1] == self.patches.num_positions
        return self.patches.arranged(value) if self.patches is not None and is_row else value

    def _record(
        self, inputs: Tensor | Mapping[str, Any], paths: Iterable[str]
    ) -> tuple[dict[str, list[_Call]], object]:
        """Run the encoder; returns the calls of some modules by path, and the result."""
        calls: dict[str, list[_Call]] = {}
        run = self.encoder if self.method == "forward" else getattr(self.encoder, self.method)
        with _listening({path: self.encoder.get_submodule(path) for path in paths}, calls):
            result = run(**inputs) if isinstance(inputs, Mapping) else run(inputs)
        return calls, result

    def extra_repr(self) -> str:
        """List the settings."""
        return f"{self.method}, layers={self.list_path}, frames={tuple(self.frames)}, patches={self.patches}"


@contextmanager
def _listening(modules: Mapping[str, nn.Module], calls: dict[str, list[_Call]]) -> Iterator[None]:
    def hook_for(path: str) -> Callable[..., None]:
        def listen(_module: nn.Module, args: tuple, keywords: dict[str, Any], output: object) -> None:
            calls.setdefault(path, []).append(_Call(first_tensor((*args, *keywords.values())), output))

        return listen

    with ExitStack() as stack:
        for path, module in modules.items():
            handle: RemovableHandle = module.register_forward_hook(hook_for(path), with_kwargs=True)
            stack.callback(handle.remove)
        yield


def _items(path: str, encoder: nn.Module) -> list[str]:
    return [f"{path}.{name}" for name, _ in encoder.get_submodule(path).named_children()]


def _lists(encoder: nn.Module) -> list[str]:
    """Paths of the lists of several modules that are in no other such list."""
    found: list[str] = []
    for path, module in encoder.named_modules():
        is_list = isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1
        if is_list and path and not any(path.startswith(f"{other}.") for other in found):
            found.append(path)
    return found


def _candidates(encoder: nn.Module) -> set[str]:
    """Paths of the modules whose outputs tell where the layers are, and what their axes are."""
    lists = _lists(encoder)
    items = {item for path in lists for item in _items(path, encoder)}
    owners = {path.rpartition(".")[0] for path in lists}
    return items | owners | {path for path, module in encoder.named_modules() if isinstance(module, nn.Conv2d)}


def _list_of_layers(encoder: nn.Module, calls: Mapping[str, list[_Call]], num_layers: int | None) -> str:
    """Path of the list of modules with most weights, of those of which several modules are called."""
    lengths = {path: sum(item in calls for item in _items(path, encoder)) for path in _lists(encoder)}
    lists = [path for path, length in lengths.items() if length == num_layers] or [
        path for path, length in lengths.items() if length > 1
    ]
    if not lists:
        raise ValueError(f"{type(encoder).__name__} has no list of layers: name its stages with networks.StagedNetwork")
    return max(lists, key=lambda path: sum(weight.numel() for weight in encoder.get_submodule(path).parameters()))


def _returned(result: object) -> Tensor | None:
    """The activation that an encoder returns; None for codes or logits."""
    value = result.get("last_hidden_state") if isinstance(result, Mapping) else first_tensor(result)
    return value if isinstance(value, Tensor) and value.is_floating_point() else None


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _patches(
    encoder: nn.Module,
    calls: Mapping[str, list[_Call]],
    embeddings: Tensor | None,
    inputs: Tensor | Mapping[str, Any],
) -> _Patches | None:
    """Find the two-dimensional convolution whose pixels are the positions of the embeddings; None if there is none."""
    if embeddings is None or embeddings.ndim != 3:
        return None
    given = first_tensor(inputs)
    num_frames = given.shape[1] if given is not None and given.ndim == 3 else 0  # of a mel spectrogram (B, N, F)
    for path, found in calls.items():
        picture, image = found[0].output, found[0].inputs
        if not (isinstance(encoder.get_submodule(path), nn.Conv2d) and isinstance(picture, Tensor)):
            continue
        height, width = picture.shape[-2:]
        extra = embeddings.shape[1] - height * width
        if min(height, width) > 1 and 0 <= extra <= _MAX_CLASS_TOKENS and image is not None:
            is_time = [size == num_frames for size in image.shape[-2:]]
            words = ("time" if time and sum(is_time) == 1 else "tokens" for time in is_time)
            return _Patches(extra, height, width, (next(words), next(words)))
    return None


def _axes(stage: str, value: Tensor, layers: nn.Module, num_sounds: int, patches: _Patches | None) -> list[str]:
    """Say what each axis is, one word per axis."""
    if value.ndim < 2 or len(value) != num_sounds:
        raise ValueError(
            f"stage {stage!r} has no axis for {num_sounds} sounds in front: its shape is {tuple(value.shape)}; name "
            "the stages and their layout with networks.StagedNetwork"
        )
    linear = {size for module in layers.modules() for size in _sizes_last(module)}
    convolved = {
        size
        for module in layers.modules()
        if isinstance(module, nn.Conv1d)
        for size in (module.in_channels, module.out_channels)
    }
    shape, position = value.shape[1:], "time" if patches is None else "tokens"
    if len(shape) == 1:
        return ["batch", "features"]
    if patches is not None and shape[:-1] == (patches.height, patches.width):
        return ["batch", *patches.axes, "features"]
    if len(shape) == 2 and shape[1] in linear:
        return ["batch", position, "features"]
    if (len(shape) == 2 and shape[0] in convolved) or (len(shape) == 3 and patches is not None):
        return ["batch", "features"] + [position] * (len(shape) - 1)
    raise ValueError(
        f"cannot tell which axes of stage {stage!r} are time and features: its shape is {tuple(value.shape)} for "
        f"{num_sounds} sounds; name the stages and their layout with networks.StagedNetwork"
    )


def _sizes_last(module: nn.Module) -> tuple[int, ...]:
    """Sizes of the last axis that a module takes or returns."""
    if isinstance(module, nn.Linear):
        return (module.in_features, module.out_features)
    return tuple(module.normalized_shape[-1:]) if isinstance(module, nn.LayerNorm) else ()
