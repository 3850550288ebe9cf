import numpy as np

from i2v3d.artifacts.keyframes import KeyframeMemory, KeyframeTrace


def test_a_trace_reads_back_to_a_32nd_of_an_octave(tmp_path):
    random = np.random.default_rng(2)
    memory = KeyframeMemory(
        random.random((31, 43)) < 0.3, np.exp2(random.uniform(-2.5, 2.5, (31, 43))).astype(np.float32)
    )
    trace = KeyframeTrace(tmp_path / "trace.npz")
    trace.write(memory)
    trace.check()
    read = trace.read()
    assert np.array_equal(read.is_torn, memory.is_torn)
    assert np.abs(np.log2(read.magnification / memory.magnification)).max() <= 0.5 / 32 + 1e-6


def test_the_photo_s_own_scale_reads_back_as_exactly_one(tmp_path):
    trace = KeyframeTrace(tmp_path / "trace.npz")
    trace.write(KeyframeMemory(np.zeros((5, 9), bool), np.ones((5, 9), np.float32)))
    assert (trace.read().magnification == 1).all()
