#!/usr/bin/env python3
"""Times network D2 on the host in int8, in alternating runs of TensorFlow Lite's XNNPACK and denselet.

    python3 -m venv tflite-env && tflite-env/bin/pip install tensorflow-cpu ai-edge-litert
    cargo bench -p denselet-train --bench host --no-run
    tflite-env/bin/python host-trainer/benches/xnnpack_d2.py --turns 3

Each side has two threads, in its fastest configuration: XNNPACK runs with one and two threads, one image and 16 at a time, and as two
processes of one thread. Both forms of the network are measured: as the converter writes it, and tuned (every batch norm that
cannot fold is a 1x1 depthwise convolution with a fused ReLU). A round is `--images` images; the fastest of several rounds
counts. Prints the medians over the turns, and the ratio of denselet to the fastest configuration of XNNPACK.
"""
import argparse
import multiprocessing
import os
import statistics
import subprocess
import time

import numpy as np

GROWTH, BLOCKS, STEM, CLASSES, SHAPE = 12, (6, 6, 6), 24, 10, (32, 32, 3)


def build(is_tuned):
    """The network as int8 TensorFlow Lite, with random parameters and batch norms that are not the identity."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    from tensorflow.keras import layers

    random = np.random.default_rng(1)

    def norm_relu(x, can_fold):
        if is_tuned and not can_fold:
            x = layers.DepthwiseConv2D(1)(x)
        else:
            x = layers.BatchNormalization()(x)
        return layers.ReLU()(x)

    def conv(x, filters, size):
        return layers.Conv2D(filters, size, padding="same", use_bias=False)(x)

    image = layers.Input(SHAPE)
    x = conv(image, STEM, 3)
    for block, count in enumerate(BLOCKS):
        for _ in range(count):
            y = norm_relu(x, False)
            y = norm_relu(conv(y, 4 * GROWTH, 1), True)
            x = layers.Concatenate()([x, conv(y, GROWTH, 3)])
        x = norm_relu(x, False)
        if block + 1 < len(BLOCKS):
            x = layers.AveragePooling2D(2)(conv(x, x.shape[-1] // 2, 1))
    model = tf.keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    for layer in model.layers:
        if isinstance(layer, (layers.BatchNormalization, layers.DepthwiseConv2D)):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [random.uniform(0, 1, (1, *SHAPE)).astype(np.float32)] for _ in range(50)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def run(model, threads, batch, images, rounds, results=None):
    """Images per second in the best round."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=threads)
    where = interpreter.get_input_details()[0]["index"]
    if batch > 1:
        interpreter.resize_tensor_input(where, (batch, *SHAPE))
    interpreter.allocate_tensors()
    data = np.random.default_rng(2).integers(-128, 128, (batch, *SHAPE), dtype=np.int8)
    best = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(images // batch):
            interpreter.set_tensor(where, data)
            interpreter.invoke()
        best = max(best, images / (time.perf_counter() - start))
    if results is not None:
        results.put(best)
    return best


def ours(images):
    """Images per second of `cargo bench -p denselet-train --bench host`, two threads."""
    words = ["cargo", "bench", "--quiet", "-p", "denselet-train", "--bench", "host", "--", "d2", str(images)]
    environment = dict(os.environ, RAYON_NUM_THREADS="2")
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    out = subprocess.run(words, env=environment, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(out.split(" threads ")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    work = (arguments.images, arguments.rounds)
    models = {name: build(is_tuned) for name, is_tuned in (("stock", False), ("tuned", True))}
    found = {}
    for _ in range(arguments.turns):
        found.setdefault("denselet, 2 threads", []).append(ours(arguments.images))
        for name, model in models.items():
            for threads, batch in ((1, 1), (2, 1), (2, 16)):
                how = f"XNNPACK {name}, {threads} threads, batch {batch}"
                found.setdefault(how, []).append(run(model, threads, batch, *work))
            results = multiprocessing.Queue()
            both = [multiprocessing.Process(target=run, args=(model, 1, 1, *work, results)) for _ in range(2)]
            for process in both:
                process.start()
            speeds = [results.get() for _ in both]
            for process in both:
                process.join()
            found.setdefault(f"XNNPACK {name}, 2 processes of 1 thread", []).append(sum(speeds))
    medians = {how: statistics.median(speeds) for how, speeds in found.items()}
    for how, speeds in found.items():
        print(f"{how:44} {medians[how]:8.0f} images/s   {' '.join(f'{speed:.0f}' for speed in speeds)}")
    mine = medians.pop("denselet, 2 threads")
    print(f"denselet over the best of XNNPACK: {mine / max(medians.values()):.2f}")


if __name__ == "__main__":
    main()
