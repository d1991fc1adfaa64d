"""Measures the calibration table that int8 needs, by running the float graph on pictures: equalisation exponents and activation ranges.

`equalise.py` and `quantise.py` replay a table.
"""

import os

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from equalise import equalise, find_chains
from graph import Graph, write

ROUNDS = 2  # of equalisation: the second evens out what the first has moved
_WIDEST = 16  # quarters of an octave, each way: a channel that was never active must not run away
_MANTISSA_BITS = 8


def measure(make_graph, images, room=1.0):
    """A calibration table, `{"equalise": [...], "ranges": {...}}`, for the graph that `make_graph()` gives, anew each time.

    `images` is n x rows x columns x 3, bytes; the graph takes (pixel - 128) / 128. Ranges are made `room` times as wide as what was seen.
    """
    batches = [(image[None].astype(np.float32) - 128) / 128 for image in images]
    rounds = []
    for _ in range(ROUNDS):
        graph = _replayed(make_graph, rounds)
        peaks = _collect(graph, batches, lambda value: np.abs(value).reshape(-1, value.shape[-1]).max(axis=0), np.maximum)
        rounds.append({layer.outputs[0].name: _quarters(peaks[layer.outputs[0].name]) for layer, _ in find_chains(graph)})
    graph = _replayed(make_graph, rounds)
    lows = _collect(graph, batches, lambda value: np.array([value.min(), -value.max()]), np.minimum)
    ranges = {name: [_rounded_up(room * min(low, 0.0)), _rounded_up(room * max(-high, 0.0))] for name, (low, high) in lows.items()}
    return {"equalise": rounds, "ranges": ranges}


def embed(blob, images):
    """What a TFLite file (bytes) makes of the images, one row each. Its input may be float or int8."""
    interpreter = Interpreter(model_content=blob, num_threads=os.cpu_count())
    integers = interpreter.get_input_details()[0]["dtype"] == np.int8
    runner = interpreter.get_signature_runner()
    rows = []
    for image in images:
        value = (image ^ 0x80).view(np.int8) if integers else (image.astype(np.float32) - 128) / 128
        (answer,) = runner(image=value[None]).values()
        rows.append(answer[0])
    return np.array(rows)


def _replayed(make_graph, rounds):
    graph = make_graph()
    for quarters in rounds:
        equalise(graph, quarters)
    return graph


def _runner(graph, tensors):
    """A function from an input to the values of `tensors`."""
    open_graph = Graph()
    open_graph.ops, open_graph.inputs, open_graph.outputs = graph.ops, graph.inputs, tensors
    names = [f"tap{index}" for index in range(len(tensors))]
    blob = write(open_graph, "calibration", ["image"], names, ())
    runner = Interpreter(model_content=blob, num_threads=os.cpu_count()).get_signature_runner()

    def run(value):
        answers = runner(image=value)
        return [answers[name] for name in names]

    return run


def _collect(graph, batches, summary, join):
    """name -> the `summary` of each activation over all batches, joined."""
    tensors = [out for op in graph.ops for out in op.outputs]
    run = _runner(graph, tensors)
    totals = None
    for batch in batches:
        values = [summary(value) for value in run(batch)]
        totals = values if totals is None else [join(total, value) for total, value in zip(totals, values)]
    return {tensor.name: total for tensor, total in zip(tensors, totals)}


def _quarters(peaks):
    """Quarters of an octave by which each channel's peak lies above the channels' geometric mean."""
    octaves = np.log2(np.maximum(peaks.astype(np.float64), 1e-6))
    return np.clip(np.round((octaves - octaves.mean()) * 4), -_WIDEST, _WIDEST).astype(int).tolist()


def _rounded_up(value):
    """Away from zero to 8 bits of mantissa, so that the last digits of a processor's sums do not matter."""
    if value == 0:
        return 0.0
    step = 2.0 ** (np.floor(np.log2(abs(value))) - _MANTISSA_BITS)
    return float(np.sign(value) * np.ceil(abs(value) / step * (1 - 1e-6)) * step)
