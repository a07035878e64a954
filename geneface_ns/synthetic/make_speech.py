"""Make the speech clips in `speech/`: run on Debian with `flite` and `espeak-ng` installed, not at run time.

    python -m geneface_ns.synthetic.make_speech

English is spoken by flite's voices slt and rms (flite and these voices: Carnegie Mellon University, BSD-like licence,
free to use), German by espeak-ng (a GPL-3 program; what it speaks is not a derivative of it). Phoneme times come from
the synthesizers themselves, from the same run that made the sound.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import tempfile
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "speech"
RATE = 16000

# Our own sentences. The first group trains the demo's person, the second is kept unseen.
FLITE = {
    "train_01": ("slt", "Good morning, and thank you for watching this short film."),
    "train_02": ("slt", "Please bring my blue umbrella, before the heavy rain begins."),
    "train_03": ("slt", "We found five small boats moving slowly past the old harbour."),
    "train_04": ("slt", "Who would choose to move the moon, if the sea had no tides?"),
    "train_05": ("slt", "The baker opens at seven, and the bread is usually gone by nine."),
    "train_06": ("slt", "My mother bought a pair of purple shoes at the market."),
    "train_07": ("slt", "Every evening he feeds three green birds in the garden."),
    "train_08": ("slt", "Far above the valley, a father and his daughter watched the fires."),
    "train_09": ("slt", "You should put the sugar and the butter in a wide bowl."),
    "train_10": ("slt", "The voice of a good teacher is both calm and full of life."),
    "train_11": ("slt", "Maybe both problems vanish, when people simply keep talking."),
    "train_12": ("slt", "Now you know all of my words, so let me say something new."),
    "unseen_01": ("slt", "Nobody has ever filmed me saying this sentence."),
    "unseen_02": ("slt", "A warm wind moved over the water, and both of us began to sing."),
    "unseen_03": ("slt", "Whatever you write for me, I will happily pronounce."),
    "second_voice": ("rms", "Hello, I am another speaker, and I move my mouth in my own way."),
}
GERMAN = "Guten Abend, mein Name ist frei erfunden, und ich spreche heute über Bäume und Vögel."


def flite(voice: str, text: str) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Speak: int16 [S] at RATE, and the phones with the seconds that they end at."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        with wave.open(str(path)) as file:
            if file.getframerate() != RATE:
                raise ValueError(f"{voice} speaks at {file.getframerate()} Hz, expected {RATE}")
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    pairs = re.findall(r"(\S+):([\d.]+)", said)
    return sound, [(phone, float(end)) for phone, end in pairs]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    ]


def espeak(voice: str, text: str) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """As `flite`, through libespeak-ng's C interface, with phoneme events."""
    library = ctypes.CDLL("libespeak-ng.so.1")
    retrieval, phoneme_events, phoneme_type, utf8 = 1, 1, 7, 1
    rate = library.espeak_Initialize(retrieval, 0, None, phoneme_events)
    pieces: list[np.ndarray] = []
    starts: list[tuple[str, float]] = []
    callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))

    def receive(samples, count, events) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == phoneme_type:
                starts.append((events[i].string.decode("utf8", "ignore"), events[i].audio_position / 1000))
            i += 1
        return 0

    callback = callback_type(receive)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(voice.encode())
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 0, 0, utf8, None, None)
    library.espeak_Synchronize()
    sound = np.concatenate(pieces)
    from scipy.signal import resample_poly

    ratio = Fraction(RATE, rate)
    out = resample_poly(sound.astype(np.float64), ratio.numerator, ratio.denominator)
    total = len(out) / RATE
    ends = [*[start for _, start in starts[1:]], total]
    phones = [(name or "pau", end) for (name, _), end in zip(starts, ends, strict=True)]
    if starts[0][1] > 0:
        phones.insert(0, ("pau", starts[0][1]))
    return np.clip(out, -32768, 32767).astype(np.int16), [p for p in phones if p[1] > 0]


def _write_flac(path: Path, sound: np.ndarray) -> None:
    import av

    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE)
        stream.layout = "mono"
        stream.options = {"compression_level": "12"}
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.time_base = Fraction(1, RATE)
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def main() -> None:
    """Write every clip's FLAC and JSON."""
    FOLDER.mkdir(exist_ok=True)
    jobs = {name: (*flite(*job), *job) for name, job in FLITE.items()}
    jobs["german"] = (*espeak("de", GERMAN), "espeak-ng de", GERMAN)
    for name, (sound, phones, voice, text) in jobs.items():
        _write_flac(FOLDER / f"{name}.flac", sound)
        duration = len(sound) / RATE
        starts = [0.0, *[end for _, end in phones[:-1]]]
        table = [
            [phone, round(start, 4), round(min(end, duration), 4)]
            for (phone, end), start in zip(phones, starts, strict=True)
            if min(end, duration) > start
        ]
        table[-1][2] = round(duration, 4)
        facts = {"text": text, "voice": voice, "sample_rate": RATE, "duration": round(duration, 4), "phones": table}
        (FOLDER / f"{name}.json").write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name}: {duration:.2f} s, {len(table)} phones")


if __name__ == "__main__":
    main()
