"""Right answers to every exercise of the course, and wrong ones with a word of the hint that they earn."""

SOLUTIONS = {
    "split": "def split(examples, shot):\n    return examples[:shot], examples[shot:]",
    "error": "def error(ours, right):\n    return sum((a - b) ** 2 for a, b in zip(ours, right)) / len(ours)",
    "learning_curve": "def learning_curve(errors):\n    return [sum(one) / len(one) for one in zip(*errors)]",
    "draw_wave": """
import math
def draw_wave(chance):
    return chance.uniform(0.1, 5), chance.uniform(0, math.pi)
""",
    "divide": """
def divide(rows, held_out):
    return [one for one in rows if one[0] not in held_out], [one for one in rows if one[0] in held_out]
""",
    "relabel": """
def relabel(labels):
    known = {}
    return [known.setdefault(label, len(known)) for label in labels]
""",
    "step": "def step(weights, slopes, rate):\n    return [w - rate * s for w, s in zip(weights, slopes)]",
    "diverges": "def diverges(curvature, rate):\n    return abs(1 - rate * curvature) > 1",
    "prototypes": """
import torch
def prototypes(features, labels, way):
    return torch.stack([features[labels == k].mean(0) for k in range(way)])
""",
    "episode": """
def episode(classes, way, shot, query, chance):
    support, asked = [], []
    for label in chance.sample(sorted(classes), way):
        some = chance.sample(classes[label], shot + query)
        support += [(label, one) for one in some[:shot]]
        asked += [(label, one) for one in some[shot:]]
    return support, asked
""",
    "interval": """
import statistics
def interval(scores):
    return statistics.fmean(scores), 1.96 * statistics.stdev(scores) / len(scores) ** 0.5
""",
    "ahead": """
import statistics
def ahead(mine, yours):
    apart = [m - y for m, y in zip(mine, yours)]
    return statistics.fmean(apart), 1.96 * statistics.stdev(apart) / len(apart) ** 0.5
""",
    "blend": """
def blend(measured, crowd, noise, spread):
    own, prior = len(measured) / noise, 1 / spread
    return (sum(measured) / noise + crowd * prior) / (own + prior)
""",
    "examples_needed": """
def examples_needed(curve, target):
    return min((count for count, score in curve.items() if score >= target), default=None)
""",
    "grip": """
def grip(needs, share):
    return next(one for one in sorted(needs) if sum(n <= one for n in needs) >= share * len(needs))
""",
    "leaks": "def leaks(training, test):\n    return sorted({*training} & {*test})",
    "honest": "def honest(validation, test):\n    return test[max(validation, key=validation.get)]",
    "pays_after": """
import math
def pays_after(training, with_it, without):
    return math.ceil(training / (without - with_it)) if without > with_it else None
""",
    "inner_step": """
import torch
def inner_step(w, loss, rate):
    (slope,) = torch.autograd.grad(loss(w), w, create_graph=True)
    return w - rate * slope
""",
    "meta_gradient": """
import torch
def meta_gradient(w, tasks, rate):
    total = 0
    for support, query in tasks:
        (slope,) = torch.autograd.grad(support(w), w, create_graph=True)
        total = total + query(w - rate * slope)
    return torch.autograd.grad(total / len(tasks), w)[0]
""",
    "first_order": """
import torch
def first_order(w, tasks, rate):
    total = torch.zeros_like(w)
    for support, query in tasks:
        (slope,) = torch.autograd.grad(support(w), w)
        moved = (w - rate * slope).detach().requires_grad_()
        total += torch.autograd.grad(query(moved), moved)[0] / len(tasks)
    return total
""",
    "scaled": "def scaled(score, chance, best):\n    return (score - chance) / (best - chance)",
    "area": """
import math
def area(curve):
    pieces = zip(curve, curve[1:])
    whole = sum((a + b) / 2 * (math.log(n) - math.log(m)) for (m, a), (n, b) in pieces)
    return whole / (math.log(curve[-1][0]) - math.log(curve[0][0]))
""",
    "Entry": """
import torch
class Entry:
    def fit(self, support, labels):
        self.means = torch.stack([support[labels == k].mean(0).flatten() for k in range(5)])
    def predict(self, query):
        return torch.cdist(query.flatten(1), self.means).argmin(1)
""",
}

