import pytest

from datamodules.tasks import TASKS, LabelSet, Task, TaskError, resolve_task

LABEL_SETS = {
    "signal": {
        "word": LabelSet("one_label", ("<null>", "cat", "dog")),
        "speaker": LabelSet("one_label", ("a", "<null>", "b")),
        "style": LabelSet("one_label", ("<null>", "read")),
        "both": LabelSet("one_label", ("<null>", "x")),
    },
    "noise": {
        "audioset": LabelSet("many_labels", ("rain", "wind", "<null>")),
        "both": LabelSet("one_label", ("<null>", "x")),
    },
}


def test_published_tasks():
    assert {name: (task.kind, task.side, task.loss_weight) for name, task in TASKS.items()} == {
        "word": ("one_label", "signal", 1.0),
        "speaker": ("one_label", "signal", 0.25),
        "audioset": ("many_labels", "noise", 300.0),
        "genre": ("one_label", "signal", 1.0),
    }


def test_resolving_gives_labels_and_null_class():
    word = resolve_task("word", LABEL_SETS)
    assert (word.labels, word.num_classes, word.null_index) == (("<null>", "cat", "dog"), 3, 0)
    assert resolve_task("speaker", LABEL_SETS).null_index == 1
    assert resolve_task(TASKS["audioset"], LABEL_SETS).null_index == 2


def test_a_task_of_ones_own():
    assert resolve_task("style", LABEL_SETS) == Task("style", "one_label", "signal", labels=("<null>", "read"))
    given = {"name": "style", "loss_weight": 0.5, "null_label": None}
    own = resolve_task(given, LABEL_SETS)
    assert (own.labels, own.null_index, own.loss_weight) == (("read",), None, 0.5)
    assert given == {"name": "style", "loss_weight": 0.5, "null_label": None}
    assert resolve_task({"name": "both", "side": "noise"}, LABEL_SETS).side == "noise"
    assert resolve_task({"name": "word", "loss_weight": 3}, LABEL_SETS).loss_weight == 3


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("wrod", r"unknown task 'wrod': known are \['audioset', 'genre', 'speaker', 'word'\].*style"),
        ("genre", r"task 'genre' is about the signal, whose shards have no such label column"),
        ("both", "both signal and noise have such labels"),
        ({"name": "word", "side": "noise"}, "task 'word' is about the noise"),
        ({"name": "word", "kind": "many_labels"}, "of kind 'many_labels', but the signal shards hold 'one_label'"),
        ({"name": "word", "kind": "many"}, "kind must be one of"),
        ({"name": "word", "wieght": 1}, "may have"),
        ({"kind": "one_label"}, "a task needs `name`"),
        ({"name": "word", "null_label": "none"}, "null label is 'none', the shards' is '<null>'"),
        ({"name": "word", "loss_weight": -1.0}, "loss_weight must be at least 0"),
        ({"name": "x", "kind": "one_label", "side": "noise"}, "task 'x' is about the noise"),
    ],
)
def test_errors(task, message):
    with pytest.raises(TaskError, match=message):
        resolve_task(task, LABEL_SETS)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("audioset", "task 'audioset' is about the noise, and `data.noise` is null: set it to the folder of the noise"),
        ({"name": "x", "kind": "one_label", "side": "noise"}, "task 'x' is about the noise, and `data.noise` is null"),
        ("texture", r"unknown task 'texture'.*Noise is left out, as `data.noise` is null"),
    ],
)
def test_a_task_about_the_noise_without_noise(task, message):
    with pytest.raises(TaskError, match=message):
        resolve_task(task, {"signal": LABEL_SETS["signal"]})


def test_unresolved_task_has_no_classes():
    with pytest.raises(TaskError, match="no labels yet"):
        _ = TASKS["word"].num_classes


def test_label_sets_are_checked():
    with pytest.raises(TaskError, match=r"labels \['a'\] occur twice"):
        LabelSet("one_label", ("a", "a", "<null>"))
    with pytest.raises(TaskError, match="null label"):
        LabelSet("one_label", ("a",))
    with pytest.raises(TaskError, match="at least one label"):
        LabelSet("one_label", (), None)
    with pytest.raises(TaskError, match="kind must be"):
        LabelSet("several", ("a",), None)
    with pytest.raises(TaskError, match=r"without '\.'"):
        Task("a.b", "one_label", "signal")
    with pytest.raises(TaskError, match="is not one of its labels"):
        Task("a", "one_label", "signal", labels=("x",))


def test_a_task_of_ones_own_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "my_tasks.py").write_text(
        "from datamodules.tasks import Task\n"
        'STYLE = Task("style", kind="one_label", side="signal", loss_weight=0.5)\n'
        'NOT_ONE = "style"\n'
        "def style():\n    return STYLE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    expected = Task("style", "one_label", "signal", loss_weight=0.5, labels=("<null>", "read"))
    assert resolve_task("my_tasks:STYLE", LABEL_SETS) == expected
    assert resolve_task(f"{tmp_path / 'my_tasks.py'}:STYLE", LABEL_SETS).name == "style"
    assert resolve_task({"name": "my_tasks:STYLE", "loss_weight": 2.0}, LABEL_SETS).loss_weight == 2.0
    assert resolve_task("my_tasks:style", LABEL_SETS) == expected
    with pytest.raises(TaskError, match=r"task 'my_tasks:NOT_ONE': expected a datamodules\.tasks\.Task .*, got a str"):
        resolve_task("my_tasks:NOT_ONE", LABEL_SETS)
    with pytest.raises(TaskError, match="task 'my_tasks:SONG': my_tasks does not define 'SONG'"):
        resolve_task("my_tasks:SONG", LABEL_SETS)
    with pytest.raises(TaskError, match="module 'no_tasks' is not found"):
        resolve_task("no_tasks:SONG", LABEL_SETS)
