"""Small files in exactly the layout of the public release, pickles of old pandas included."""

import io
import pickle
from pathlib import Path
from types import FunctionType
from typing import ClassVar

import numpy as np
import pandas as pd
import soundfile
from scipy.io import savemat

NUM_SOUNDS = 8
NUM_EXTRA_SOUNDS = 3
NAMES = tuple(f"stim{number}_sound" for number in range(NUM_SOUNDS))
CATEGORIES = ("Music", "EngSpeech") * (NUM_SOUNDS // 2)
COMPONENTS = ("lowfreq", "music")
STIMULUS_FIELDS = [("filename", "S40"), ("id", "i8"), ("length_s", "f8"), ("index", "i8"), ("category", "S20")]
VOXEL_FIELDS = [("voxel_id", "i8"), ("subj_idx", "i8"), ("x_ras", "f8"), ("hemi", "S2"), ("n_reps", "i8")]


def _fake(module, name):
    """A class of a library that is not there, to be named in pickles."""
    return type(name, (), {"__module__": module, "__qualname__": name, "__getstate__": lambda self: self.state})


def _fake_function(module, name):
    def function():
        raise AssertionError("was called")

    function.__module__, function.__qualname__ = module, name
    return function


DataFrame = _fake("pandas.core.frame", "DataFrame")
BlockManager = _fake("pandas.core.internals.managers", "BlockManager")
Index = _fake("pandas.core.indexes.base", "Index")
Int64Index = _fake("pandas.core.indexes.numeric", "Int64Index")
RangeIndex = _fake("pandas.core.indexes.range", "RangeIndex")
new_index = _fake_function("pandas.core.indexes.base", "_new_Index")
unpickle_block = _fake_function("pandas._libs.internals", "_unpickle_block")


class Reduced:
    """Is pickled as a call."""

    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


class OldPickler(pickle._Pickler):
    """Writes names of classes as they are stated, those of NumPy as NumPy 1 has them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_global(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        name = name or obj.__qualname__
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[FunctionType] = save_global


def old_dumps(obj, protocol=4):
    file = io.BytesIO()
    OldPickler(file, protocol).dump(obj)
    return file.getvalue()


def made(cls, state):
    """An instance that is pickled as pandas' objects are: made anew, then given its state."""
    one = cls.__new__(cls)
    one.state = state
    return one


def old_table(columns, *, version="1.1", protocol=4):
    """Pickle columns as pandas of a version does: one block per type, rows numbered."""
    names = list(columns)
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    num_rows = len(next(iter(arrays.values())))
    kinds = list(dict.fromkeys(array.dtype for array in arrays.values()))
    groups = [[place for place, name in enumerate(names) if arrays[name].dtype == kind] for kind in kinds]
    blocks = [np.stack([arrays[names[place]] for place in places]) for places in groups]
    items = [Reduced(new_index, Index, {"data": np.array(names, dtype=object), "name": None})]
    rows = Reduced(new_index, RangeIndex, {"name": None, "start": 0, "stop": num_rows, "step": 1})
    if version == "1.0":
        rows = Reduced(new_index, Int64Index, {"data": np.arange(num_rows), "name": None})
    axes = [*items, rows]
    if version in ("1.0", "1.1"):
        kept = [{"values": b, "mgr_locs": _locations(p)} for b, p in zip(blocks, groups, strict=True)]
        labels = [Reduced(new_index, Index, {"data": np.array(names, dtype=object)[p], "name": None}) for p in groups]
        manager = made(BlockManager, (axes, blocks, labels, {"0.14.1": {"axes": axes, "blocks": kept}}))
    else:
        made_blocks = tuple(Reduced(unpickle_block, b, _locations(p), 2) for b, p in zip(blocks, groups, strict=True))
        manager = Reduced(BlockManager, made_blocks, axes)
    key = "_data" if version == "1.0" else "_mgr"
    state = {key: manager, "_typ": "dataframe", "_metadata": [], "attrs": {}}
    if version == "1.5":
        state["_flags"] = {"allows_duplicate_labels": True}
    return old_dumps(made(DataFrame, state), protocol)


def _locations(places):
    """As pandas has them: a slice where places are evenly spaced."""
    steps = set(np.diff(places).tolist())
    if len(steps) > 1:
        return np.array(places)
    step = steps.pop() if steps else 1
    return slice(places[0], places[-1] + step, step)


def voxel_table(num_voxels_each, first_id=100):
    """Columns of `df_roi_meta.pkl`; participants number their voxels alike, some voxels lie in no region."""
    voxels, subjects = np.arange(num_voxels_each) + first_id, np.arange(2)
    regions = ["Primary", "Anterior", "Lateral", "Posterior", float("nan")]
    num = 2 * num_voxels_each
    return {
        "subj_idx": np.repeat(subjects, num_voxels_each),
        "hemi": np.array(["rh", "lh"] * num_voxels_each, dtype=object),
        "x_ras": np.arange(num) - 3,
        "y_ras": np.arange(num) * 2,
        "voxel_id": np.tile(voxels, 2),
        "pearson_r_reliability": np.linspace(0.1, 0.9, num),
        "roi_label_general": np.array([regions[i % 5] for i in range(num)], dtype=object),
    }


def cells(names):
    return np.array([[name] for name in names], dtype=object)


def write_release(root: Path) -> Path:
    """Write `root/neural` and `root/stimuli`; gives root."""
    generator = np.random.default_rng(0)
    sounds = root / "stimuli" / "165_natural_sounds"
    sounds.mkdir(parents=True)
    for name in NAMES:
        soundfile.write(sounds / f"{name}.wav", 0.1 * generator.standard_normal(4000), 20_000)
    write_2015(root / "neural" / "NH2015", generator)
    write_2021(root / "neural" / "B2021", generator)
    write_components(root / "neural" / "NH2015comp", generator)
    return root


def write_2015(folder, generator):
    """Two participants with five voxels of three repetitions each, and voxels of two repetitions between them."""
    folder.mkdir(parents=True)
    rows = [
        (f"{n}.wav".encode(), i, 2.0, i, c.encode()) for i, (n, c) in enumerate(zip(NAMES, CATEGORIES, strict=True))
    ]
    np.save(folder / "neural_stim_meta.npy", np.array(rows, dtype=STIMULUS_FIELDS))
    table = voxel_table(5)
    kept = [(v, s, 0.0, b"rh", 3) for v, s in zip(table["voxel_id"], table["subj_idx"], strict=True)]
    order = [kept[3], (7, 0, 0.0, b"lh", 2), *kept[:3], *kept[4:], (7, 1, 0.0, b"lh", 2)]
    np.save(folder / "voxel_features_meta.npy", np.array(order, dtype=VOXEL_FIELDS))
    responses = generator.standard_normal((NUM_SOUNDS, len(order), 3))
    responses[:, [1, -1], 2] = np.nan
    np.save(folder / "voxel_features_array.npy", responses)
    (folder / "df_roi_meta.pkl").write_bytes(old_table(table))


def write_2021(folder, generator):
    folder.mkdir(parents=True)
    table = voxel_table(4) | {"voxel_id": np.arange(8)}
    np.save(folder / "voxel_features_meta.npy", np.arange(8))
    np.save(folder / "voxel_features_array.npy", generator.standard_normal((NUM_SOUNDS + NUM_EXTRA_SOUNDS, 8, 3)))
    names = [*NAMES, *(f"extra{i}" for i in range(NUM_EXTRA_SOUNDS))]
    savemat(folder / "stim_info_v4.mat", {"stim_info": {"other": 1.0, "stim_names": cells(names)}})
    (folder / "df_roi_meta.pkl").write_bytes(old_table(table))


def write_components(folder, generator):
    """In another order than NH2015, as the release has it."""
    folder.mkdir(parents=True)
    arrays = {
        "R": generator.standard_normal((NUM_SOUNDS, len(COMPONENTS))),
        "stim_names": cells(NAMES[::-1]).T,
        "component_names": cells(COMPONENTS),
        "category_labels": cells(CATEGORIES[::-1]).T,
    }
    savemat(folder / "components.mat", arrays)
    columns = {"comp": np.array(COMPONENTS, dtype=object), "comp_idx": np.arange(len(COMPONENTS))}
    (folder / "df_roi_meta.pkl").write_bytes(old_table(columns))


def plain(columns):
    """The table that pickles of `old_table` stand for."""
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
