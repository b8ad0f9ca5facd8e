"""For you: rate a few films, and see the list change and why. A learner is meta-trained on users, and a new one is then
learnt from a few ratings in a few milliseconds. The rating whose absence an item would feel most is the reason for it.
Run it: python examples/for_you.py [tasks] [meta-steps]
"""

import sys

import torch

import quickstudy as qs
from quickstudy.learners import build, configure
from quickstudy.tasks.base import Examples
from quickstudy.training import TrainConfig, Training, resolve

RATED = {"Toy Story (1995)": 2.0, "Finding Nemo (2003)": 2.5, "Alien (1979)": 5.0, "Blade Runner (1982)": 4.5}


def trained(family, steps):
    config = resolve(TrainConfig(steps=steps, validate_every=0, device="cpu"), "rankhead", family.spec)
    learner = build("rankhead", family.spec, configure("rankhead", {}), 0)
    training = Training(learner, family, config, torch.device("cpu"))
    training.choose_batching()
    for _ in training.advance():
        pass
    training.prepare()
    return training.learner.eval()


@torch.no_grad()
def scores(learner, family, items, stars):
    """[1 + n, M] of every item: after all ratings, and after all but one in turn."""
    every = family.catalogue()
    y = family.in_units(torch.tensor(stars)).unsqueeze(-1)
    whole = torch.ones(len(every), dtype=torch.bool)
    masks = torch.cat([torch.ones(1, len(items)), 1 - torch.eye(len(items))]).bool()
    states = [learner.adapt(Examples(every[items], y, mask)) for mask in masks]
    found = torch.stack([learner.predict(state, every, whole).mean.squeeze(-1) for state in states])
    found[:, items] = -torch.inf
    return found


def main(name, steps=None):
    family = qs.load_tasks(name)
    learner, titles = trained(family, steps), family.content.titles
    asked = [titles.index(title) for title in RATED if title in titles]
    asked = asked or family.catalogue()[:, 2].topk(len(RATED)).indices.tolist()
    lists = [scores(learner, family, [], [])[0].topk(5).indices.tolist()]
    print("for somebody who has rated nothing:", *(f"    {titles[item]}" for item in lists[0]), sep="\n")
    for count, stars in enumerate(RATED.values(), 1):
        items = asked[:count]
        found = scores(learner, family, items, list(RATED.values())[:count])
        lists.append(found[0].topk(5).indices.tolist())
        print(f"after {stars:g} stars for {titles[items[-1]]}:")
        for item in lists[-1]:
            reason = titles[items[int((found[0] - found[1:])[:, item].argmax())]]
            print(f"  {' ' if item in lists[-2] else '+'} {titles[item]:50} because of {reason}")
    return lists


if __name__ == "__main__":
    main(*(sys.argv[1:2] or ["ratings:judge=ranking"]), *map(int, sys.argv[2:3]))
