"""The video that an avatar makes, as others see it."""

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.topology import eye_openness, face_width, mouth_opening
from geneface_ns.synthetic import make_truth, speech_track, write_clip

# MediaPipe's vertices nearest to the 68 points (audio_motion.topology.TEMPLATE holds the same points of its model).
INNER_LIPS_OF_MESH = [78, 82, 13, 312, 308, 317, 14, 87]
EYES_OF_MESH = [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]
NOSE_OF_MESH = [168, 197, 5, 4]


@pytest.mark.parametrize(("size", "fps"), [(96, 25.0), ((121, 77), 30000 / 1001)])
def test_video_and_sound_are_equally_long(tmp_path, size, fps):
    path = tmp_path / "ä clip.mp4"
    truth = write_clip(path, seed=3, speech=["unseen_01"], size=size, fps=fps, seconds=1.5)
    assert len(truth) == round(1.5 * fps)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert float(video.average_rate) == pytest.approx(fps, rel=1e-3)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == len(truth)
        assert abs(float(audio.duration * audio.time_base) - 1.5) < 0.1
    drawn = truth.frame(10).rgb
    seen = frames[10][: drawn.shape[0], : drawn.shape[1]]
    assert -10 * np.log10(((seen.astype(float) - drawn) ** 2).mean() / 255**2) > 30
    assert path.with_suffix(".truth.npz").is_file()


@pytest.mark.parametrize(
    "wrong",
    [{"size": 8}, {"fps": 0.0}, {"seconds": -1.0}, {"speech": ["nothing"]}, {"speech": []}],
)
def test_impossible_clips_are_refused(tmp_path, wrong):
    with pytest.raises(InputError):
        write_clip(tmp_path / "a.mp4", **{"speech": ["unseen_01"], "seconds": 1.0, **wrong})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", [160, 256, 512])
def test_mediapipe_sees_the_face_and_follows_it(side):
    """All frames detected; mesh within 4 % of the face width on the rigid points; mouth and lids followed."""
    mediapipe = pytest.importorskip("mediapipe")
    said = speech_track(["train_04"], seed=1)
    truth = make_truth(1, said, (side, side), 25, round(said.duration * 25))
    opening, lids = mouth_opening(truth.landmarks), truth.eye_openness.mean(1)
    chosen = np.unique([*np.argsort(opening)[[0, 5, 70, 80, 90, -12, -6, -1]], *np.argsort(lids)[:3]])
    errors, mouths, eyes = [], [], []
    with mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        for index in chosen:
            found = mesh.process(truth.frame(index).rgb).multi_face_landmarks
            assert found, f"not detected: frame {index}"
            points = np.array([[p.x, p.y] for p in found[0].landmark]) * side
            true = truth.points2d[index]
            width = face_width(true)
            rigid = points[NOSE_OF_MESH] - true[27:31]
            errors.append(np.linalg.norm(rigid, axis=1).mean() / width)
            seen = np.zeros((68, 2))
            seen[60:68], seen[36:48] = points[INNER_LIPS_OF_MESH], points[EYES_OF_MESH]
            mouths.append((mouth_opening(true) / width, mouth_opening(seen) / width))
            eyes.append((eye_openness(true).mean(), eye_openness(seen).mean()))
    assert np.mean(errors) < 0.04
    assert np.corrcoef(np.transpose(mouths))[0, 1] > 0.85
    assert np.corrcoef(np.transpose(eyes))[0, 1] > 0.85
