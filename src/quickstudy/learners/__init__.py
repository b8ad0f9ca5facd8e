"""Learners by name: one file and one line here is all a new one needs."""

from __future__ import annotations

import importlib
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch

from quickstudy.errors import UserError, unknown
from quickstudy.learners.base import Learner
from quickstudy.settings import checked
from quickstudy.tasks.base import Spec

LEARNERS = {
    "protonet": ("quickstudy.learners.protonet:ProtoNet", "a class is the mean of its examples' features"),
    "matching": ("quickstudy.learners.matching:Matching", "attention over the support set"),
    "relation": ("quickstudy.learners.relation:Relation", "a learned comparison of feature maps"),
    "feat": ("quickstudy.learners.feat:FEAT", "prototypes that attend to one another"),
    "dn4": ("quickstudy.learners.dn4:DN4", "local descriptors that look for their like in each class"),
    "r2d2": ("quickstudy.learners.r2d2:R2D2", "ridge regression on the features, solved in closed form"),
    "logistic": ("quickstudy.learners.logistic:Logistic", "logistic regression on the features, by Newton steps"),
    "metaoptnet": ("quickstudy.learners.metaoptnet:MetaOptNet", "a support vector machine on the features"),
    "gp": ("quickstudy.learners.gp:GP", "a Gaussian process whose kernel compares the features"),
    "bayeslinear": ("quickstudy.learners.bayeslinear:BayesLinear", "a net whose last layer is Bayesian"),
    "maml": ("quickstudy.learners.maml:MAML", "a start from which a few gradient steps are enough"),
    "anil": ("quickstudy.learners.anil:ANIL", "maml whose steps move the output layer alone"),
    "boil": ("quickstudy.learners.boil:BOIL", "maml whose steps move the backbone alone"),
    "metasgd": ("quickstudy.learners.metasgd:MetaSGD", "maml with a learned rate for every weight"),
    "mamlpp": ("quickstudy.learners.mamlpp:MAMLPlusPlus", "maml with rates, normalisation and losses by step"),
    "metacurvature": ("quickstudy.learners.metacurvature:MetaCurvature", "maml that learns to turn its gradients"),
    "protomaml": ("quickstudy.learners.protomaml:ProtoMAML", "maml that starts its output layer at prototypes"),
    "imaml": ("quickstudy.learners.imaml:IMAML", "tasks stay tied to the start; gradient of where they settle"),
    "reptile": ("quickstudy.learners.reptile:Reptile", "a start near the ends of all training tasks; first order"),
    "cavia": ("quickstudy.learners.cavia:CAVIA", "a few context parameters adapt, the net stays"),
    "leo": ("quickstudy.learners.leo:LEO", "steps in a small space of codes, from which output layers are decoded"),
    "cnp": ("quickstudy.learners.cnp:CNP", "the mean of the support's encodings, and a decoder of it"),
    "anp": ("quickstudy.learners.anp:ANP", "cnp whose queries attend to the support"),
    "gru": ("quickstudy.learners.gru:GRU", "a recurrent net reads the support, the oldest example first"),
    "incontext": ("quickstudy.learners.incontext:InContext", "a transformer reads the support"),
    "cnaps": ("quickstudy.learners.cnaps:CNAPS", "the support modulates the net; Mahalanobis distance to classes"),
    "finetune": ("quickstudy.learners.finetune:Finetune", "pre-train on every class, then gradient steps"),
    "pooled": ("quickstudy.learners.pooled:Pooled", "one net for all tasks, which the support does not change"),
    "bias": ("quickstudy.learners.bias:Bias", "pooled, moved by what a task is off on average"),
    "baselinepp": ("quickstudy.learners.baselinepp:BaselinePP", "pre-train by cosine, then steps of a cosine head"),
    "simpleshot": ("quickstudy.learners.simpleshot:SimpleShot", "pre-train on every class, then centred class means"),
    "linear": ("quickstudy.learners.linear:Linear", "pre-train on every class, then logistic regression"),
    "knn": ("quickstudy.learners.knn:KNN", "pre-train on every class, then k nearest neighbours by cosine"),
    "tim": ("quickstudy.learners.tim:TIM", "answers all queries together: sure of each, even over the classes"),
    "laplacian": ("quickstudy.learners.laplacian:Laplacian", "simpleshot whose near queries agree on their class"),
    "populationpk": (
        "quickstudy.learners.doses.populationpk:PopulationPK",
        "the typical patient with these covariates",
    ),
    "scratchpk": ("quickstudy.learners.doses.scratchpk:ScratchPK", "a compartment model fitted to each patient alone"),
    "mappk": ("quickstudy.learners.doses.mappk:MapPK", "the most probable body, given population and levels"),
    "metapk": ("quickstudy.learners.doses.metapk:MetaPK", "mappk with a prior that was learnt by what it predicts"),
    "grandmean": ("quickstudy.learners.grandmean:GrandMean", "the mean of all training tasks"),
    "arx": ("quickstudy.learners.glucose.arx:ARX", "linear regression on the recent past, with empirical Bayes"),
    "arx_pooled": (
        "quickstudy.learners.glucose.arx:PooledARX",
        "linear regression on the recent past, the same for everybody",
    ),
    "arx_own": ("quickstudy.learners.glucose.arx:OwnARX", "linear regression on the recent past of each task alone"),
    "persistence": ("quickstudy.learners.glucose.persistence:Persistence", "nothing changes; no training"),
    "nearest": ("quickstudy.learners.nearest:Nearest", "k nearest neighbours of the raw input; no training"),
    "averagemap": ("quickstudy.learners.robots.maps:AverageMap", "gaits: what tasks felt on average; no training"),
    "scratchgp": ("quickstudy.learners.robots.maps:ScratchGP", "gaits: a Gaussian process that knows nothing before"),
    "mapgp": ("quickstudy.learners.robots.maps:MapGP", "gaits: a Gaussian process on the average map"),
    "taskgp": ("quickstudy.learners.robots.maps:TaskGP", "gaits: a Gaussian process with the covariance of tasks"),
    "idf": (
        "quickstudy.learners.diseases.idf:Idf",
        "terms: cosine to the class, rare terms weighing more; no training",
    ),
    "naivebayes": (
        "quickstudy.learners.diseases.naivebayes:NaiveBayes",
        "terms: frequencies in each class, drawn towards those of training diseases; no training",
    ),
    "termlogistic": (
        "quickstudy.learners.diseases.termlogistic:TermLogistic",
        "terms: logistic regression of each task, rare terms weighing more; no training",
    ),
    "bestmatch": (
        "quickstudy.learners.diseases.bestmatch:BestMatch",
        "terms: best matches in the ontology; no training",
    ),
    "lowrank": ("quickstudy.learners.diseases.lowrank:LowRank", "terms: idf with a low-rank metric beside the cosine"),
    "setencoder": (
        "quickstudy.learners.diseases.setencoder:SetEncoder",
        "terms: sets of embedded terms, pooled by attention",
    ),
    "metabayes": (
        "quickstudy.learners.diseases.metabayes:MetaBayes",
        "terms: naivebayes whose prior and weights are learnt",
    ),
    "ensemble": (
        "quickstudy.learners.diseases.ensemble:Ensemble",
        "terms: the mean of several learners' calibrated answers",
    ),
    "popularity": ("quickstudy.learners.tastes.popularity:Popularity", "items: what most like, for everybody"),
    "itemmean": (
        "quickstudy.learners.tastes.itemmean:ItemMean",
        "items: what others think, and a user's offset from them",
    ),
    "itemknn": ("quickstudy.learners.tastes.itemknn:ItemKNN", "items: what the user thinks of those most like it"),
    "foldin": (
        "quickstudy.learners.tastes.foldin:FoldIn",
        "items: matrix factorisation, a new user by ridge regression",
    ),
    "puresvd": ("quickstudy.learners.tastes.puresvd:PureSVD", "items: near those rated, in the space of likes"),
    "ease": ("quickstudy.learners.tastes.ease:EASE", "items: a linear autoencoder of likes in closed form"),
    "ridgeratings": (
        "quickstudy.learners.tastes.ridgeratings:RidgeRatings",
        "items: ridge regression on learnt features",
    ),
    "rankhead": (
        "quickstudy.learners.tastes.rankhead:RankHead",
        "items: statistics weighed to rank, trained by a softmax",
    ),
    "maxgrip": ("quickstudy.learners.robots.griprules:MaxGrip", "lifts: the strongest grip; no training"),
    "fixedgrip": ("quickstudy.learners.robots.griprules:FixedGrip", "lifts: the one force that suits most objects"),
    "reactivegrip": ("quickstudy.learners.robots.griprules:ReactiveGrip", "lifts: tighten where it slips; no training"),
    "frictiongrip": (
        "quickstudy.learners.robots.frictiongrip:FrictionGrip",
        "lifts: weight and friction, and Coulomb's law",
    ),
}


