"""PyTorch beside bench/gpu.ts, on the same GPU: products, attention, Infini-attention, training.

usage: python3 gpu_peers.py [--authors CLONE] [--infini CLONE]
                            [--parts matmul,attention,infini,training] [--only TEXT]
                            [--repeats 9] [--device cuda] [--small]

The authors' CLONE is a checkout of their repository (github epfml/landmark-attention); its Triton
kernel is timed on the same tensors as PyTorch's own, ordinary attention. Infini's CLONE is one of
github lucidrains/infini-transformer-pytorch; the packages einops and rotary_embedding_torch that it
needs may be folders in it. `--only` takes the rows of training whose name holds the text.

Prints one JSON object a line: GPU time by events, medians. Operations are counted as bench/gpu.ts
counts them: 4·D forward and 10·D backward for each head and pair of a query and a key that is not
behind it.
"""

import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class Clock:
    """Times of a run, in milliseconds."""

    def __init__(self, device, repeats):
        self.device = device
        self.repeats = repeats

    def median(self, run, runs=1):
        for _ in range(3):
            run()
        return statistics.median(self.once(run, runs) for _ in range(self.repeats))

    def once(self, run, runs):
        if self.device == "cpu":
            start = time.perf_counter()
            for _ in range(runs):
                run()
            return (time.perf_counter() - start) * 1e3 / runs
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(runs):
            run()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / runs


def report(part, name, ms, rate=None, unit=None, **more):
    row = {"part": part, "name": name, "ms": round(ms, 4), **more}
    if rate is not None:
        row |= {"rate": round(rate, 3), "unit": unit}
    print(json.dumps(row), flush=True)


def attempt(part, name, run):
    """What this GPU or this PyTorch cannot do becomes a row that says so."""
    try:
        run()
    except Exception as error:
        problem = str(error).strip().split("\n")[0]
        print(json.dumps({"part": part, "name": name, "problem": problem}), flush=True)


def matmul(args, clock):
    size = 256 if args.small else 4096

    def measure(name, dtype):
        a, b = (torch.randn(size, size, device=args.device, dtype=dtype) for _ in range(2))
        ms = clock.median(lambda: a @ b, 10)
        report("matmul", name, ms, 2 * size**3 / ms / 1e9, "TFLOP/s")

    for dtype in ("f32", "f16"):
        name = f"{dtype} {size}³"
        attempt("matmul", name, lambda: measure(name, DTYPES[dtype]))


def attention_shapes(small):
    if small:
        return [(1, 2, 128, 32)]
    return [(1, 8, 2048, 64), (1, 8, 8192, 64), (1, 8, 16384, 64), (1, 8, 8192, 128)]


def attention(args, clock):
    ways = {"SDPA": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)}
    if args.authors:
        ways["authors, M 64"] = authors(args)
    for shape in attention_shapes(args.small):
        for dtype in ("f32", "f16"):
            for way, run in ways.items():
                name = f"{way} {dtype} {'×'.join(map(str, shape))}"
                measure = lambda: time_attention(args, clock, name, run, shape, DTYPES[dtype])
                attempt("attention", name, measure)


def authors(args):
    """Their fused kernel, under its own file's name."""
    sys.path.insert(0, f"{args.authors}/llama/ltriton")
    from flash_landmark_attention import fused_landmark_attention

    def run(q, k, v):
        is_landmark = torch.arange(k.shape[2], device=q.device) % 64 == 63
        return fused_landmark_attention(q, k, v, is_landmark, block_size=64)

    return run


def time_attention(args, clock, name, run, shape, dtype):
    _, heads, tokens, width = shape
    q, k, v = (
        torch.randn(shape, device=args.device, dtype=dtype, requires_grad=True) for _ in range(3)
    )
    grad = torch.randn(shape, device=args.device, dtype=dtype)
    pairs = shape[0] * heads * tokens * (tokens + 1) / 2

    def forward():
        with torch.no_grad():
            run(q, k, v)

    ms = clock.median(forward)
    report("attention", f"forward {name}", ms, pairs * 4 * width / ms / 1e9, "TFLOP/s")
    out = run(q, k, v)
    ms = clock.median(lambda: torch.autograd.grad(out, (q, k, v), grad, retain_graph=True))
    report("attention", f"backward {name}", ms, pairs * 10 * width / ms / 1e9, "TFLOP/s")


