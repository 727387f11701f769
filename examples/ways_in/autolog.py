"""One line in a script, or in a notebook's first cell: `trilha.autolog()`.

    python autolog.py

All that `trilha run` records of a script is recorded from that line on; here of a loop in PyTorch.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trilha

trilha.autolog()

torch.manual_seed(7)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
loader = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16, shuffle=True)
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss_function = nn.MSELoss()
for epoch in range(1, 6):
    for batch, wanted in loader:
        optimizer.zero_grad()
        loss = loss_function(model(batch), wanted)
        loss.backward()
        optimizer.step()
    trilha.log(loss=loss.item(), epoch=epoch)
torch.save(model.state_dict(), "line.pt")
