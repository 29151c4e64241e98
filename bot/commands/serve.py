"""`changeover init --openclaw`: point the OpenClaw that runs on the config at our gateway."""

from __future__ import annotations

from dataclasses import replace

from bot.card import Card
from bot.commands.context import Context
from bot.commands.reload import apply_and_confirm
from bot.config.commit import ConfigChange, Plan, edited_by
from bot.config.edit import unified_diff
from bot.config.present import Present, read_config
from bot.messages import cautions
from bot.openclaw.serve import SERVE, SERVED, GatewayAddress, plan_serve, serve_card


async def serve(ctx: Context, door: GatewayAddress) -> Card:
    """Show the edit; make it where `--yes` was said.

    Raises:
        ConfigError: there is no config, or it cannot be edited; it is as it was.
        ConfigRefusedError: OpenClaw calls the result invalid; it was taken back.
    """
    store = ctx.ports.store

    def plan(present: Present) -> Plan:
        old = present.view.default.written[0]
        return Plan(plan_serve(present.view, door), old, str(SERVED))

    present = await read_config(store, ctx.ports.journal, ctx.now)
    edited = edited_by(plan(present), present.document)
    before = present.document.bytes_of(edited.file)
    diff = unified_diff(before, edited.raw, edited.file or store.location.rpartition("/")[2])
    if not ctx.action.confirmed or not diff:
        return serve_card(present.view, door, diff, place=store.location, made=False)
    wanted = ConfigChange(ctx.actor, SERVE, "", plan)
    applied, confirmation = await apply_and_confirm(ctx, wanted)
    card = serve_card(
        applied.present.view,
        door,
        applied.diff,
        place=store.location,
        made=True,
        change_id=applied.change_id,
    )
    found = [*cautions.unrecorded(applied.unrecorded), *cautions.reload(confirmation)]
    data = {
        **card.data,
        "change_id": applied.change_id,
        "revision_before": applied.revision_before,
        "revision": applied.revision,
        "reload": confirmation.taken if confirmation else None,
    }
    return replace(card, warnings=(*card.warnings, *found), data=data)
