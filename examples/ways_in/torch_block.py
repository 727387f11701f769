"""A loop in PyTorch that says what it is: `trilha.torch.training`, where a framework would have a callback.

    python torch_block.py

Nothing of this is needed for the loop to be recorded; what is said goes before what is found out.
"""

import torch
from torch import nn

import trilha
from trilha.torch import evaluated, training

with trilha.run("line"):
    torch.manual_seed(7)
    x = torch.linspace(-1, 1, 64).unsqueeze(1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    with training(model, data=x, epochs=20) as recorded:
        for _ in recorded.epochs(range(20)):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), 3 * x + 1)
            loss.backward()
            optimizer.step()
            recorded.log(loss=loss.item())
    torch.save(model.state_dict(), "line.pt")
    far = torch.linspace(1, 2, 16).unsqueeze(1)
    evaluated(model, far, "test", loss=nn.functional.mse_loss(model(far), 3 * far + 1).item())
