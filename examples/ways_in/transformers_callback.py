"""A callback in the list of Transformers' Trainer: `trilha.transformers.Callback`. Nothing is downloaded.

python transformers_callback.py
"""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from trilha.transformers import Callback

mine = Callback("words")  # at the top: what comes before it is not recorded

set_seed(7)
words = [{"input_ids": torch.tensor([n % 9, n % 5]), "labels": torch.tensor(n % 5 % 2)} for n in range(45)]
sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
model = BertForSequenceClassification(BertConfig(vocab_size=9, max_position_embeddings=4, **sizes))
arguments = TrainingArguments(
    "words",
    num_train_epochs=3,
    learning_rate=1e-2,
    logging_strategy="epoch",
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(model, arguments, train_dataset=words, callbacks=[mine])
trainer.train()
trainer.save_model("words")
