"""Bodies of calls and answers; a request has the fields that it has everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from serving.http.limits import LIMITS

Text = Annotated[str, StringConstraints(max_length=LIMITS.text)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=LIMITS.text)]


class Body(BaseModel):
    """A body in which every field is known: a misspelt one is an error, and not silently left out."""

    model_config = ConfigDict(extra="forbid")


class Context(Body):
    """Who asks for what, and where; whatever is left out is imputed."""

    task: Text = Field(description="The surface that asks, one of `/model`'s tasks.", examples=["search"])
    request_id: Id | None = Field(default=None, description="Comes back with the answer; unique in a call.")
    user_id: Text | None = None
    query: Text | None = Field(default=None, examples=["red chair"])
    country: Text | None = Field(default=None, description="ISO 3166.", examples=["DE"])
    source_item_id: Text | None = Field(default=None, description="The item that the user looks at.")


class RankRequest(Context):
    """A request that may name what is to be ranked."""

    candidates: list[Id] | None = Field(
        default=None, max_length=LIMITS.candidates, description="Exactly these are ranked."
    )


class ScoreRequest(Context):
    """A request that names what is to be scored."""

    candidates: list[Id] = Field(max_length=LIMITS.candidates)


class RankBody(Body):
    """Requests whose best items are asked for."""

    requests: list[RankRequest] = Field(min_length=1, max_length=LIMITS.requests)
    top_k: int = Field(default=20, ge=1, le=LIMITS.top_k)
    exclude_seen: list[Text] | None = Field(
        default=None,
        description="Tasks in which items that the user engaged with are left out; null = as the run says.",
    )
    details: bool = Field(
        default=False, description="Also tell what the items are, what brought them, and what was imputed."
    )


class ScoreBody(Body):
    """Requests whose candidates are to be scored."""

    requests: list[ScoreRequest] = Field(min_length=1, max_length=LIMITS.requests)


class NewItem(BaseModel):
    """An item that came after the fit. Fields that the run reads beside these, such as a price, are given by name."""

    model_config = ConfigDict(extra="allow")

    item_id: Id
    title: str | None = None
    text: str | None = None
    category: str | None = Field(default=None, description="A path such as `Home > Seating > Chairs`.")
    countries: list[Text] | None = Field(default=None, description="Where it may be shown; null = everywhere.")
    created_at: datetime | None = None

    @model_validator(mode="after")
    def _few(self) -> Self:
        if len(self.model_extra or {}) > LIMITS.fields:
            raise ValueError(f"has more than {LIMITS.fields} further fields")
        return self


class ItemsBody(Body):
    """Items to add."""

    items: list[NewItem] = Field(min_length=1, max_length=LIMITS.items)


class ItemDetails(BaseModel):
    """What a person sees of an item."""

    title: str | None
    category: str | None
    quality: dict[str, float | None] = Field(description="Components in [-1, 1], larger is better; null = not known.")
    sources: list[str] = Field(description="What brought it among the candidates.")


class RankedItem(BaseModel):
    """An item of an answer."""

    item_id: str
    rank: int = Field(description="From 1.")
    score: float = Field(description="A logit, larger is better.")
    details: ItemDetails | None = None


class Answer(BaseModel):
    """The best items of a request."""

    request_id: str
    task: str
    items: list[RankedItem]
    imputed: dict[str, str] | None = Field(
        default=None, description="With details: fields left out, and what stood in for them."
    )
    unknown: list[str] | None = Field(
        default=None, description="With details: fields whose value the model has never met."
    )


class RankAnswer(BaseModel):
    """The answers in the order of the requests, all by one model."""

    model_id: str
    answers: list[Answer]


class Scores(BaseModel):
    """The scores of a request, in the order of its candidates."""

    request_id: str
    task: str
    scores: list[float]


class ScoreAnswer(BaseModel):
    """The scores of all requests, by one model."""

    model_id: str
    answers: list[Scores]


class ItemsAnswer(BaseModel):
    """The catalogue after a change."""

    model_id: str
    items: int


class ModelAnswer(BaseModel):
    """What is served."""

    model_id: str
    data_hash: str
    run: str
    tasks: list[str]
    items: int
    quality: list[str]
    exclude_seen: list[str]
    beside: bool = Field(description="Whether another model is served below /beside.")


class Problem(BaseModel):
    """Why a call was refused."""

    detail: str | list[dict[str, Any]]
