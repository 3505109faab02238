"""The rules, one file each. A new one is imported and listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.rules.attr_of_temporary import AttrOfTemporary
from holdfast.lint.rules.closure_target import ClosureTarget
from holdfast.lint.rules.executor_initargs import ExecutorInitargs
from holdfast.lint.rules.exit_without_join import ExitWithoutJoin
from holdfast.lint.rules.inline_args import InlineArgs
from holdfast.lint.rules.local_dropped import LocalDropped
from holdfast.lint.rules.module_global_by_name import ModuleGlobalByName
from holdfast.lint.rules.rebound_in_loop import ReboundInLoop
from holdfast.lint.rules.semaphore_gone import SemaphoreGone
from holdfast.lint.rules.silent_copy import SilentCopy
from holdfast.lint.rules.torn_pack import TornPack

if TYPE_CHECKING:
    from holdfast.lint.events import Rule

RULES: tuple[type[Rule], ...] = (
    InlineArgs,
    LocalDropped,
    AttrOfTemporary,
    ReboundInLoop,
    ClosureTarget,
    ExecutorInitargs,
    SilentCopy,
    ModuleGlobalByName,
    TornPack,
    SemaphoreGone,
    ExitWithoutJoin,
)
