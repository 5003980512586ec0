"""Model cards: what a network is, what it was trained on, how well it does, and how to use it."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from networks.commands.program import program
from networks.files.strict_yaml import parse_yaml
from networks.weights.checkpoint import STARTED_FROM, LoadedCheckpoint

NOT_STATED = "not stated"
_OF_NOISE = ("snr_db", "signal_only_fraction", "noise_only_fraction", "noise_sampling")
"""Settings of the data that mean something only with noise."""
_DATA = ("signal", "noise", *_OF_NOISE, "duration_s", "sample_rate_hz")
_TRAINING = ("optimizer", "objectives", "label_smoothing", "ema_decay", "init_from", "freeze")
_SUMMARY = ("condition", "task", "metric", "value", "chance")
_BEFORE = "before_training"
"""Column of brain scores, which have no chance level: the score before the first step."""


def model_card(
    loaded: LoadedCheckpoint, *, folder: str, config: str = "", summary: str = "", licence: str = "", code: str = ""
) -> str:
    """Write a model card in Markdown, with the front matter that hubs of models read.

    Args:
        loaded: The network with its tasks.
        folder: Name of the folder that has the weights.
        config: Configuration of the run, as YAML; empty if unknown.
        summary: Results of the run, as CSV; empty if unknown.
        licence: Licence of the weights; empty if it is not stated.
        code: Which code of its author the network needs, and how it is found; empty if it needs none.

    Returns:
        The card.
    """
    name = loaded.run or folder
    sections = [
        _front_matter(licence),
        f"# {name}\n\nA model of the auditory system, trained with cochlearn.",
        _section("Network", _network(loaded)),
        _section("Tasks", _tasks(loaded.tasks)),
        _section("Training", _training(loaded, config)),
        _section("Data", _data(config)),
        _section("Results", _results(summary)),
        _section("Licence", [f"{licence or NOT_STATED}. Check that it fits those of the training data."]),
        _section("Code", [f"{code[0].upper()}{code[1:]}."] if code else []),
        _section("Use", _use(folder)),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(licence: str) -> str:
    return "\n".join(
        ["---", f"license: {licence or 'unknown'}", "library_name: cochlearn", "tags: [auditory-model, audio]", "---"]
    )


def _section(title: str, lines: Sequence[str] | Iterator[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def _network(loaded: LoadedCheckpoint) -> Iterator[str]:
    network = loaded.network
    front_end = network.front_end
    bands, frames = front_end.output_shape
    parameters = sum(parameter.numel() for parameter in network.parameters())
    yield f"- Backbone: {type(network.backbone).__name__}, {_arguments(network.backbone.init_args)}"
    yield f"- Front end: {type(front_end).__name__}, {bands} bands x {frames} frames, {_arguments(front_end.init_args)}"
    seconds = network.num_samples / network.sample_rate_hz
    yield f"- Input: {seconds:g} s of sound at {network.sample_rate_hz} Hz"
    yield f"- Parameters: {parameters}"
    yield f"- Stages: {', '.join(network.stages)}"


def _tasks(tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not tasks:
        yield "None: the network learnt without labels."
        return
    yield "| task | kind | about | classes |"
    yield "| --- | --- | --- | --- |"
    for task in tasks:
        labels = task.get("labels", ())
        shown = ", ".join(str(label) for label in labels[:6]) + (", ..." if len(labels) > 6 else "")
        yield f"| {task['name']} | {task.get('kind', '')} | {task.get('side', '')} | {len(labels)}: {_cell(shown)} |"
    yield ""
    yield "All labels are in `model.json`."


def _training(loaded: LoadedCheckpoint, config: str) -> Iterator[str]:
    yield f"- Steps: {loaded.step}; complete passes over the signals: {loaded.epoch}"
    values = _group(config, "model")
    if values.get("init_from"):
        yield f"- {STARTED_FROM.replace('_', ' ').capitalize()}: `{values['init_from']}`"
    yield from _settings(config, "model", _TRAINING)
    if _group(config, "schedule").get("length"):  # without one, its unit says nothing
        yield from _settings(config, "schedule", ("unit", "length", "warm_up", "cosine", "drop_every"))
    yield from _settings(config, "data", ("batch_size", "global_batch_size", "seed"))
    if config:
        yield "- The whole recipe: `config.yaml`"


def _data(config: str) -> Iterator[str]:
    """The settings of the data that had an effect."""
    values = _group(config, "data")
    has_noise = not values or values.get("noise") is not None
    yield from _settings(config, "data", [name for name in _DATA if has_noise or name not in _OF_NOISE])
    if not has_noise:
        yield "- noise: none, the network was trained in quiet"


def _settings(config: str, group: str, names: Sequence[str]) -> Iterator[str]:
    """The settings of a group of the configuration that are given."""
    values = _group(config, group)
    for name in names:
        value = values.get(name)
        if value not in (None, [], {}, "", False):
            yield f"- {name.replace('_', ' ')}: `{_shown(value)}`"


def _group(config: str, group: str) -> dict[str, Any]:
    loaded = parse_yaml(config, "config.yaml") if config else None
    values = loaded.get(group) if isinstance(loaded, dict) else None
    return values if isinstance(values, dict) else {}


def _results(summary: str) -> Iterator[str]:
    rows = list(csv.DictReader(io.StringIO(summary)))
    if not rows:
        return
    columns = [*_SUMMARY, *([_BEFORE] if any(row.get(_BEFORE) for row in rows) else [])]
    yield f"| {' | '.join(name.replace('_', ' ') for name in columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in rows:
        yield f"| {' | '.join(_cell(_number(row.get(name) or '')) for name in columns)} |"


def _use(folder: str) -> Iterator[str]:
    yield from ("```python", "import networks", "", f'network = networks.load_network("{folder}").network', "```", "")
    yield from ("```bash", f"{program('evaluate', 'score')} {folder} --benchmark simulated --out scores", "```")


def _arguments(arguments: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in arguments.items() if value is not None}
    return ", ".join(f"{name} {_shown(value)}" for name, value in plain.items()) or "with default settings"


def _shown(value: Any) -> str:
    """A value as text: a class with its arguments, or plain."""
    if isinstance(value, Mapping) and "class_path" in value:
        inside = ", ".join(f"{name}={each}" for name, each in (value.get("init_args") or {}).items())
        return f"{value['class_path']}({inside})"
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    return str(value)


def _number(text: str) -> str:
    try:
        return f"{float(text):.3f}"
    except ValueError:
        return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
