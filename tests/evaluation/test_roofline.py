"""The roofline: two speeds from a short measurement, and the slower one counts."""

from __future__ import annotations

import time

import torch

from farspan.evaluation import roofline
from farspan.evaluation.roofline import Roofline, measure_roofline


def test_the_slower_of_the_two_counts():
    roof = Roofline(flops_per_second=100.0, bytes_per_second=10.0)
    assert roof.seconds(1000, 10) == 10.0
    assert roof.seconds(10, 1000) == 100.0


def test_measuring_takes_as_long_as_it_says_and_gives_what_a_product_takes(monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.1)
    began = time.perf_counter()
    found = measure_roofline(torch.device("cpu"), torch.float32)
    assert time.perf_counter() - began < 2
    a = torch.ones(1024, 1024)
    began = time.perf_counter()
    for _ in range(3):
        a @ a
    mine = 3 * 2 * 1024**3 / (time.perf_counter() - began)
    assert mine / 5 < found.flops_per_second < mine * 50  # other programs may slow either down
    assert 1e8 < found.bytes_per_second < 1e13
