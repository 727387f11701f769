"""Train a small network on handwritten digits with two processes, which know nothing of Trilha.

trilha run -m torch.distributed.run --nproc_per_node 2 examples/distributed_digits.py
trilha show last
trilha lineage examples/out/distributed.pt
"""

import argparse
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--out", type=Path, default=Path("examples/out/distributed.pt"))
options = parser.parse_args()

dist.init_process_group("gloo")
torch.set_num_threads(1)
torch.manual_seed(7)
images, labels = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))
sampler = DistributedSampler(data)
loader = DataLoader(data, batch_size=32, sampler=sampler)

model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_function = nn.CrossEntropyLoss()

for epoch in range(options.epochs):
    sampler.set_epoch(epoch)
    total = 0.0
    for batch, wanted in loader:
        optimizer.zero_grad()
        loss = loss_function(model(batch), wanted)
        loss.backward()
        optimizer.step()
        total += loss.item() / len(loader)
    if dist.get_rank() == 0:
        print(f"epoch {epoch + 1}  loss {total:.4f}", flush=True)

if dist.get_rank() == 0:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.module.state_dict(), options.out)
dist.destroy_process_group()
