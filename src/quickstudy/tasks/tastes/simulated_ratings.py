"""Ratings of people who do not exist: the input format of real ones, small, and the same on every machine.

    r_ui = 3.3 + a_u + b_i + 0.8 p_u . g_i + noise,   rounded to halves of 0.5 to 5

g are the item's genres, p a user's liking of each. Users meet items by how well known these are and by taste.
"""

from __future__ import annotations

import torch

from quickstudy.tasks import draw
from quickstudy.tasks.tastes.catalogues import Content
from quickstudy.tasks.tastes.rating_files import Ratings

USERS, ITEMS = 120, 150
GENRES = ("action", "comedy", "drama", "horror")
LEAST, MORE = 24, 40
"""Ratings of a user: at least, and up to how many more."""


def simulated() -> tuple[Ratings, Content, str]:
    """Ratings, content, and an empty fingerprint."""
    users, items = torch.arange(USERS), torch.arange(ITEMS)
    key = draw.mix(items + 1)
    first = draw.bits(key, 1, "genre")[:, 0] % len(GENRES)
    second = draw.bits(key, 1, "second genre")[:, 0] % len(GENRES)
    genres = torch.eye(len(GENRES))[first].maximum(torch.eye(len(GENRES))[second])
    decades = draw.uniform(key, 1, "decade", -2.0, 2.0)
    known = draw.normal(key, 1, "known")[:, 0]
    bias = 0.4 * draw.normal(key, 1, "bias")[:, 0] + 0.15 * known
    own = draw.mix(users + 7919)
    taste = draw.normal(own, len(GENRES), "taste")
    offset = 0.4 * draw.normal(own, 1, "offset")
    liking = taste @ (genres - genres.mean(0)).T
    chance = 0.9 * known + 0.6 * liking + 0.8 * draw.normal(own, ITEMS, "meets")
    count = LEAST + draw.bits(own, 1, "count")[:, 0] % MORE
    chosen = chance.argsort(dim=-1, descending=True).argsort(-1) < count.unsqueeze(-1)
    exact = 3.3 + offset + bias + 0.8 * liking + 0.6 * draw.normal(own, ITEMS, "noise")
    value = (2 * exact).round().div(2).clamp(0.5, 5.0)
    when = draw.order(own, ITEMS, "when")
    user, place = chosen.gather(1, when).nonzero(as_tuple=True)
    item = when[user, place]
    ratings = Ratings(
        user=user,
        item=item,
        value=value[user, item],
        time=torch.arange(len(user), dtype=torch.float64),
        users=tuple(f"user {number + 1}" for number in range(USERS)),
        items=tuple(f"{number + 1}" for number in range(ITEMS)),
        timed=True,
        clicks=False,
    )
    titles = tuple(f"{GENRES[genre]} {number + 1}" for number, genre in enumerate(first.tolist()))
    return ratings, Content((*GENRES, "year"), torch.cat([genres, decades], -1), titles), ""