def is_named(name: str) -> bool:
    """Whether ``name`` can only be a learner: a registered one, or the ``module:Class`` of one's own."""
    return name in LEARNERS or ":" in name


def learner_class(name: str) -> type[Learner]:
    """The class behind ``name``, a registered one or ``module:Class``; UserError where there is none."""
    if not isinstance(name, str) or not is_named(name):
        raise unknown("learner", name, LEARNERS)
    module, _, attribute = LEARNERS.get(name, (name, ""))[0].partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"there is no learner {name}: {error}. A learner of one's own is the top-level class of a module that "
            f"can be imported, for example mine:PixelMean for mine.py in this folder."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Learner)):
        raise UserError(f"{name} is no learner; expected a subclass of quickstudy.Learner.")
    if not (hasattr(found, "traits") and is_dataclass(getattr(found, "Config", None))):
        raise UserError(f"the learner {name} lacks traits, or a Config that is a dataclass.")
    return found


def name_of(learner: str | type[Learner]) -> str:
    """The name by which ``learner_class`` finds ``learner``; UserError for a class that it cannot find again."""
    if not isinstance(learner, type):
        learner_class(learner)
        return learner
    place = f"{_module_of(learner)}:{learner.__qualname__}"
    if learner_class(place) is not learner:
        raise UserError(f"{place} is another class by now; a learner's name must lead back to it.")
    return next((name for name, (known, _) in LEARNERS.items() if known == place), place)


