"""The rules, one file each. A new one is imported and listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.rules.attr_of_temporary import AttrOfTemporary
from holdfast.lint.rules.closure_target import ClosureTarget
from holdfast.lint.rules.executor_initargs import ExecutorInitargs
from holdfast.lint.rules.exit_without_join import ExitWithoutJoin
from holdfast.lint.rules.fork_with_threads import ForkWithThreads
from holdfast.lint.rules.inline_args import InlineArgs
from holdfast.lint.rules.kill_holding_lock import KillHoldingLock
from holdfast.lint.rules.local_dropped import LocalDropped
from holdfast.lint.rules.manager_dropped import ManagerDropped
from holdfast.lint.rules.module_global_by_name import ModuleGlobalByName
from holdfast.lint.rules.pipe_end_kept import PipeEndKept
from holdfast.lint.rules.pool_result_after_exit import PoolResultAfterExit
from holdfast.lint.rules.proxy_last_use import ProxyLastUse
from holdfast.lint.rules.queue_join_before_drain import QueueJoinBeforeDrain
from holdfast.lint.rules.queue_put_mutated import QueuePutMutated
from holdfast.lint.rules.rebound_in_loop import ReboundInLoop
from holdfast.lint.rules.semaphore_gone import SemaphoreGone
from holdfast.lint.rules.shm_attach_tracked import ShmAttachTracked
from holdfast.lint.rules.shm_close_under_view import ShmCloseUnderView
from holdfast.lint.rules.shm_inline_buf import ShmInlineBuf
from holdfast.lint.rules.shm_name_reused import ShmNameReused
from holdfast.lint.rules.shm_never_unlinked import ShmNeverUnlinked
from holdfast.lint.rules.shm_unlink_early import ShmUnlinkEarly
from holdfast.lint.rules.shm_view_escapes import ShmViewEscapes
from holdfast.lint.rules.silent_copy import SilentCopy
from holdfast.lint.rules.temporary_owner import TemporaryOwner
from holdfast.lint.rules.torn_pack import TornPack
from holdfast.lint.rules.tracker_unregister import TrackerUnregister

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
    ShmViewEscapes,
    ShmCloseUnderView,
    ShmInlineBuf,
    ShmAttachTracked,
    ShmUnlinkEarly,
    ShmNeverUnlinked,
    ShmNameReused,
    TrackerUnregister,
    ManagerDropped,
    ProxyLastUse,
    PoolResultAfterExit,
    TemporaryOwner,
    PipeEndKept,
    QueueJoinBeforeDrain,
    QueuePutMutated,
    KillHoldingLock,
    ForkWithThreads,
)
