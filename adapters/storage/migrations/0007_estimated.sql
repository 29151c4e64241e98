-- How much of each rollup's cost is an estimate.

ALTER TABLE spend_hourly ADD COLUMN estimated_cost_nano_usd BIGINT DEFAULT '0' NOT NULL;
UPDATE spend_hourly SET estimated_cost_nano_usd = found.cost
FROM (
    SELECT
        at - at % 3600000000 AS hour, model, provider, coalesce(caller, '') AS kin_caller, source,
        coalesce(agent, '') AS kin_agent, sum(cost_nano_usd) AS cost
    FROM attempts
    WHERE estimated AND cost_nano_usd IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
) AS found
WHERE spend_hourly.hour = found.hour AND spend_hourly.model = found.model
    AND spend_hourly.provider = found.provider AND spend_hourly.caller = found.kin_caller
    AND spend_hourly.source = found.source AND spend_hourly.agent = found.kin_agent;
ALTER TABLE spend_quarterly ADD COLUMN estimated_cost_nano_usd BIGINT DEFAULT '0' NOT NULL;
UPDATE spend_quarterly SET estimated_cost_nano_usd = found.cost
FROM (
    SELECT
        at - at % 900000000 AS quarter, model, provider, coalesce(caller, '') AS kin_caller, source,
        coalesce(agent, '') AS kin_agent, sum(cost_nano_usd) AS cost
    FROM attempts
    WHERE estimated AND cost_nano_usd IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
) AS found
WHERE spend_quarterly.quarter = found.quarter AND spend_quarterly.model = found.model
    AND spend_quarterly.provider = found.provider AND spend_quarterly.caller = found.kin_caller
    AND spend_quarterly.source = found.source AND spend_quarterly.agent = found.kin_agent;