def _module_of(learner: type[Learner]) -> str:
    """The name by which another process can import it: a script's own, where the class is in the script that runs."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if learner.__module__ != "__main__" or script is None or not Path(script).stem.isidentifier():
        return learner.__module__
    sys.modules.setdefault(Path(script).stem, sys.modules["__main__"])
    return Path(script).stem


def about(name: str) -> str:
    """What the learner is, in one line."""
    if name in LEARNERS:
        return LEARNERS[name][1]
    return (learner_class(name).__doc__ or "a learner of one's own").strip().splitlines()[0].rstrip(".")


def configure(name: str, settings: dict[str, Any]) -> Any:
    """The configuration of ``name`` with ``settings``; UserError for a setting that it does not have."""
    config_class = learner_class(name).Config
    known = [field.name for field in fields(config_class)]
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    return checked(config_class(**settings))


def able(spec: Spec) -> list[str]:
    """The registered learners for tasks of ``spec``."""
    return [name for name in LEARNERS if learner_class(name).traits.takes(spec)]


def build(name: str, spec: Spec, config: Any, seed: int) -> Learner:
    """A new learner for tasks of ``spec``, its first weights drawn from ``seed`` alone.

    Raises UserError where the learner does not do that kind of task, and names those that do.
    """
    made = learner_class(name)
    if spec.kind not in made.traits.kinds:
        raise UserError(f"{name} does not do {spec.kind} ({spec.name}). Use one of: {', '.join(able(spec))}.")
    if not made.traits.takes(spec):
        forms = " or ".join(made.traits.forms or ())
        raise UserError(
            f"{name} is made for {forms}, and the inputs of {spec.name} are {spec.form}. Use one of: "
            f"{', '.join(able(spec))}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(spec, config)
