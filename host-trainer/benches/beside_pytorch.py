#!/usr/bin/env python3
"""Times training steps of PyTorch and of denselet in alternating runs, on the same network, batch and threads.

    python3 -m venv torch-env && torch-env/bin/pip install torch numpy
    cargo build --release -p denselet-train
    torch-env/bin/python host-trainer/benches/beside_pytorch.py --net d1 --batch 64 --turns 3

Each turn runs one process of either side: forward, backward and SGD with Nesterov momentum, float32, two threads. PyTorch
runs channels_last and contiguous, with glibc told to keep its memory between steps (MALLOC_TRIM_THRESHOLD_,
MALLOC_MMAP_THRESHOLD_), and its better layout counts. Prints the medians over the turns and their ratio.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

NETS = {
    "d1": dict(side=28, channels=1, growth=8, blocks=(4, 4, 4), stem=16),
    "d2": dict(side=32, channels=3, growth=12, blocks=(6, 6, 6), stem=24),
}


def pytorch(net, batch, threads, seconds, layout):
    """Median and best images per second of one PyTorch process."""
    import torch
    from torch import nn
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    shape = NETS[net]

    class Layer(nn.Module):
        def __init__(self, inputs, growth):
            super().__init__()
            self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
            self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

        def forward(self, x):
            y = self.conv1(F.relu(self.norm1(x), inplace=True))
            return torch.cat([x, self.conv2(F.relu(self.norm2(y), inplace=True))], 1)

    parts, width = [nn.Conv2d(shape["channels"], shape["stem"], 3, padding=1, bias=False)], shape["stem"]
    for at, layers in enumerate(shape["blocks"]):
        for _ in range(layers):
            parts.append(Layer(width, shape["growth"]))
            width += shape["growth"]
        if at + 1 < len(shape["blocks"]):
            parts += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    parts += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    model = nn.Sequential(*parts)
    images = torch.randn(batch, shape["channels"], shape["side"], shape["side"])
    if layout == "channels_last":
        model, images = (v.to(memory_format=torch.channels_last) for v in (model, images))
    labels = torch.randint(0, 10, (batch,))
    step = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    times, start = [], time.perf_counter()
    while len(times) < 8 or time.perf_counter() - start < seconds:
        at = time.perf_counter()
        step.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        step.step()
        times.append(time.perf_counter() - at)
    times = sorted(times[3:])
    return {"images_per_second": batch / times[len(times) // 2], "best": batch / times[0]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--net", choices=NETS, default="d1")
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seconds", type=float, default=8)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--denselet", default="target/release/denselet")
    options.add_argument("--layout", help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.layout:
        print(json.dumps(pytorch(args.net, args.batch, args.threads, args.seconds, args.layout)))
        return
    tuned = dict(os.environ, MALLOC_TRIM_THRESHOLD_=str(1 << 40), MALLOC_MMAP_THRESHOLD_=str(1 << 40))
    ours = dict(os.environ, RAYON_NUM_THREADS=str(args.threads))
    common = ["--net", args.net, "--batch", str(args.batch), "--seconds", str(args.seconds)]
    theirs = [sys.executable, __file__, *common, "--threads", str(args.threads), "--layout"]

    def run(command, environment):
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["images_per_second"]

    seen = {"channels_last": [], "contiguous": [], "denselet": []}
    for turn in range(args.turns):
        for layout in ("channels_last", "contiguous"):
            seen[layout].append(run([*theirs, layout], tuned))
        seen["denselet"].append(run([args.denselet, "bench-train", *common, "--json"], ours))
        print(f"turn {turn + 1}: " + ", ".join(f"{name} {list_[-1]:.0f}" for name, list_ in seen.items()), file=sys.stderr)
    medians = {name: statistics.median(list_) for name, list_ in seen.items()}
    peer = max(medians["channels_last"], medians["contiguous"])
    print(f"{args.net}, batch {args.batch}, {args.threads} threads: denselet {medians['denselet']:.0f} images/s, "
          f"PyTorch {peer:.0f}, ratio {medians['denselet'] / peer:.2f}")


if __name__ == "__main__":
    main()
