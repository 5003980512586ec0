import numpy as np
import pytest

from datamodules.demo.textures import TEXTURE_LABELS
from evaluate.benchmarks.simulated import acoustic_drives as acoustic
from evaluate.benchmarks.simulated.cortex import (
    REGION_DRIVES,
    SECOND_SHARE,
    add_noise,
    simulate_units,
    simulated_cortex,
)
from evaluate.benchmarks.simulated.formant_voice import CONSONANTS, VOWELS, WORDS, Voice, say_word, sing_vowel
from evaluate.benchmarks.simulated.sounds import CATEGORY_SHARES, TEXTURES_OF, stimuli, waveforms


@pytest.fixture(scope="module")
def benchmark_value():
    return simulated_cortex()


@pytest.fixture(scope="module")
def truth():
    return simulate_units()


def test_benchmark_is_of_the_stated_shape(benchmark_value):
    assert benchmark_value.name == "simulated"
    assert benchmark_value.responses.shape == (165, 240, 3)
    assert benchmark_value.noise_corrected
    assert benchmark_value.unit_kind == "voxel"
    assert benchmark_value.subjects == ("s1", "s2", "s3")
    assert benchmark_value.regions == ("Primary", "Anterior", "Lateral", "Posterior")
    assert len(set(benchmark_value.categories)) == 11
    assert benchmark_value.stimuli(20_000, 40_000).shape == (165, 40_000)
    for region, drives in REGION_DRIVES.items():
        of_region = benchmark_value.units[benchmark_value.units["region"] == region]
        assert set(of_region["drive"]) == set(drives)
        assert (of_region.groupby("subject").size() >= 16).all()


def test_benchmark_is_deterministic_and_seeded(benchmark_value):
    assert simulated_cortex().content_hash() == benchmark_value.content_hash()
    other = simulated_cortex(seed=1)
    assert other.content_hash() != benchmark_value.content_hash()
    assert other.stimuli_fingerprint(20_000, 2000) == benchmark_value.stimuli_fingerprint(20_000, 2000)


def test_subjects_have_units_of_their_own(truth):
    details = truth.units[truth.units["drive"] == "band"].groupby("subject")["detail"].apply(set)
    assert not details["s1"] & details["s2"]


def test_measured_reliability_is_the_one_asked_for(benchmark_value):
    asked = benchmark_value.units["reliability"].to_numpy()
    measured = np.mean([_correlation(benchmark_value.responses, *pair) for pair in ((0, 1), (0, 2), (1, 2))], axis=0)
    assert asked.min() > 0.3
    assert asked.max() < 0.9
    assert abs((measured - asked).mean()) < 0.01
    assert np.abs(measured - asked).max() < 0.2  # 165 stimuli: standard error about 0.05
    assert np.corrcoef(measured, asked)[0, 1] > 0.95


def test_signals_explain_the_known_part_of_the_mean_response(benchmark_value, truth):
    reliability = truth.units["reliability"].to_numpy()
    explainable = 3 * reliability / (1 + 2 * reliability)  # Spearman-Brown
    mean = benchmark_value.responses.mean(axis=2)
    explained = [np.corrcoef(mean[:, v], truth.signals[:, v])[0, 1] ** 2 for v in range(mean.shape[1])]
    assert abs((explained - explainable).mean()) < 0.01
    assert np.abs(explained - explainable).max() < 0.2


def test_documented_drives_explain_the_signals(truth):
    """Features written here from the documentation predict each unit's signal to the share of its main drive."""
    listed = stimuli()
    one_hot = {
        "category": np.array([[s.category == name for name in CATEGORY_SHARES] for s in listed], float),
        "texture": np.array([[s.texture == name for name in TEXTURE_LABELS] for s in listed], float),
        "word": np.array([[s.word == name for name in WORDS] for s in listed], float),
        "vowel": np.array([[s.vowels.count(name) / max(1, len(s.vowels)) for name in VOWELS] for s in listed]),
        "speech": np.array([[s.category == "speech"] for s in listed], float),
        "voice": np.array([[s.category in ("speech", "vowel")] for s in listed], float),
        "music": np.array([[s.category == "music", s.category in ("bell", "harmonic")] for s in listed], float),
    }
    for kind, features in one_hot.items():
        design = np.column_stack([features, np.ones(len(listed))])
        signals = truth.signals[:, truth.units["drive"] == kind]
        residual = signals - design @ np.linalg.lstsq(design, signals, rcond=None)[0]
        explained = 1 - residual.var(axis=0)
        assert (explained > 1 - SECOND_SHARE - 1e-6).all(), kind
        assert explained.mean() < 0.97, kind


