"""Which tokens a removal forgets, and which it keeps best."""

from __future__ import annotations

import plotly.graph_objects as go

from prunec.report.page.chart import BLUE, ORANGE, Chart, Grid, axis, figure, plain
from prunec.report.semantics import Forgotten, Semantics, Token
from prunec.report.semantics_page import by_loss, headline

MOST = 12
"""Tokens at either end."""
ROW = 20


def forgotten_chart(found: Semantics) -> Chart:
    """What the carriers of a token lose before repair, beside a random removal: the tokens at both ends."""
    ordered = by_loss(found)
    count = min(MOST, len(ordered) // 2)
    shown = [*ordered[:count], *ordered[len(ordered) - count :]]
    at, names = list(range(len(shown))), [repr(token.text) for token, _ in shown]
    told = [f"{name}: {_told(token, lost)}" for name, (token, lost) in zip(names, shown, strict=True)]
    common = {"y": at, "hovertext": list(map(plain, told)), "hoverinfo": "text", "mode": "markers"}
    drawn = figure(
        [
            go.Scatter(
                x=[lost.lost for _, lost in shown],
                name="lost",
                marker={"size": 10, "color": BLUE, "symbol": "circle"},
                **common,
            ),
            go.Scatter(
                x=[lost.random for _, lost in shown],
                name="with as many units at random",
                marker={"size": 9, "color": ORANGE, "symbol": "diamond-open"},
                **common,
            ),
        ],
        height=120 + ROW * len(shown),
        showlegend=True,
        hovermode="closest",
        xaxis=axis("lost of what its carriers respond", tickformat=".0%"),
        yaxis=axis(autorange="reversed", tickvals=at, ticktext=list(map(plain, names))),
    )
    rows = tuple(
        (name, f"{token.occurrences:,}", *(f"{value:.0%}" for value in (lost.lost, lost.removed, lost.random)))
        for name, (token, lost) in zip(names, shown, strict=True)
    )
    head = ("token", "occurs", "lost", "with removed units", "at random")
    return Chart("Tokens by what they lose, before repair", headline(found), drawn.to_json(), Grid(head, rows))


def _told(token: Token, lost: Forgotten) -> str:
    return f"{lost.lost:.0%} lost, {lost.random:.0%} at random, {token.occurrences:,} occurrences"