def infini(args, clock):
    """Ordinary attention over the row, then theirs, a segment at a time."""
    batch, heads, tokens, width, segment = (1, 2, 256, 32, 64) if args.small else INFINI
    shape = (batch, heads, tokens, width)
    for dtype in ("f32", "bf16", "f16"):
        name = f"SDPA {dtype} {'×'.join(map(str, shape))}"
        run = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)
        make = lambda: run
        part = lambda: time_whole(args, clock, name, make, shape, dtype)
        attempt("infini", name, part)
        if not args.infini:
            continue
        for update in ("linear", "delta"):
            where = f"{update} {dtype} {'×'.join(map(str, shape))} by {segment}"
            name = f"lucidrains' memory, local SDPA, {where}"
            make = lambda: infini_memory(args, heads, segment, update, dtype)
            attempt("infini", name, part)
            name = f"lucidrains' layer, {where}"
            make = lambda: infini_layer(args, heads, width, segment, update, dtype)
            whole = (batch, tokens, heads * width)
            attempt("infini", name, lambda: time_whole(args, clock, name, make, whole, dtype))


INFINI = (1, 8, 32768, 64, 2048)


def lucidrains(args):
    """Their module, under its own file's name."""
    sys.path[:0] = [args.infini, f"{args.infini}/infini_transformer_pytorch"]
    import infini_transformer

    return infini_transformer


def infini_memory(args, heads, segment, update, dtype):
    """Heads to heads, as bench/gpu.ts has it: their memory and gates around PyTorch's attention."""
    module = lucidrains(args).FastweightMemory(
        heads=heads, head_gate_init_value=0.0, use_mem_delta_rule=update == "delta"
    )
    module.to(args.device, DTYPES[dtype])

    def run(q, k, v):
        memories, outs = None, []
        for q, k, v in zip(*(x.split(segment, 2) for x in (q, k, v))):
            local = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            outs.append(module.retrieve_and_add_to_output(local, q, memories))
            memories = module.create_new_memories(k, v, memories)
        return torch.cat(outs, 2)

    run.parameters = trained(module)
    return run


def infini_layer(args, heads, width, segment, update, dtype):
    """Tokens to tokens: also their norm, projections, rotations and eager local attention."""
    module = lucidrains(args).CausalAttention(
        dim=heads * width,
        dim_head=width,
        heads=heads,
        head_gate_init_value=0.0,
        use_mem_delta_rule=update == "delta",
    )
    module.to(args.device, DTYPES[dtype]).eval()  # dropouts of nothing take time

    def run(x):
        memories, outs = None, []
        for x in x.split(segment, 1):
            out, _, memories = module(x, past_memories=memories, return_new_memories=True)
            outs.append(out)
        return torch.cat(outs, 1)

    run.parameters = trained(module)
    return run


def trained(module):
    return [weight for weight in module.parameters() if weight.requires_grad]


def time_whole(args, clock, name, make, shape, dtype):
    """Forward without a graph, and forward with backward."""
    run = make()
    kind = DTYPES[dtype]
    inputs = 1 if len(shape) == 3 else 3
    given = [
        torch.randn(shape, device=args.device, dtype=kind, requires_grad=True)
        for _ in range(inputs)
    ]
    grad = torch.randn(shape, device=args.device, dtype=kind)
    wanted = [*given, *getattr(run, "parameters", [])]

    def forward():
        with torch.no_grad():
            return run(*given)

    def both():
        torch.autograd.grad(run(*given), wanted, grad)

    finite = bool(forward().isfinite().all())
    report("infini", f"forward {name}", clock.median(forward), finite=finite)
    report("infini", f"forward and backward {name}", clock.median(both))


