"""Times the authors' eager landmark attention (PyTorch, CPU), for bench/attention_peers.ts.

usage: python3 authors_attention.py CLONE HEADS TOKENS WIDTH BLOCK THREADS [REPEATS]

CLONE is a checkout of the authors' repository; their grouped softmax is taken from it as it is.
The masks are built as their model builds them. Prints one JSON object, times in milliseconds.
"""

import ast
import json
import math
import statistics
import sys
import time

import torch


def grouped_softmax(clone):
    """Their function, without the model around it (which needs the transformers library)."""
    path = f"{clone}/llama/llama_mem.py"
    with open(path) as file:
        tree = ast.parse(file.read(), path)
    wanted = {"LandmarkGroupedSoftmaxFunction", "landmark_grouped_softmax"}
    tree.body = [node for node in tree.body if getattr(node, "name", None) in wanted]
    space = {"torch": torch}
    exec(compile(tree, path, "exec"), space)
    return space["landmark_grouped_softmax"]


def masks(tokens, block):
    lowest = torch.finfo(torch.float32).min
    causal = torch.full((tokens, tokens), lowest).triu(1)[None, None]
    is_landmark = (torch.arange(tokens) % block == block - 1)[None, None, None]
    section = torch.where(causal < -1, 0, torch.cumsum(is_landmark, -1) - is_landmark.int())
    own = torch.amax(section, -1, keepdim=True) == section
    causal = causal.masked_fill(own & is_landmark, lowest)
    own = own.logical_and(causal > -1)
    return causal, is_landmark.logical_and(causal > -1), own


def main():
    clone, heads, tokens, width, block, threads = sys.argv[1], *map(int, sys.argv[2:7])
    repeats = int(sys.argv[7]) if len(sys.argv) > 7 else 3
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    softmax = grouped_softmax(clone)
    q, k, v = (torch.randn(1, heads, tokens, width, requires_grad=True) for _ in range(3))
    grad = torch.randn(1, heads, tokens, width)
    causal, is_landmark, own = masks(tokens, block)

    def landmark():
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(width) + causal
        scores = torch.max(scores, torch.tensor(torch.finfo(scores.dtype).min))
        weights = softmax(scores, -1, is_landmark.expand(-1, heads, -1, -1), own)
        return torch.matmul(weights, v)

    def forward():
        with torch.no_grad():
            landmark()

    def both():
        torch.autograd.grad(landmark(), (q, k, v), grad)

    def median(run):
        run()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times)

    print(json.dumps({
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "forwardMs": median(forward),
        "forwardBackwardMs": median(both),
    }))


main()