def test_signals_are_standardised(truth):
    np.testing.assert_allclose(truth.signals.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(truth.signals.std(axis=0), 1, atol=1e-9)


def test_perfect_reliability_is_free_of_noise(truth):
    responses = add_noise(truth.signals, np.ones(truth.signals.shape[1]), seed=0)
    np.testing.assert_array_equal(responses[:, :, 2], truth.signals)


NO_STIMULI = (
    *("barks", "breathing", "chopping", "chords", "crying", "dialling", "drill", "drums", "glass", "knocking"),
    *("laughing", "purring", "ringing", "siren", "strings", "typing", "winds", "writing"),
)


def test_stimuli_cover_what_is_documented():
    listed = stimuli()
    assert len({s.name for s in listed}) == 165
    assert {s.word for s in listed if s.category == "speech"} == set(WORDS)
    assert {s.texture for s in listed} - {""} == {t for group in TEXTURES_OF.values() for t in group}
    assert set(TEXTURE_LABELS) - {t for group in TEXTURES_OF.values() for t in group} == set(NO_STIMULI)
    assert [len(stimuli(n)) for n in (55, 100, 333)] == [55, 100, 333]
    assert {s.category for s in stimuli(55)} == set(CATEGORY_SHARES)


def test_waveforms_are_finite_level_and_follow_rate_and_length():
    sounds = waveforms(55, 16_000, 16_000)
    assert sounds.shape == (55, 16_000)
    assert sounds.dtype == np.float32
    np.testing.assert_allclose(np.sqrt((sounds.astype(float) ** 2).mean(axis=1)), 0.1, rtol=1e-4)
    assert waveforms(55, 20_000, 50_000)[:, 40_001:].std(axis=1).max() < 1e-6  # padding


def test_every_phoneme_stands_in_two_words_or_three():
    syllables = [syllable for word in WORDS.values() for syllable in word]
    for names, place in ((CONSONANTS, 0), (VOWELS, 1)):
        for name in names:
            assert 2 <= sum(syllable[place] == name for syllable in syllables) <= 3


@pytest.mark.parametrize("vowel", list(VOWELS))
@pytest.mark.parametrize("tract_scale", [1.0, 1.25])
def test_vowels_have_their_formants(vowel, tract_scale):
    """The strongest harmonic below 1 kHz is that nearest to the scaled first formant."""
    voice = Voice(f0_hz=100.0, tract_scale=tract_scale, tempo=1.0)
    sound = sing_vowel(vowel, voice, np.random.default_rng(0), duration_s=0.5, sample_rate_hz=20_000)
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**15)) ** 2
    frequencies = np.fft.rfftfreq(2**15, 1 / 20_000)
    low = frequencies < 1100
    peak_hz = frequencies[low][power[low].argmax()]
    assert abs(peak_hz - tract_scale * VOWELS[vowel][0]) < 90


def test_words_differ_and_voices_change_them():
    low, high = Voice(95.0, 1.0, 1.0), Voice(220.0, 1.2, 1.0)
    spoken = [say_word(word, low, np.random.default_rng(0), sample_rate_hz=20_000) for word in WORDS]
    assert all(np.isfinite(sound).all() and 8000 < len(sound) < 20_000 for sound in spoken)
    assert len({sound.tobytes() for sound in spoken}) == len(WORDS)
    other = say_word("badi", high, np.random.default_rng(0), sample_rate_hz=20_000)
    assert not np.array_equal(other, spoken[0][: len(other)])


def test_pitch_strength_tells_harmonic_from_noise():
    t = np.arange(20_000) / 20_000
    harmonic = sum(np.sin(2 * np.pi * 150 * n * t) for n in range(1, 10))
    strengths = acoustic.pitch_strength(np.stack([harmonic, np.random.default_rng(0).standard_normal(20_000)]))
    assert strengths[0] > 0.9
    assert strengths[1] < 0.4


def test_band_energy_peaks_at_the_tone():
    t = np.arange(20_000) / 20_000
    tones_hz = np.array([200.0, 800.0, 3000.0])
    spectrum = acoustic.auditory_spectrogram(np.sin(2 * np.pi * tones_hz[:, None] * t)).mean(axis=2)
    energy = acoustic.band_energy(spectrum, tones_hz, np.full(3, 2.0))
    np.testing.assert_array_equal(energy.argmax(axis=0), [0, 1, 2])


def test_modulation_energy_peaks_at_the_rate():
    t = np.arange(40_000) / 20_000
    carrier = np.random.default_rng(0).standard_normal(40_000)
    rates_hz = np.array([3.0, 8.0, 22.0])
    spectrogram = acoustic.auditory_spectrogram(carrier * (1 + np.sin(2 * np.pi * rates_hz[:, None] * t)))
    energy = acoustic.modulation_energy(acoustic.modulation_spectrum(spectrogram), rates_hz, np.full(3, 0.05))
    np.testing.assert_array_equal(energy.argmax(axis=0), [0, 1, 2])


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match="num_stimuli of at least 55, got 20"):
        stimuli(20)
    with pytest.raises(ValueError, match=r"num_subjects of at least 2 .* got 1 and 80"):
        simulated_cortex(num_subjects=1)
    with pytest.raises(ValueError, match="two increasing numbers"):
        simulated_cortex(reliability=(0.9, 0.3))


def _correlation(responses, first, second):
    a, b = (responses[:, :, r] - responses[:, :, r].mean(axis=0) for r in (first, second))
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
