"""scikit-learn's contract over meta-trained learners: ``fit`` and ``predict`` on a handful of one's own examples."""

from quickstudy.estimator.classifier import FewShotClassifier
from quickstudy.estimator.estimate import HeldOut, held_out
from quickstudy.estimator.regressor import FewShotRegressor

__all__ = ["FewShotClassifier", "FewShotRegressor", "HeldOut", "held_out"]