WRONG = {
    "split": ("def split(examples, shot):\n    return examples[:shot], examples", "none of them may be in the query"),
    "error": ("def error(answers, targets):\n    return sum((a - t) ** 2 for a, t in zip(answers, targets))", "mean"),
    "learning_curve": ("def learning_curve(errors):\n    return [sum(one) / len(one) for one in errors]", "over tasks"),
    "draw_wave": (
        "import random\ndef draw_wave(chance):\n    return random.uniform(0.1, 5), random.uniform(0, 3.1415926)",
        "same seed",
    ),
    "divide": ("def divide(rows, held_out):\n    return rows[:-1], rows[-1:]", "whatever its place"),
    "relabel": (
        "def relabel(labels):\n    known = sorted({*labels})\n    return [known.index(label) for label in labels]",
        "not by the alphabet",
    ),
    "step": (
        "def step(weights, slopes, rate):\n    return [w + rate * s for w, s in zip(weights, slopes)]",
        "up the slope",
    ),
    "diverges": ("def diverges(curvature, rate):\n    return rate * curvature > 1", "jump over 0"),
    "prototypes": (
        "def prototypes(features, labels, way):\n    return features.mean(0)",
        "expected [3, 2]",
    ),
    "episode": (
        """
def episode(classes, way, shot, query, chance):
    chosen = chance.sample(sorted(classes), way)
    support = [(label, one) for label in chosen for one in chance.sample(classes[label], shot)]
    return support, [(label, one) for label in chosen for one in chance.sample(classes[label], query)]
""",
        "twice",
    ),
    "interval": (
        "import statistics as s\ndef interval(scores):\n    return s.fmean(scores), 1.96 * s.stdev(scores)",
        "root of n",
    ),
    "ahead": (
        """
import statistics
def ahead(mine, yours):
    both = (statistics.variance(mine) + statistics.variance(yours)) / len(mine)
    return statistics.fmean(mine) - statistics.fmean(yours), 1.96 * both ** 0.5
""",
        "task by task",
    ),
    "blend": ("def blend(measured, crowd, noise, spread):\n    return sum(measured) / len(measured)", "Weighed mean"),
    "examples_needed": (
        "def examples_needed(curve, target):\n    return next(k for k, v in curve.items() if v >= target)",
        "no order",
    ),
    "grip": ("def grip(needs, share):\n    return sum(needs) / len(needs)", "The mean drops"),
    "leaks": ("def leaks(training, test):\n    return [one for one in training if one in test]", "each once"),
    "honest": ("def honest(validation, test):\n    return max(test.values())", "Choose by validation"),
    "pays_after": (
        "def pays_after(training, with_it, without):\n    return int(training // (without - with_it))",
        "round up",
    ),
    "inner_step": (
        "import torch\ndef inner_step(w, loss, rate):\n    return w - rate * torch.autograd.grad(loss(w), w)[0]",
        "create_graph=True",
    ),
    "meta_gradient": (
        SOLUTIONS["first_order"].replace("first_order", "meta_gradient"),
        "of first order",
    ),
    "first_order": (SOLUTIONS["meta_gradient"].replace("meta_gradient", "first_order"), "the exact one"),
    "scaled": ("def scaled(score, chance, best):\n    return max(0, (score - chance) / (best - chance))", "below 0"),
    "area": (
        """
def area(curve):
    return sum((a + b) / 2 * (n - m) for (m, a), (n, b) in zip(curve, curve[1:])) / (curve[-1][0] - curve[0][0])
""",
        "log(later)",
    ),
    "Entry": (
        """
import torch
class Entry:
    def fit(self, support, labels):
        pass
    def predict(self, query):
        return torch.zeros(len(query), dtype=torch.int64)
""",
        "nearest by squared distance",
    ),
}
