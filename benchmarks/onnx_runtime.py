"""ONNX Runtime beside LiteRT, by which LiteRT was chosen: ``python benchmarks/onnx_runtime.py``.

It needs ``pip install onnx onnxruntime tf2onnx``, which the project does without. Both run what Keras exports of the
committed weights: LiteRT the file beside them, ONNX Runtime one in float32. Start is from the start of a process to the
first output of the U-Net; speed is the median of the rounds, both in turn, on two cores. The record goes to
``benchmarks/results/onnx.json``.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from colorizer.inference import find_model
from colorizer.records import describe_machine, describe_versions
from colorizer.runtime import EXPORTED, LiteRTRuntime, import_keras

RECORD = Path(__file__).parent / "results/onnx.json"
ROUNDS = 20
SHAPES = {"unet": ((1, 32, 32), (64, 32, 32), (1, 64, 96)), "autoencoder": ((1, 32, 32), (256, 32, 32))}
START = {
    "LiteRT": "from ai_edge_litert.interpreter import Interpreter\n"
    "import numpy as np\n"
    "run = Interpreter(sys.argv[1], num_threads=2).get_signature_runner()\n"
    "weights = np.zeros(run.get_input_details()['weights']['shape'], 'f4')\n"
    "run(luma=np.zeros((1, 32, 32, 1), 'f4'), hints=np.zeros((1, 16, 16, 3), 'f4'), weights=weights)\n",
    "ONNX Runtime": "import onnxruntime\n"
    "import numpy as np\n"
    "run = onnxruntime.InferenceSession(sys.argv[1]).run\n"
    "run(None, {'luma': np.zeros((1, 32, 32, 1), 'f4'), 'hints': np.zeros((1, 16, 16, 3), 'f4')})\n",
}


def make_inputs(model: str, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Make inputs (N, H, W, 1) of a network and, for the U-Net, (N, H/2, W/2, 3)."""
    n, height, width = shape
    luma = np.random.default_rng(0).random((*shape, 1), np.float32)
    return [luma, np.zeros((n, height // 2, width // 2, 3), np.float32)] if model == "unet" else [luma]


def export(model: str, path: Path) -> None:
    """Export the committed weights to ONNX."""
    keras, _ = import_keras()
    network = keras.models.load_model(find_model(model), compile=False)
    inputs = make_inputs(model, (1, 32, 32))
    network(dict(zip(("luma", "hints"), inputs, strict=True)) if model == "unet" else inputs[0])
    network.export(path, format="onnx", verbose=False)


def start(runtime: str, path: Path) -> dict[str, float]:
    """Time a process of its own until its first output; the best of five, and its memory then."""
    code = f"import sys\n{START[runtime]}import psutil\nprint(psutil.Process().memory_info().rss)"
    times, memory = [], 0
    for _ in range(5):
        before = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - before)
        memory = int(done.stdout)
    return {"seconds": round(min(times), 3), "resident, MB": round(memory / 1e6, 1)}


def time_in_turn(calls: dict[str, Callable[[], Any]], images: int) -> dict[str, float]:
    """Time calls in turn: the median of each, in milliseconds an image."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            before = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - before)
    return {name: round(1000 * float(np.median(values[1:])) / images, 2) for name, values in times.items()}


def main() -> None:
    import onnxruntime

    record: dict[str, Any] = {"cores": psutil.cpu_count(), "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as folder:
        for model, shapes in SHAPES.items():
            lite, onnx = find_model(model).with_name(EXPORTED), Path(folder, f"{model}.onnx")
            export(model, onnx)
            runtime = LiteRTRuntime(lite.read_bytes())
            session = onnxruntime.InferenceSession(str(onnx))
            names = [node.name for node in session.get_inputs()]
            figures: dict[str, Any] = {
                "file, MB": {
                    "LiteRT": round(lite.stat().st_size / 1e6, 1),
                    "ONNX Runtime": round(onnx.stat().st_size / 1e6, 1),
                }
            }
            for shape in shapes:
                inputs = make_inputs(model, shape)
                # The U-Net's inputs by name, since their order is the exporter's.
                by_name = {n: inputs["hints" in n] if len(inputs) > 1 else inputs[0] for n in names}
                calls: dict[str, Callable[[], Any]] = {
                    "LiteRT": partial(runtime, *inputs),
                    "ONNX Runtime": partial(session.run, None, by_name),
                }
                figures[f"{' x '.join(map(str, shape))}, ms an image"] = time_in_turn(calls, shape[0])
            if model == "unet":
                figures["start"] = {"LiteRT": start("LiteRT", lite), "ONNX Runtime": start("ONNX Runtime", onnx)}
            record[model] = figures
    versions = {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime", "tf2onnx")}
    record |= {"machine": describe_machine(), "versions": describe_versions("ai-edge-litert", "numpy") | versions}
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
