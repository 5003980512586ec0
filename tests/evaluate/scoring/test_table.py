"""The score table in memory and in its file, and tables of earlier versions."""

import pandas as pd
import pytest

from datamodules import files
from evaluate.scoring import table as t
from evaluate.scoring.old_tables import OLD_COLUMNS
from networks import NetworkIdentity
from tests.helpers.score_tables import row


def value(rows, **wanted):
    """The one value of the rows that agree with what is wanted."""
    for column, content in wanted.items():
        rows = rows[rows[column] == content]
    assert len(rows) == 1, rows
    return rows[t.VALUE].item()


def test_failed_row():
    rows = t.failed_row("tiny", NetworkIdentity(run="r", step=4))
    assert value(rows, run="r", step=4, benchmark="tiny", metric=t.FAILED) != 0
    assert rows[t.VALUE].isna().all()


@pytest.mark.parametrize(
    ("run", "checkpoint", "step", "identity"),
    [
        ("words", "", 0, ("untrained", "", "")),
        ("words", "", 10, ("trained", "", "")),
        ("words", "runs/words/checkpoints/step-0.ckpt", 0, ("untrained", "", "")),  # the run has later steps
        ("words", "runs/words/checkpoints/last.ckpt", 10, ("trained", "", "")),
        ("single", "single.pt", 0, ("trained", "", "")),  # nothing says that it is untrained
        ("untrained-words", "a.ckpt", 0, ("untrained", "", "")),
        (
            "words/last (permuted, seed 3)",
            "permuted:runs/words/checkpoints/last.ckpt:3",
            10,
            ("permuted", "words", "3"),
        ),
        ("last (permuted, seed 0)", "permuted:runs/words/checkpoints/last.ckpt", 10, ("permuted", "words", "0")),
        ("other/last (permuted, seed 0)", "permuted:gone/last.ckpt:0", 10, ("permuted", "other", "0")),
        ("CochCNN9 (untrained, seed 1)", "untrained:CochCNN9:1", 0, ("untrained", "CochCNN9", "1")),
        ("SpectroTemporal", "SpectroTemporal", 0, ("baseline", "", "")),
        ("spectro_temporal", "", 5, ("baseline", "", "")),
        ("ast", "AST:weights/ast", 0, ("external", "", "")),
        ("multi", "published:weights/multi.pt", 0, ("trained", "", "")),
    ],
)
def test_tables_of_earlier_versions_say_what_their_networks_are(tmp_path, run, checkpoint, step, identity):
    rows = [
        row("words", 10, t.ENCODING_R2, "relu0", "all", "all", 0.5, checkpoint="runs/words/checkpoints/last.ckpt"),
        row("words", 0, t.ENCODING_R2, "relu0", "all", "all", 0.25),
        row(run, step, t.RSA, "relu1", "all", "all", 1 / 3, checkpoint=checkpoint),
    ]
    path = tmp_path / t.SCORES_FILE
    pd.DataFrame(rows)[list(OLD_COLUMNS)].to_csv(path, index=False)
    table = t.read_table(path)
    assert tuple(table.columns) == t.COLUMNS
    found = table[table[t.METRIC] == t.RSA]
    assert tuple(found[[t.KIND, t.PARENT, t.SEED]].iloc[0]) == identity
    assert found[t.VALUE].item() == 1 / 3
    written = t.append_rows(path, t.failed_row("tiny", NetworkIdentity(run="new")))
    pd.testing.assert_frame_equal(t.read_table(path), written, check_exact=True)
    assert path.read_text().startswith("run,checkpoint,step,epoch,kind,parent,seed,")


