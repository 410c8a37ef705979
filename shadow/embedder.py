"""Asks an embedding model how near two answers are: a `ports.Scorer` for a diagnostic."""

from dataclasses import dataclass

from policies.assignment import bucket
from policies.language.amounts import PPM
from shadow.compare import embedding
from shadow.compare.pair import Pair, Score
from shadow.ports import Model, ModelCall


@dataclass(frozen=True, slots=True)
class Embedder:
    """One route's embedding model."""

    model: Model
    upstream: str
    name: str
    """The embedding model's."""
    sample_ppm: int
    """Share of pairs that are embedded, drawn by their id."""
    deadline_s: float = 20.0

    async def score(self, pair: Pair) -> Score:
        """The cosine, told; never a score that a gate could rest on."""
        if bucket(pair.id, "embedding") >= self.sample_ppm:
            return Score()
        body = embedding.question(self.name, pair)
        if body is None:
            return Score()
        heard = await self.model.ask(ModelCall(self.upstream, embedding.PATH, body, self.deadline_s))
        cosine = embedding.read(heard.body) if heard.is_good else None
        p_sample = self.sample_ppm / PPM
        if cosine is None:
            return Score(p_sample=p_sample, abstained=True)
        return Score(agree=max(0.0, cosine), p_sample=p_sample, told={"cosine": round(cosine, 6)})
