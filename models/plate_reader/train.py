"""Train the network that reads lines of plates, on lines drawn here: nothing else is needed.

    python models/plate_reader/train.py --out /tmp/plates --steps 6000 --seed 1

goes on from the checkpoint in ``--out`` where there is one, so that more ``--steps`` train further.
After each round it leaves there ``vn_plates.pth``, which EasyOCR loads with the two files
``vn_plates.py`` and ``vn_plates.yaml`` of this folder. One thread, one process.
"""

from __future__ import annotations

import argparse
import time
from collections import OrderedDict
from pathlib import Path

import cv2
import torch
import yaml
from plates import ALPHABET
from samples import Printer, batches, prepared, stack
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from vn_plates import Model

HERE = Path(__file__).resolve().parent
HELD_OUT_SEED = 900_001
"""Lines of this seed are looked at and never trained on."""

_HELD_OUT = 384
_BATCH = 64
_ROUND = 250
_WARM_UP, _COOL_DOWN = 200, 0.4
_RATE = 2.5e-3
_CODE = {sign: number for number, sign in enumerate(ALPHABET, start=1)}


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint and weights")
    parser.add_argument("--steps", type=int, required=True, help="steps in all, 64 lines each")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    wanted.out.mkdir(parents=True, exist_ok=True)
    train(wanted.out, wanted.steps, wanted.seed)


def rate(step: int, steps: int) -> float:
    """Return the learning rate as a share of its most: rising, level, falling to nothing."""
    down = (steps - step) / max(1.0, _COOL_DOWN * steps)
    return max(0.0, min(1.0, (step + 1) / _WARM_UP, down))


def train(out: Path, steps: int, seed: int) -> None:
    """Train until `steps`, from the checkpoint in `out` if there is one."""
    torch.manual_seed(seed)
    network = _network(folded=False).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.01)
    checkpoint = out / "checkpoint.pt"
    done = 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        done = saved["steps"]
    # a run that goes on sees new lines
    lines = batches(Printer(seed * 1_000_000 + done), _BATCH)
    held_out = _held_out()
    started, loss_sum = time.process_time(), 0.0
    for step in range(done, steps):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * rate(step, steps)
        images, texts = next(lines)
        loss = _loss(network, torch.from_numpy(images), texts)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        loss_sum += loss.item()
        if (step + 1) % _ROUND == 0 or step + 1 == steps:
            right = exact(network, held_out)
            print(
                f"step {step + 1}: loss {loss_sum / _ROUND:.3f}, held-out lines exact {right:.3f},"
                f" {time.process_time() - started:.0f} s of processor",
                flush=True,
            )
            loss_sum = 0.0
            _replace(checkpoint, {
                "network": network.state_dict(), "optimiser": optimiser.state_dict(),
                "steps": step + 1,
            })  # fmt: skip
            _replace(out / "vn_plates.pth", exported(network))
            network.train()


def exported(network: Model) -> OrderedDict[str, torch.Tensor]:
    """Return the weights as EasyOCR wants them: named ``module.``, normalisation folded, halved."""
    network.eval()
    plain = _network(folded=True)
    for part, whole in ((plain.see, network.see), (plain.along, network.along)):
        for to, of in zip(part, whole, strict=True):
            to[0] = fuse_conv_bn_eval(of[0], of[1])
    plain.say = network.say
    return OrderedDict(
        (f"module.{name}", value.detach().half().contiguous())
        for name, value in plain.state_dict().items()
    )


def exact(network: Model, lines: list[tuple[torch.Tensor, list[str]]]) -> float:
    """Return the share of lines read exactly, the likeliest sign at each step."""
    network.eval()
    right = count = 0
    with torch.no_grad():
        for images, texts in lines:
            best = network(images).argmax(2)
            right += sum(spelt(row.tolist()) == text for row, text in zip(best, texts, strict=True))
            count += len(texts)
    return right / count


def spelt(steps: list[int]) -> str:
    """Return what the likeliest signs of each step spell: repeats are one, 0 is none."""
    signs = [s for n, s in enumerate(steps) if s and (n == 0 or steps[n - 1] != s)]
    return "".join(ALPHABET[s - 1] for s in signs)


def _network(*, folded: bool) -> Model:
    written = yaml.safe_load((HERE / "vn_plates.yaml").read_text(encoding="utf-8"))
    params = {**written["network_params"], "folded": folded}
    return Model(num_class=1 + len(ALPHABET), **params)


def _held_out() -> list[tuple[torch.Tensor, list[str]]]:
    printer = Printer(HELD_OUT_SEED)
    made = [(prepared(crop), text) for crop, text in printer.many(_HELD_OUT)]
    made.sort(key=lambda item: item[0].shape[1])
    return [
        (torch.from_numpy(stack([image for image, _ in some])), [text for _, text in some])
        for some in (made[k : k + _BATCH] for k in range(0, _HELD_OUT, _BATCH))
    ]


def _loss(network: Model, images: torch.Tensor, texts: list[str]) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = network(images.to(memory_format=torch.channels_last))
    chances = scores.float().log_softmax(2).transpose(0, 1)
    target = torch.tensor([_CODE[sign] for text in texts for sign in text], dtype=torch.int32)
    steps = torch.full((len(texts),), chances.shape[0], dtype=torch.int32)
    lengths = torch.tensor([len(text) for text in texts], dtype=torch.int32)
    return nn.functional.ctc_loss(chances, target, steps, lengths, zero_infinity=True)


def _replace(path: Path, value: object) -> None:
    part = path.with_suffix(".part")
    torch.save(value, part)
    part.replace(path)


if __name__ == "__main__":
    main()
