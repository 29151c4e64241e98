"""The config file the demo starts with."""

from __future__ import annotations

DEMO_CONFIG = """\
{
  // The demo's own file, in a temporary folder: change it with commands or by hand.
  agents: {
    defaults: {
      model: {
        // Every request is tried here first …
        primary: "anthropic/claude-opus-4-5",
        // … and, when that fails, here, from top to bottom.
        fallbacks: [
          "openrouter/anthropic/claude-sonnet-4.5",
          "deepseek/deepseek-flash",
          "ollama/llama3.3",
        ],
      },
      // What may be used. An alias is a preset: /model cheap follows what stands here.
      models: {
        "anthropic/claude-opus-4-5": { alias: "best" },
        "anthropic/claude-haiku-4-5": { alias: "fast" },
        "deepseek/deepseek-flash": { alias: "cheap" },
        "deepseek/deepseek-v4-pro": { alias: "think" },
        "ollama/llama3.3": { alias: "local" },
        "openrouter/anthropic/claude-sonnet-4.5": {}, // a fallback, without a short name
      },
    },
  },
}
"""
"""JSON5 text of the demo's `moltbot.json`: the usual presets with ids that exist today."""
