"""Programs that are sent events: a webhook of the team's, PagerDuty, Alertmanager."""
