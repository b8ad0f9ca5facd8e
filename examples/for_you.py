"""For you: rate a few films, and see the list change and why. A learner is meta-trained on users, and a new one is then
learnt from a few ratings in a few milliseconds. The rating whose absence an item would feel most is the reason for it.
Run it: python examples/for_you.py [tasks] [meta-steps]
"""

import sys
import tempfile

import torch

import quickstudy as qs
from quickstudy.estimator.because import effects

RATED = {"Toy Story (1995)": 2.0, "Finding Nemo (2003)": 2.5, "Alien (1979)": 5.0, "Blade Runner (1982)": 4.5}


def trained(family, steps):
    config = qs.TrainConfig(steps=steps, validate_every=0, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        return qs.train("rankhead", family, config, out=f"{folder}/run").learner()


def scores(learner, family, items, stars):
    """[M] of every item after all ratings, and [n, M] what each of these did to it."""
    every = family.catalogue()
    y = family.in_units(torch.tensor(stars)).unsqueeze(-1)
    found = effects(learner, qs.Examples(every[items], y, torch.ones(len(items), dtype=torch.bool)), every)
    mean = found.mean[:, 0]
    mean[items] = -torch.inf
    return mean, found.effect[..., 0]


def main(name, steps=None):
    family = qs.load_tasks(name)
    learner, titles = trained(family, steps), family.content.titles
    asked = [titles.index(title) for title in RATED if title in titles]
    asked = asked or family.catalogue()[:, 2].topk(len(RATED)).indices.tolist()
    lists = [scores(learner, family, [], [])[0].topk(5).indices.tolist()]
    print("for somebody who has rated nothing:", *(f"    {titles[item]}" for item in lists[0]), sep="\n")
    for count, stars in enumerate(RATED.values(), 1):
        items = asked[:count]
        found, because = scores(learner, family, items, list(RATED.values())[:count])
        lists.append(found.topk(5).indices.tolist())
        print(f"after {stars:g} stars for {titles[items[-1]]}:")
        for item in lists[-1]:
            reason = titles[items[int(because[:, item].argmax())]]
            print(f"  {' ' if item in lists[-2] else '+'} {titles[item]:50} because of {reason}")
    return lists


if __name__ == "__main__":
    main(*(sys.argv[1:2] or ["ratings:judge=ranking"]), *map(int, sys.argv[2:3]))
