from collections import Counter, defaultdict

import numpy as np
import pytest

from datamodules.corpora.word_selection import SelectionRules, select_words


def slow_selection(words, speakers, midpoints_s, durations_s, rules):
    """The rules by plain loops, clip by clip."""
    clips = [
        i
        for i, word in enumerate(words)
        if sum(c.isalpha() for c in word) >= rules.min_letters
        and midpoints_s[i] >= rules.margin_s
        and durations_s[i] - midpoints_s[i] >= rules.margin_s
    ]
    changed = True
    while changed:
        changed = False
        for one, other in ((words, speakers), (speakers, words)):
            for rule in range(4):
                partners = defaultdict(Counter)
                for i in clips:
                    partners[one[i]][other[i]] += 1
                bad = {
                    name
                    for name, counts in partners.items()
                    if (
                        sum(counts.values()) < rules.min_utterances,
                        sum(counts.values()) >= rules.max_utterances,
                        len(counts) < rules.min_partners,
                        max(counts.values()) > rules.max_partner_fraction * sum(counts.values()),
                    )[rule]
                }
                clips = [i for i in clips if one[i] not in bad]
                changed |= bool(bad)
    return clips


@pytest.mark.parametrize("seed", range(4))
def test_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    num_clips = 3000
    names = [f"word{'abcdefghijklmnopqrst'[i]}" if i % 5 else "abc"[: i % 3 + 1] for i in range(20)]
    words = [names[i] for i in np.minimum(rng.geometric(0.12, num_clips), 20) - 1]
    speakers = [f"s{i}" for i in np.minimum(rng.geometric(0.1, num_clips), 25)]
    midpoints_s, durations_s = rng.uniform(0, 12, num_clips), np.full(num_clips, 12.0)
    rules = SelectionRules(min_utterances=40, max_utterances=330, min_partners=6, max_partner_fraction=0.3)
    selection = select_words(words, speakers, midpoints_s, durations_s, rules)
    expected = slow_selection(words, speakers, midpoints_s, durations_s, rules)
    assert np.flatnonzero(selection.kept).tolist() == expected
    assert 0 < len(expected) < num_clips
    assert sum(removal.num_clips for removal in selection.removals) == num_clips - len(expected)
    order = rng.permutation(num_clips)
    shuffled = select_words(
        [words[i] for i in order], [speakers[i] for i in order], midpoints_s[order], durations_s[order], rules
    )
    np.testing.assert_array_equal(shuffled.kept, selection.kept[order])
    assert shuffled.removals == selection.removals


def clips(*groups):
    """(word, speaker, times) to the columns."""
    words = [word for word, _, times in groups for _ in range(times)]
    speakers = [speaker for _, speaker, times in groups for _ in range(times)]
    return words, speakers, np.full(len(words), 5.0), np.full(len(words), 10.0)


def test_published_numbers_are_at_their_bounds():
    """50 words by 50 speakers, four times each: 200 utterances; each rule's border case on either side."""
    square = [(f"word{w:02d}x", f"s{s}", 4) for w in range(50) for s in range(50)]
    assert select_words(*clips(*square)).kept.all()
    fewer = [(word, speaker, 3 if (word, speaker) == ("word00x", "s0") else 4) for word, speaker, _ in square]
    assert not select_words(*clips(*fewer)).kept.any()  # one class goes, and then the others have 49 partners
    removals = {r.rule: (r.num_clips, r.num_classes) for r in select_words(*clips(*fewer)).removals}
    assert removals["words of fewer than 200 utterances"] == (199 + 0, 1)
    assert removals["speakers of fewer than 200 utterances"] == (49 * 196 + 49 * 4, 50)
    many = [*square, ("word00x", "s0", 62)]  # 66 of 262 are more than a quarter
    one, other = select_words(*clips(*many)).removals, select_words(*clips(*square, ("word00x", "s0", 61))).removals
    assert {r.rule for r in one if r.num_clips} >= {"words with more than 25 % from one speaker"}
    assert not any(r.num_clips for r in other)  # 65 of 261
    often = [(word, speaker, 40 if word == "word00x" else times) for word, speaker, times in square]
    assert any(
        r.rule == "words of 2000 or more utterances" and r.num_classes == 1
        for r in select_words(*clips(*often)).removals
    )


def test_rules_about_single_clips():
    rules = SelectionRules(min_utterances=1, min_partners=1, max_partner_fraction=1.0)
    words = ["four", "a-b-c", "it's", "word", "word", "don't", "élan"]
    midpoints_s = [1.0, 5.0, 5.0, 0.999, 9.001, 9.0, 5.0]
    selection = select_words(words, ["s"] * 7, midpoints_s, [10.0] * 7, rules)
    assert selection.kept.tolist() == [True, False, False, False, False, True, True]
    assert [(r.rule, r.num_clips) for r in selection.removals[:2]] == [
        ("words of fewer than 4 letters", 2),
        ("less than 1 s of audio on either side", 2),
    ]
    assert select_words([], [], [], []).kept.shape == (0,)
