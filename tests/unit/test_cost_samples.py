"""What the wire says, priced: by hand, by the ledger's rules, and by genai-prices."""

from __future__ import annotations

from decimal import Decimal

import genai_prices
import pytest

from adapters.prices import ListedPrices
from bot.catalog import shipped
from bot.config.schema import view
from bot.costs.pricing import Cost, price_usage, unit_price
from bot.dialects.locality import located
from bot.dialects.stream import StreamParser
from bot.dialects.usage import read_usage
from bot.models import ModelRef, Usage
from tests.support.cost_samples import SAME, Sample
from tests.support.cost_samples import SAMPLES as OWN_SAMPLES
from tests.support.public_samples import PUBLIC_SAMPLES

LISTED = ListedPrices(shipped())
SAMPLES = [*OWN_SAMPLES, *PUBLIC_SAMPLES]
BY_NAME = {sample.name: sample for sample in SAMPLES}
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=list(BY_NAME))


def usage_of(sample: Sample) -> Usage | None:
    provider = sample.model.split("/")[0]
    if not sample.streamed:
        return read_usage(sample.dialect, provider, sample.body)
    stream = StreamParser(sample.dialect, provider)
    # Cut anywhere, as the network does.
    raw = sample.wire.encode()
    for first in range(0, len(raw), 7):
        stream.feed(raw[first : first + 7])
    stream.close()
    return stream.usage


def ours(sample: Sample) -> Cost:
    ref = ModelRef.parse(sample.model)
    assert ref is not None
    usage = usage_of(sample)
    assert usage is not None
    provider = located(shipped().providers[ref.provider], {})
    return price_usage(usage, unit_price(ref, provider, view({}), LISTED, sample.at))


def theirs(sample: Sample) -> int | None:
    """Price a sample as genai-prices does by itself; None where it cannot."""
    provider, _, model = sample.model.partition("/")
    if sample.streamed:
        return None
    try:
        read = genai_prices.extract_usage(
            {"model": model, **sample.body},
            provider_id={"gemini": "google"}.get(provider, provider),
            api_flavor=sample.flavor,
        )
        found = read.calc_price(genai_request_timestamp=sample.at)
    except (LookupError, ValueError):
        return None
    return int((found.total_price * Decimal(10) ** 9).to_integral_value())


@every_sample
def test_a_call_costs_what_was_worked_out_by_hand(sample: Sample) -> None:
    cost = ours(sample)
    assert (cost.nano_usd, cost.estimated) == (sample.nano_usd, sample.estimated)


@every_sample
def test_where_genai_prices_differs_the_reason_is_known(sample: Sample) -> None:
    found = theirs(sample)
    assert found == sample.theirs
    assert (found == sample.nano_usd) == (sample.why == SAME or sample.nano_usd is None)
