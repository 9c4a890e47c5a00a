"""Makes the golden cases of this folder, with numpy alone: python3 tests/golden_xl/make.py

Attention as Transformer-XL's own program computes it (Dai et al., arXiv 1901.02860, appendix B): the
term of positions for the distances klen - 1 ... 0, put in place by the relative shift (pad a column,
reshape, drop a row), masks from triangles of ones. All in float64. Gradients are complex steps: the
derivative of Re f in a direction is Im f(x + i h) / h, to the last digits, with no way back to derive.
"""

import json
import pathlib
import struct

import numpy as np

STEP = 1e-30
FOLDER = pathlib.Path(__file__).parent


def sinusoids(positions, width):
    frequencies = 1 / 10000 ** (np.arange(0, width, 2.0) / width)
    angles = np.outer(positions, frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def relative_shift(x):
    """[batch, head, query, klen], of distances klen - 1 ... 0, to [batch, head, query, key]."""
    *front, queries, keys = x.shape
    padded = np.concatenate([np.zeros((*front, queries, 1), x.dtype), x], axis=-1)
    return padded.reshape(*front, keys + 1, queries)[..., 1:, :].reshape(x.shape)


def masked(queries, cached, mem_len, same_length):
    """[query, key], true where a query must not look."""
    ones = np.ones((queries, queries + cached))
    mask = np.triu(ones, 1 + cached)
    if same_length:
        mask_len = queries + cached - mem_len
        shift = queries - mask_len if mask_len > 0 else queries
        mask = mask + np.tril(ones, -shift)
    return mask > 0


def attention(given, case):
    """q [B, T, H, D], k and v [B, S, G, D]: the output and the log-sum-exp of the scores."""
    q, absent = given["q"], case.get("absent", 0)
    heads = q.shape[2] // given["k"].shape[2]
    k = np.repeat(given["k"][:, absent:], heads, axis=2)
    v = np.repeat(given["v"][:, absent:], heads, axis=2)
    queries, keys = q.shape[1], k.shape[1]
    if "distances" in given:
        position = np.arange(keys - 1, -1, -1)
        if case["clamp_len"] > 0:
            position = np.minimum(position, case["clamp_len"])
        r = given["distances"][position]
        content = np.einsum("bthd,bshd->bhts", q + given["content_bias"], k)
        shifted = relative_shift(np.einsum("bthd,shd->bhts", q + given["position_bias"], r))
        scores = content + shifted
    else:
        scores = np.einsum("bthd,bshd->bhts", q, k)
    scores = scores * (case.get("scale") or q.shape[-1] ** -0.5)
    hidden = masked(queries, keys - queries, case["mem_len"], case["same_length"])
    most = np.where(hidden, -np.inf, scores.real).max(axis=-1, keepdims=True)
    powers = np.where(hidden, 0, np.exp(scores - most))
    total = powers.sum(axis=-1, keepdims=True)
    out = np.einsum("bhts,bshd->bthd", powers / total, v)
    return out, (most + np.log(total))[..., 0].transpose(0, 2, 1)


def gradients(given, grad_out, case):
    found = {}
    for name in given:
        inputs = {key: value.astype(complex) for key, value in given.items()}
        flat = inputs[name].reshape(-1)
        found[f"grad_{name}"] = np.empty(given[name].shape)
        into = found[f"grad_{name}"].reshape(-1)
        for i in range(flat.size):
            flat[i] += STEP * 1j
            into[i] = (grad_out * attention(inputs, case)[0].imag).sum() / STEP
            flat[i] = flat[i].real
    return found


def make(name, seed, B=1, T=8, cached=0, H=2, G=2, D=16, relative=True, sharpness=1, **case):
    """`cached` keys lie in front of the queries' own; the first `absent` of them hold noise."""
    case = {"mem_len": cached, "same_length": False, "clamp_len": -1, **case}
    random = np.random.default_rng(seed)
    normal = lambda *shape: random.normal(size=shape).astype(np.float32).astype(float)
    S = cached + T
    given = {"q": normal(B, T, H, D) * sharpness, "k": normal(B, S, G, D), "v": normal(B, S, G, D)}
    if relative:
        rows = case["clamp_len"] + 1 if case["clamp_len"] > 0 else S
        weight = random.normal(size=(H * D, H * D)) * (2 / (H * D)) ** 0.5
        projected = (sinusoids(np.arange(rows), H * D) @ weight).reshape(rows, H, D)
        given["distances"] = projected.astype(np.float32).astype(float)
        given["content_bias"], given["position_bias"] = normal(H, D), normal(H, D)
    grad_out = normal(B, T, H, D)
    out, sums = attention(given, case)
    results = {"out": out, "sums": sums, **gradients(given, grad_out, case)}
    window = {"window": str(case["mem_len"])} if case["same_length"] else {}
    metadata = {
        "case": name,
        "layout": "batch,head,token,dim; sums batch,token,head; distances distance,head,dim",
        "scale": str(case.get("scale", "1/sqrt(d)")),
        **{key: str(case[key]) for key in ("mem_len", "clamp_len", "same_length")},
        "absent": str(case.get("absent", 0)),
        **window,
    }
    write(FOLDER / f"{name}.safetensors", {**given, "grad_out": grad_out, **results}, metadata)
    print(name)


def write(path, tensors, metadata):
    header, at, parts = {"__metadata__": metadata}, 0, []
    for name, x in tensors.items():
        x = x.transpose(0, 2, 1, 3) if x.ndim == 4 else x
        part = np.ascontiguousarray(x, dtype="<f4").tobytes()
        offsets = [at, at + len(part)]
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": offsets}
        parts.append(part)
        at += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


make("xl_t13_d16", 1, T=13)
make("xl_cache_longer_t8_m24_d24", 2, B=2, cached=24, D=24)
make("xl_cache_shorter_gqa_t20_m7_d40", 3, T=20, cached=7, H=4, D=40)
make("xl_clamp10_gqa_t12_m20_d16", 4, B=2, T=12, cached=20, H=4, G=1, clamp_len=10)
make("xl_same_length_t16_m16_d24", 5, T=16, cached=16, D=24, same_length=True)
make("xl_absent11_same_length_t9_m20_d16", 6, B=2, T=9, cached=20, absent=11, same_length=True)
make("xl_clamp30_t70_m30_d16", 7, T=70, cached=30, G=1, same_length=True, clamp_len=30)
make("xl_decode_clamp25_m40_d40", 8, T=1, cached=40, D=40, H=4, clamp_len=25)
make("xl_sharp_scale_t24_m10_d16", 9, T=24, cached=10, sharpness=4, scale=0.5)
make("window13_gqa_t40_d24", 10, B=2, T=40, H=4, D=24, relative=False, same_length=True, mem_len=13)
make("window_cache_t10_m33_d40", 11, T=10, cached=33, D=40, relative=False)
