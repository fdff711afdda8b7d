"""The sizes that every model of the zoo is made in: small, and different from one another."""

from __future__ import annotations

SEED = 0
BATCH, SEQUENCE, DECODER_SEQUENCE = 2, 7, 5
VOCABULARY, POSITIONS, LAYERS = 160, 64, 2
HIDDEN, FFN = 64, 96
HEADS, KV_HEADS, HEAD_DIM = 4, 2, 16
EXPERTS, EXPERT_FFN = 4, 48
PROJECTION = 32
LABELS = 3