class TestTable:
    rows = t.make_table(
        [
            dict(zip(t.COLUMNS, row, strict=True))
            for row in (
                ("NA", "", 0, 0, "untrained", "", "", "tiny", t.ENCODING_R2, "relu0", "all", "all", 0.1 + 0.2),
                ("NA", "", 5, 1, "trained", "", "", "tiny", t.ENCODING_R2, "relu0", "all", "all", float("nan")),
                ("NA", "a,b.ckpt", 5, 1, "permuted", "x", "7", "tiny", t.ENCODING_R2, "relu0", "é", "all", 1 / 3),
            )
        ]
    )

    def test_numbers_and_names_come_back_exactly(self, tmp_path):
        path = tmp_path / "new" / "scores.csv"
        written = t.append_rows(path, self.rows)
        pd.testing.assert_frame_equal(t.read_table(path), self.rows, check_exact=True)
        pd.testing.assert_frame_equal(written, self.rows, check_exact=True)
        assert {file.name for file in path.parent.iterdir()} == {"scores.csv", ".scores.csv.lock"}

    def test_appending_twice_changes_nothing(self, tmp_path):
        path = tmp_path / "scores.csv"
        t.append_rows(path, self.rows)
        before = path.read_bytes()
        t.append_rows(path, self.rows)
        assert path.read_bytes() == before

    def test_a_row_of_the_same_key_replaces(self, tmp_path):
        path = tmp_path / "scores.csv"
        t.append_rows(path, self.rows)
        table = t.append_rows(path, self.rows.iloc[[1]].assign(value=0.5, epoch=9))
        assert len(table) == 3
        assert value(table, step=5, checkpoint="") == 0.5
        assert value(table, step=0) == 0.1 + 0.2

    def test_networks_that_are_scored_again_keep_their_places(self, tmp_path):
        path = tmp_path / "scores.csv"
        networks = [self.rows.iloc[[0]].assign(run=name, checkpoint=name, step=0) for name in ("a", "b", "c")]
        for network in networks:
            t.append_rows(path, network)
        again = networks[0].assign(value=0.7)
        table = t.append_rows(path, again)
        assert list(table["run"]) == ["a", "b", "c"]
        assert table["value"][0] == 0.7
        # `c` had failed before on this command line, `b` is not on it.
        assert list(t.order_networks(path, pd.concat([networks[2], networks[0]]))["run"]) == ["c", "b", "a"]
        assert list(t.read_table(path)["run"]) == ["c", "b", "a"]

    def test_stages_that_are_scored_later_come_in_the_order_of_the_network(self):
        one = self.rows.iloc[[0]]
        both = pd.concat([one.assign(stage="first"), one.assign(stage="second")])
        assert list(t.merge_rows(one.assign(stage="second"), both)["stage"]) == ["first", "second"]

    def test_empty_table(self, tmp_path):
        assert t.append_rows(tmp_path / "scores.csv", t.make_table([])).empty
        assert t.read_table(tmp_path / "scores.csv").empty

    def test_nothing_half_written(self, tmp_path, monkeypatch):
        path = tmp_path / "scores.csv"
        t.append_rows(path, self.rows)
        before = path.read_bytes()

        def fail(*_):
            raise OSError("no space left")

        monkeypatch.setattr(files.os, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            t.append_rows(path, self.rows.assign(step=8))
        assert path.read_bytes() == before
        assert {file.name for file in tmp_path.iterdir()} == {"scores.csv", ".scores.csv.lock"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "not a score table"),
            (b"a,b\n1,2\n", "missing: run"),
            (b"\xff\xfe\x00", "not a score table"),
            (",".join(t.COLUMNS).encode() + b"\nr,,x,0,trained,,,b,m,s,r,a,1\n", "numbers in step"),
        ],
    )
    def test_bad_files_are_named(self, tmp_path, content, message):
        path = tmp_path / "scores.csv"
        path.write_bytes(content)
        with pytest.raises(t.TableError, match=rf"scores\.csv is not a score table.*{message}|scores\.csv.*{message}"):
            t.append_rows(path, self.rows)
        assert path.read_bytes() == content

    def test_missing_file(self, tmp_path):
        with pytest.raises(t.TableError, match="there is no score table"):
            t.read_table(tmp_path / "scores.csv")
