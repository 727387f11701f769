"""Solve Poisson's equation in one dimension with a physics-informed network, and test it at other points.

    trilha run poisson_deepxde.py [--iterations 2000] [--out out]

The equation is -u'' = pi² sin(pi x) on (-1, 1) with u = 0 at both ends; its solution is sin(pi x). The
network is trained by Adam first and by L-BFGS then, and its weights go to OUT/poisson-….pt. Needs the extra
`deepxde`.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("DDE_BACKEND", "pytorch")

import deepxde as dde
import numpy as np
import torch


def pde(x, y):
    """The residual of the equation at points x, shape (n, 1), where the network gives y."""
    curvature = dde.grad.hessian(y, x)
    return -curvature - np.pi**2 * torch.sin(np.pi * x)


def boundary(_x, on_boundary):
    """Both ends of the interval."""
    return on_boundary


def solution(x):
    """What the network is to find."""
    return np.sin(np.pi * x)


def main():
    """Train by two optimisers in turn, then compare with the solution."""
    parser = argparse.ArgumentParser(description="Poisson's equation in one dimension.")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    dde.config.set_random_seed(arguments.seed)

    interval = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(interval, solution, boundary)
    data = dde.data.PDE(interval, pde, ends, num_domain=16, num_boundary=2, solution=solution, num_test=100)
    net = dde.nn.FNN([1, 20, 20, 1], "tanh", "Glorot uniform")
    model = dde.Model(data, net)

    model.compile("adam", lr=0.001, metrics=["l2 relative error"], loss_weights=[1, 10])
    model.train(iterations=arguments.iterations, display_every=500)
    dde.optimizers.set_LBFGS_options(maxiter=200)
    model.compile("L-BFGS", metrics=["l2 relative error"], loss_weights=[1, 10])
    model.train()
    model.save(str(arguments.out / "poisson"))

    x = np.linspace(-1, 1, 101)[:, None]
    print(f"error {dde.metrics.l2_relative_error(solution(x), model.predict(x)):.2e}")


if __name__ == "__main__":
    main()
