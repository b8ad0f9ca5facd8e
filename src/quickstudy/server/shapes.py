"""The JSON that goes in and out, with an example of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from quickstudy.server.settings import ID

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAG0lEQVR42mNgQAeMDAz/GRgYGBmYYCKYDEwAADRSAQiRgurpAAAAAElFTkSuQmCC"
"""A square as a picture's file."""
LabelIn = Annotated[str | int | FiniteFloat, Field(description="a word or a number")]
Pixels = list[list[FiniteFloat | list[FiniteFloat]]]
Cell = str | int | FiniteFloat | bool | None


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [values]})


class Terms(BaseModel):
    """A patient in terms of an ontology, by id or by name."""

    model_config = _example(observed=["HP:0001250", "Short stature"], excluded=["HP:0000252"])

    observed: list[str]
    excluded: list[str] = Field(default_factory=list, description="terms that were looked for and not found")


class Input(BaseModel):
    """One input, in one of five forms."""

    model_config = _example(image=DOT)

    image: str | None = Field(None, description="a picture's file (PNG, JPEG, ...), in base64")
    pixels: Pixels | None = Field(None, description="[height][width] or [height][width][3], light from 0 to 1")
    x: list[FiniteFloat] | None = Field(None, description="numbers")
    row: dict[str, Cell] | None = Field(None, description="a value, or null, for each column")
    terms: Terms | None = Field(None, description="a patient's terms")


class NewModel(BaseModel):
    """What a model is made from."""

    model_config = _example(id="pets", learner="characters")

    id: str | None = Field(
        None, description=f"{ID.pattern}; one is made up if it is left out", pattern=f"^{ID.pattern}$"
    )
    learner: str | None = Field(None, description="a name from GET /v1/learners; the default if it is left out")


class NewExample(Input):
    """An input and its label."""

    model_config = _example(label="cat", image=DOT)

    label: LabelIn


class NewExamples(BaseModel):
    """What to learn from."""

    model_config = _example(examples=[{"label": "cat", "image": DOT}, {"label": "dog", "pixels": [[0, 1], [1, 0]]}])

    examples: list[NewExample]


class Question(Input):
    """One input, and how sure the answer is to be."""

    model_config = _example(image=DOT)

    coverage: FiniteFloat | None = Field(
        None,
        description="a share of new inputs, such as 0.9, of which the label is to be in the answer set; for learners "
        "that are calibrated",
    )


class Inputs(Question):
    """One input, or several."""

    model_config = _example(inputs=[{"image": DOT}, {"pixels": [[0, 1], [1, 0]]}])

    inputs: list[Input] | None = Field(None, description="several inputs, in place of one")


class NewLabel(BaseModel):
    """What a label is called from now on."""

    model_config = _example(label="tabby")

    label: LabelIn


class LabelCount(BaseModel):
    label: str | int | float
    examples: int


class Model(BaseModel):
    """A model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "pets",
                    "learner": "characters",
                    "kind": "classification",
                    "input": "pictures",
                    "labels": [{"label": "cat", "examples": 3}, {"label": "dog", "examples": 2}],
                    "examples": 5,
                    "version": 7,
                    "created": "2026-11-26T10:00:00.000Z",
                    "updated": "2026-11-26T10:00:04.000Z",
                }
            ]
        }
    )

    id: str
    learner: str
    kind: Literal["classification"]
    input: Literal["pictures", "rows", "numbers", "terms"]
    labels: list[LabelCount]
    examples: int
    version: int
    created: str
    updated: str


class Models(BaseModel):
    """Models, in the order of their ids."""

    models: list[Model]
    next: str | None = Field(description="give it as `after` for those that follow; null where there are none")


class Learned(BaseModel):
    """What was added."""

    ids: list[str]
    model: Model


class Example(BaseModel):
    id: str
    label: str | int | float
    created: str


class Examples(BaseModel):
    """Examples, in the order they came."""

    examples: list[Example]
    next: str | None


class Prediction(BaseModel):
    """What an input is taken for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "cat", "probability": 0.93, "probabilities": {"cat": 0.93, "dog": 0.07}}]
        }
    )

    label: str | int | float
    probability: float
    probabilities: dict[str, float]
    answer_set: list[str | int | float] | None = Field(
        None, description="with coverage: the labels of which one is right in that share of inputs, the likeliest first"
    )
    none_of_these: bool | None = Field(None, description="with coverage: whether no label is in the answer set")


class Predictions(BaseModel):
    """One for each input."""

    predictions: list[Prediction]
    version: int
    ms: float


class Neighbour(BaseModel):
    id: str
    label: str | int | float
    distance: float


class Score(BaseModel):
    label: str | int | float
    score: float


class Weight(BaseModel):
    """How much a term of a patient spoke for or against a disease; "not TERM" for one that was excluded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"term": "HP:0001250 Seizure", "weight": 2.1}]})

    term: str
    weight: float = Field(description="log odds of the disease less those without the term")


class Alike(BaseModel):
    """An example of the disease."""

    case: str = Field(description="its id")
    terms_in_common: float


class Disease(BaseModel):
    """One line of a patient's ranked list; the first three have reasons."""

    disease: str | int | float
    probability: float
    speaks_for: list[Weight] = Field(alias="for")
    against: list[Weight]
    alike: list[Alike]


class Explanation(BaseModel):
    """Which examples an input is like."""

    prediction: Prediction
    nearest: list[Neighbour]
    classes: list[Score]
    diseases: list[Disease] | None = Field(None, description="of patients: the ranked list, the likeliest first")
    note: str | None = Field(None, description="of patients: what such a list is not")


class Estimate(BaseModel):
    """How each example is predicted from the others."""

    accuracy: float
    low95: float = Field(description="exact binomial bounds of the accuracy on new examples, 95 %")
    high95: float
    labels: list[str | int | float]
    confusion: list[list[int]] = Field(description="[truth][taken for]; what has no other example counts for none")
    weakest: str | int | float | None


class Spot(BaseModel):
    id: str
    label: str | int | float
    at: tuple[float, float]


class Centre(BaseModel):
    label: str | int | float
    at: tuple[float, float]


class Map(BaseModel):
    """Examples on the two axes along which their features differ most."""

    examples: list[Spot]
    classes: list[Centre]


class Offer(BaseModel):
    """A learner that models are made from."""

    name: str
    learner: str
    kind: Literal["classification"]
    input: Literal["pictures", "rows", "numbers", "terms"]
    default: bool
    size: list[int] | int | None
    calibrated: bool = Field(description="whether it was measured how far it can be trusted, so that it takes coverage")


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]
    version: str
    uptime_s: float


class Error(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "there is no model pets. GET /v1/models lists those there are."}]}
    )

    error: str
