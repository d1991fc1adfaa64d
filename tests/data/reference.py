#!/usr/bin/env python3
"""Makes tests/data/reference.json: made-up embeddings, and what numpy, scikit-learn and scipy say of them.

The method is that of the FaceNet project's lfw.evaluate and validate_on_lfw, written anew: tests/reference.rs compares usher's own
arithmetic with these figures. Run once, with numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1:

    python3 -m venv venv && venv/bin/pip install numpy scipy scikit-learn && venv/bin/python tests/data/reference.py
"""

import json
import pathlib

import numpy as np
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from scipy.stats import beta
from sklearn import metrics
from sklearn.model_selection import KFold

SETS, EACH, DIMENSION = 10, 12, 6


def make_pairs(rng):
    """SETS times EACH pairs of one person, then EACH pairs of two; unit vectors, rounded so that they fit into a small file."""
    centre = np.full(DIMENSION, 0.25)

    def person():
        return centre + rng.normal(size=DIMENSION) / np.sqrt(DIMENSION)

    def photo(who):
        vector = who + 0.45 * rng.normal(size=DIMENSION) / np.sqrt(DIMENSION)
        return np.round(vector / np.linalg.norm(vector), 5)

    a, b, same = [], [], []
    for _ in range(SETS):
        for kind in [True] * EACH + [False] * EACH:
            one = person()
            other = one if kind else person()
            a.append(photo(one))
            b.append(photo(other))
            same.append(kind)
    return np.float32(a), np.float32(b), np.array(same)


def distance(a, b, metric):
    a, b = np.float64(a), np.float64(b)
    if metric == "euclidean":
        return np.sum(np.square(a - b), axis=1)
    dot = np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return np.arccos(np.clip(dot, -1, 1)) / np.pi


def accept(threshold, dist, same):
    accepted = np.less(dist, threshold)
    return np.sum(accepted & same) / np.sum(same), np.sum(accepted & ~same) / np.sum(~same), np.mean(accepted == same)


def figures(a, b, same, metric, subtract_mean, folds, far_target, failed):
    roc_cuts, val_cuts = np.arange(0, 4, 0.01), np.arange(0, 4, 0.001)
    tprs, fprs, accuracy, vals, fars, best_cuts = [], [], [], [], [], []
    for train, test in KFold(n_splits=folds, shuffle=False).split(np.arange(len(same))):
        keep = np.array([i for i in train if i not in failed])
        mean = np.mean(np.float64(np.concatenate([a[keep], b[keep]])), axis=0) if subtract_mean else 0.0
        dist = distance(a - mean, b - mean, metric)
        dist[list(failed)] = np.inf
        on_train = [accept(cut, dist[train], same[train])[2] for cut in roc_cuts]
        best = roc_cuts[np.argmax(on_train)]
        best_cuts.append(best)
        on_test = [accept(cut, dist[test], same[test]) for cut in roc_cuts]
        tprs.append([t for t, _, _ in on_test])
        fprs.append([f for _, f, _ in on_test])
        accuracy.append(accept(best, dist[test], same[test])[2])
        far_train = np.array([accept(cut, dist[train], same[train])[1] for cut in val_cuts])
        # The FaceNet project's interp1d(kind="slinear") no longer takes equal abscissae; numpy's interp treats them as it did.
        cut = np.interp(far_target, far_train, val_cuts) if far_train.max() >= far_target else 0.0
        val, far, _ = accept(cut, dist[test], same[test])
        vals.append(val)
        fars.append(far)
    # Above every cut all pairs are accepted.
    fpr = np.append(np.mean(fprs, axis=0), 1.0)
    tpr = np.append(np.mean(tprs, axis=0), 1.0)
    return {
        "metric": metric,
        "subtract_mean": subtract_mean,
        "folds": folds,
        "far_target": far_target,
        "failed": sorted(failed),
        "accuracy": np.mean(accuracy),
        "accuracy_std": np.std(accuracy),
        "val": np.mean(vals),
        "val_std": np.std(vals),
        "far": np.mean(fars),
        "auc": metrics.auc(fpr, tpr),
        "eer": brentq(lambda x: 1.0 - x - interp1d(fpr, tpr)(x), 0.0, 1.0, xtol=1e-12),
        "threshold": np.mean(best_cuts),
    }


def clopper_pearson(part, whole, confidence):
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, part, whole - part + 1) if part > 0 else 0.0
    high = beta.ppf(1 - tail, part + 1, whole - part) if part < whole else 1.0
    return {"part": part, "whole": whole, "confidence": confidence, "low": low, "high": high}


def open_set(rng, people, enrolled, searched, strangers):
    """Templates, probes and strangers as vectors, and the two error rates at some distances."""

    def unit(v):
        return np.float32(np.round(v / np.linalg.norm(v), 5))

    members, hits = [], []
    for _ in range(people):
        who = rng.normal(size=DIMENSION)
        photos = [unit(who + 0.5 * rng.normal(size=DIMENSION)) for _ in range(enrolled + searched)]
        members.append({"templates": photos[:enrolled], "probes": photos[enrolled:]})
    others = [unit(rng.normal(size=DIMENSION)) for _ in range(strangers)]

    def to_people(probe):
        return np.array([min(np.linalg.norm(np.float64(t) - np.float64(probe)) for t in m["templates"]) for m in members])

    alarms = np.array([to_people(s).min() for s in others])
    for i, m in enumerate(members):
        for probe in m["probes"]:
            distances = to_people(probe)
            hits.append(distances[i] if distances.argmin() == i else np.inf)
    hits = np.array(hits)
    points = [{"distance": d, "fpir": np.mean(alarms <= d), "fnir": np.mean(hits > d)} for d in np.arange(0.1, 1.6, 0.1)]
    as_lists = [{key: [v.tolist() for v in vectors] for key, vectors in m.items()} for m in members]
    return {"members": as_lists, "strangers": [s.tolist() for s in others], "points": points}


def main():
    rng = np.random.default_rng(20261124)
    a, b, same = make_pairs(rng)
    cases = [
        figures(a, b, same, "euclidean", False, 10, 0.02, set()),
        figures(a, b, same, "euclidean", False, 10, 1e-3, set()),
        figures(a, b, same, "euclidean", True, 5, 0.1, {0, 17, 130}),
        figures(a, b, same, "cosine", False, 10, 0.02, set()),
        figures(a, b, same, "cosine", True, 10, 0.02, set()),
        figures(a, b, same, "cosine", True, 5, 0.1, {0, 17, 130}),
    ]
    counts = [(0, 10), (1, 10), (10, 10), (3, 500), (991, 1000), (592, 5923194), (59, 5923194), (1049, 1100), (999999, 1000000)]
    intervals = [clopper_pearson(part, whole, c) for part, whole in counts for c in (0.95, 0.99)]
    reference = {
        "a": [[float(f"{v:.5f}") for v in row] for row in a],
        "b": [[float(f"{v:.5f}") for v in row] for row in b],
        "same": same.tolist(),
        "cases": cases,
        "intervals": intervals,
        "open_set": open_set(rng, 12, 2, 3, 40),
    }
    text = json.dumps(reference, separators=(",", ":"))
    pathlib.Path(__file__).with_name("reference.json").write_text(text + "\n")
    for case in cases:
        print(case)


main()