class Norm(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    """x [B, H, T, D], half-split."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Layer(torch.nn.Module):
    def __init__(self, width, heads, kv_heads, head, mlp):
        super().__init__()
        linear = lambda inputs, outputs: torch.nn.Linear(inputs, outputs, bias=False)
        self.heads, self.kv_heads, self.head = heads, kv_heads, head
        self.q, self.o = linear(width, heads * head), linear(heads * head, width)
        self.k, self.v = linear(width, kv_heads * head), linear(width, kv_heads * head)
        self.gate, self.up = linear(width, mlp), linear(width, mlp)
        self.down = linear(mlp, width)
        self.before, self.between = Norm(width), Norm(width)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        y = self.before(x)
        split = lambda z, heads: z.view(b, t, heads, self.head).transpose(1, 2)
        q = rotate(split(self.q(y), self.heads), cos, sin)
        k = rotate(split(self.k(y), self.kv_heads), cos, sin)
        v = split(self.v(y), self.kv_heads)
        ratio = self.heads // self.kv_heads
        k, v = (z.repeat_interleave(ratio, 1) for z in (k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(out.transpose(1, 2).reshape(b, t, -1))
        y = self.between(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Model(torch.nn.Module):
    """A Llama with ordinary attention and a tied head."""

    def __init__(self, layers, width, heads, kv_heads, head, mlp, vocab):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab, width)
        torch.nn.init.normal_(self.embedding.weight, std=0.02)
        make = lambda: Layer(width, heads, kv_heads, head, mlp)
        self.layers = torch.nn.ModuleList(make() for _ in range(layers))
        self.last = Norm(width)
        frequencies = 10000 ** (-torch.arange(0, head, 2) / head)
        angles = torch.outer(torch.arange(1024), frequencies)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids, targets):
        t = ids.shape[1]
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        logits = self.last(x) @ self.embedding.weight.T
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


TINY = dict(layers=6, width=256, heads=4, kv_heads=2, head=64, mlp=704, vocab=260)
LLAMA = dict(layers=30, width=576, heads=9, kv_heads=3, head=64, mlp=1536, vocab=49152)


def training_shapes(small):
    if small:
        return [("embedded, one layer", TINY | {"layers": 1}, 2, 64)]
    return [
        ("embedded", TINY, 32, 512),
        ("embedded", TINY, 16, 1024),
        ("135 M Llama", LLAMA, 8, 512),
    ]


def training(args, clock):
    for name, shape, batch, length in training_shapes(args.small):
        for how in ("eager", "compiled") if hasattr(torch, "compile") else ("eager",):
            for precision in ("f32", "tf32", "f16"):
                row = f"{name} {batch}×{length}, {how}, {precision}"
                if args.only not in row:
                    continue
                attempt("training", row, lambda: train(args, clock, row, shape, batch, length))


def train(args, clock, name, shape, batch, length):
    """One step: forward, back, clip, AdamW. f16 is autocast with a scaled loss."""
    precision, compiled = name.rsplit(" ", 1)[-1], "compiled" in name
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.manual_seed(1)
    model = Model(**shape).to(args.device)
    step_of = torch.compile(model) if compiled else model
    fused = {"fused": True} if args.device == "cuda" else {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), **fused)
    scaler = torch.amp.GradScaler(args.device, enabled=precision == "f16" and args.device == "cuda")
    ids = torch.randint(0, 256, (batch, length + 1), device=args.device)
    kind = torch.float16 if args.device == "cuda" else torch.bfloat16

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(args.device, dtype=kind, enabled=precision == "f16"):
            loss = step_of(ids[:, :-1], ids[:, 1:])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    ms = clock.median(step, 1 if args.small else 5)
    report("training", name, ms, batch * length / ms * 1e3, "tokens/s")


PARTS = {"matmul": matmul, "attention": attention, "infini": infini, "training": training}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--authors")
    parser.add_argument("--infini")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--only", default="")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    on = torch.cuda.get_device_name() if args.device == "cuda" else args.device
    print(json.dumps({"part": "on", "name": on, "torch": torch.__version__}), flush=True)
    # Ordinary f32, as everything here but what is named tf32.
    torch.set_float32_matmul_precision("highest")
    for part in args.parts.split(","):
        PARTS[part](args, Clock(args.device, args.repeats))


main()
