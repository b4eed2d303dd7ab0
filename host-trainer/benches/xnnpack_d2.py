#!/usr/bin/env python3
"""Network D2 through TensorFlow Lite's XNNPACK, int8: what `cargo bench -p denselet-train --bench host` stands beside.

Wants `pip install tensorflow-cpu ai-edge-litert` in an environment of its own. Both forms of the network are
measured: as the converter makes it, and tuned (every batch norm that cannot fold is a 1x1 depthwise convolution with the
ReLU fused into it). Times are the best of several rounds; a busy machine slows both sides, so run them one after the other.
"""
import argparse
import multiprocessing
import os
import resource
import time

import numpy as np

GROWTH, BLOCKS, STEM, CLASSES, SHAPE = 12, (6, 6, 6), 24, 10, (32, 32, 3)


def build(is_tuned):
    """The network as int8 TensorFlow Lite, with random parameters and batch norms that are no identity."""
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


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(model, threads, batch, images, rounds, results=None):
    """The best round: images per second, and per second of processor time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=threads)
    where = interpreter.get_input_details()[0]["index"]
    if batch > 1:
        interpreter.resize_tensor_input(where, (batch, *SHAPE))
    interpreter.allocate_tensors()
    data = np.random.default_rng(2).integers(-128, 128, (batch, *SHAPE), dtype=np.int8)
    best = (0.0, 0.0)
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), cpu_seconds()
        for _ in range(images // batch):
            interpreter.set_tensor(where, data)
            interpreter.invoke()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        best = (max(best[0], images / wall), max(best[1], images / cpu))
    if results is not None:
        results.put(best)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", metavar="FOLDER", help="keep the .tflite files there")
    arguments = parser.parse_args()
    work = (arguments.images, arguments.rounds)
    print(f"{'network':8} {'how':34} {'images/s':>10} {'per cpu second':>16}")
    for name, is_tuned in (("stock", False), ("tuned", True)):
        model = build(is_tuned)
        if arguments.keep:
            with open(os.path.join(arguments.keep, f"d2-{name}.tflite"), "wb") as file:
                file.write(model)
        for threads, batch in ((1, 1), (2, 1), (2, 16)):
            wall, cpu = run(model, threads, batch, *work)
            print(f"{name:8} {f'{threads} threads, batch {batch}':34} {wall:10.0f} {cpu:16.0f}", flush=True)
        results = multiprocessing.Queue()
        both = [
            multiprocessing.Process(target=run, args=(model, 1, 1, *work, results)) for _ in range(2)
        ]
        for process in both:
            process.start()
        found = [results.get() for _ in both]
        wall, cpu = sum(f[0] for f in found), sum(f[1] for f in found) / 2
        print(f"{name:8} {'2 processes of 1 thread, batch 1':34} {wall:10.0f} {cpu:16.0f}", flush=True)


if __name__ == "__main__":
    main()
