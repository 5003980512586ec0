"""Packages are read as they are laid out, and what their names say becomes labels."""

from pathlib import Path

import pytest

from datamodules.commands.packaged import Packaged
from datamodules.corpora.packaged.corpus import words_to_speak
from datamodules.corpora.packaged.packages import NOT_MACHINE_READABLE, UNKNOWN, licence, version
from datamodules.corpora.packaged.parts import all_packages, find_makers, find_parts, install_line
from datamodules.corpora.packaged.sounds.sound_names import classify, classify_drum


@pytest.fixture(scope="module")
def found(packages_root):
    parts, missing = find_parts(packages_root, has_ffmpeg=False)
    return {(part.package, part.side): recordings for part, recordings in parts}, missing


def labels(recordings):
    return {(each.path.stem, each.word, each.speaker, each.language) for each in recordings}


def test_speech_is_labelled(found):
    parts, _ = found
    english = labels(parts["asterisk-core-sounds-en-wav", "signal"])
    assert ("3", "three", "Allison", "en") in english
    assert ("hello", "hello", "Allison", "en") in english
    assert ("vm-sentence0", "", "Allison", "en") in english
    assert not any(name == "beep" for name, *_ in english)
    assert ("3", "it 3", "Carlo", "it") in labels(parts["asterisk-core-sounds-it-wav", "signal"])
    assert ("3", "it 3", "Menardi", "it") in labels(parts["asterisk-prompt-it-menardi-wav", "signal"])
    assert ("0", "fr 0", "fr", "fr") in labels(parts["asterisk-prompt-fr-armelle", "signal"])
    assert ("4", "four", "saytime", "en") in labels(parts["saytime", "signal"])
    letters = labels(parts["klettres-data", "signal"])
    assert {("A", "a", "klettres en", "en"), ("a-0", "", "klettres fr", "fr")} <= letters
    assert labels(parts["ktuberling-data", "signal"]) == {
        ("x_nez", "nose", "ktuberling en", "en"),
        ("x_nez", "fr nose", "ktuberling fr", "fr"),
    }
    stamps = labels(parts["tuxpaint-stamps-default", "signal"])
    assert {("dog_desc", "dog", "", "en"), ("dog_desc_fr", "fr dog", "tuxpaint fr", "fr")} <= stamps
    assert ("2_de", "de two", "tuxpaint de", "de") in stamps
    phrases = labels(parts["hedgewars-data", "signal"])
    assert ("Comeonthen", "comeonthen", "hedgewars British", "en") in phrases
    assert ("Comeonthen", "", "hedgewars Default_es", "es") in phrases
    assert ("Ooff1", "", "hedgewars British", "en") in phrases
    assert labels(parts["fillets-ng-data-cs", "signal"]) == {("deu-m-valka", "", "fillets cs m", "cs")}
    assert {word for _, word, *_ in labels(parts["gcin-voice", "signal"])} == {"zh ㄅㄚ1"}


def test_sounds_are_labelled(found):
    parts, _ = found
    scratch = {each.path.stem: (each.sound, each.kind) for each in parts["scratch", "noise"]}
    assert scratch["Dog1"] == ("dog", "animal")
    assert scratch["Laugh-male1"] == ("laugh", "human")
    assert scratch["Ya"] == ("choir", "instrument")  # by its folder
    assert scratch["Silent"] == ("", "effect")
    assert {each.sound for each in parts["tuxpaint-stamps-default", "noise"]} == {"dog"}
    drums = {each.path.stem: each.sound for each in parts["hydrogen-drumkits", "noise"]}
    assert drums == {"jsnare_01": "snare drum", "hhclosed_02": "hi-hat", "Kick-Hard": "kick drum", "x": ""}
    # Effects and music of a game are two parts, and neither has its voices.
    assert {each.kind for each in parts["hedgewars-data", "noise"]} == {"music"}


def test_effects_and_music_of_one_package(packages_root):
    parts, _ = find_parts(packages_root, has_ffmpeg=False)
    games = [part for part in parts if part.part.package == "hedgewars-data" and part.part.side == "noise"]
    assert [[each.sound for each in part.recordings] for part in games] == [
        ["explosion"],
        ["music of hedgewars"] * 5,
    ]


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("wolf-growl-2", "wolf"),
        ("SeaLion", "seal"),
        ("HorseGallop", "horse"),
        ("heart", None),
        ("explosion", "explosion"),
        ("rubberduck_water", "water"),
        ("Vacuum_cleaner", "household machine"),
    ],
)
def test_names_of_sounds(name, sound):
    found = classify(name)
    assert (found.sound if found else None) == sound


def test_a_kick_is_a_drum_in_a_drum_kit_alone():
    assert classify("kick", without=("drum",)) is None
    assert classify("kick").sound == "kick drum"
    assert classify_drum("closehihat3").sound == "hi-hat"


def test_versions_and_licences(packages_root):
    assert version(packages_root, "scratch") == "1.4-6"
    assert version(packages_root, "klettres-data") == "4:22.12"
    assert version(packages_root, "gone") == UNKNOWN
    assert licence(packages_root, "scratch") == "GPL-2, CC-BY-SA-3.0"
    assert licence(packages_root, "klettres-data") == NOT_MACHINE_READABLE
    assert licence(packages_root, "gone") == UNKNOWN


def test_what_is_missing_is_named(found, packages_root, monkeypatch):
    _, missing = found
    packages = {each.package for each in missing}
    assert {"gcin-voice", "klettres-data"}.isdisjoint(packages)
    assert {"festvox-ru", "wesnoth-1.16-music"} <= packages
    monkeypatch.setattr("shutil.which", lambda _: None)
    makers, programs = find_makers(packages_root)
    assert not makers
    assert {"flite", "festival", "fluidsynth", "fluid-soundfont-gm"} <= {each.package for each in programs}


def test_wide_band_prompts_need_a_decoder(tmp_path):
    prompt = tmp_path / "usr/share/asterisk/sounds/en_US_f_Allison/digits/7.g722"
    prompt.parent.mkdir(parents=True)
    prompt.write_bytes(b"\0" * 800)
    prompt.with_suffix(".wav").write_bytes(b"RIFF")
    with_it, _ = find_parts(tmp_path, has_ffmpeg=True)
    without, missing = find_parts(tmp_path, has_ffmpeg=False)
    assert [part.part.package for part in with_it] == ["asterisk-core-sounds-en-g722"]
    assert [part.part.package for part in without] == ["asterisk-core-sounds-en-wav"]
    assert "ffmpeg" in {each.package for each in missing}


def test_synthesisers_say_what_people_have_recorded(packages_root):
    parts, _ = find_parts(packages_root, has_ffmpeg=False)
    words = words_to_speak(parts, 12)
    assert words[:10] == ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert len(words) == len(set(words)) == 12
    assert not {"a", "comeonthen"} & set(words)


def test_help_lists_all_packages():
    listed = set(Packaged.__doc__.split())
    assert set(all_packages()) <= listed
    assert install_line(["b", "a", "b"]).endswith(" b a")


def test_no_packages(tmp_path):
    found, missing = find_parts(Path(tmp_path), has_ffmpeg=True)
    assert not found
    assert {each.reason for each in missing} == {"not installed"}
