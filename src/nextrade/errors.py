"""Every exception that NexTrade raises, in one leaf module.

    NexTradeError
    +-- Rejected                 a command was refused; ``reason`` says why
    |   +-- one class for each refusal in Reason, of the same name
    +-- BookBusy                 another thread is inside this book
    +-- BookStopped              the book lost events for want of memory: restore it
    +-- BatchPending             slices of a batch wait and go before any other batch
    +-- InvariantError           a book contradicts itself: a defect of NexTrade
    +-- SnapshotError            a snapshot is damaged, foreign or of an unknown version
    +-- UnitError                a text or number does not fit a market's or asset's units
    +-- ListingsRefused          listings may not change in this way, or not at this moment
    +-- DataError                a file cannot be read as what it is taken for
    +-- JournalError             what must be kept cannot be written, or read back
    |   +-- JournalDamaged       a journal is not what was written: file and offset
    |   +-- JournalLocked        another process has this journal open
    +-- ExchangeError            an exchange is closed, was founded otherwise, or contradicts itself
    +-- SettingsError            a setting is wrong; the message says where and what would fit
    +-- StackError               a private server cannot be started, stopped or found
    +-- BadFrame                 bytes of a queue, stream or store that cannot be read
    +-- BusLost                  the connection to RabbitMQ broke: connect and send again
    +-- BusRefused               RabbitMQ will not take this, however often it is tried
    +-- EventsMissing            a stream of events goes on after something that did not come
    +-- StoreError               a partition's book store cannot be used
    |   +-- StoreUnavailable     its server cannot be reached: the call may be repeated
    +-- PartitionStopped         ledger and book store of a partition contradict each other
    +-- MissingExtra             an optional package is needed for this call
    +-- LedgerError              the ledger refused a call, and nothing has changed
        +-- InsufficientFunds    there is less available (or held) than the call would take
        +-- AmountOverflow       a balance or what came in from outside would grow too large
        +-- ReferenceReused      a reference or frame was used before, with other details
        +-- UnknownReference     there is no hold of this reference
        +-- HoldFinished         the hold was captured already, or refunded already
        +-- BadPostings          postings are out of order, or do not add up to zero
        +-- StaleEpoch           another worker has taken this partition over
        +-- Gap                  an earlier batch has not been settled
        +-- MissingAnswer        a bucket has lost what it had reserved for a frame
        +-- UnknownBucket        a bucket of balances was never founded, or was lost
        +-- WrongMap             the buckets are laid out by another map than this client's
        +-- WrongLibrary         a server lacks the functions that this version calls
        +-- AccessRefused        a server refuses our user or password, or TLS does not agree
        +-- LedgerUnavailable    a server cannot be reached: the call may be repeated

Each is raised for one thing only, so a caller can catch exactly what it can mend.
"""

from __future__ import annotations

from .enums import Reason


class NexTradeError(Exception):
    """Root of all exceptions of this package."""


class BookBusy(NexTradeError, RuntimeError):
    """A book was called while another thread was inside it; it serves one thread at a time."""


class BookStopped(NexTradeError, RuntimeError):
    """Memory ran out inside one command after others had been reported, so events are missing.

    The book stays readable but takes no more commands until ``restore`` gives it a known state.
    """


class BatchPending(NexTradeError, RuntimeError):
    """Slices of a batch's outcome wait; take them by ``proceed`` before the next batch is run."""


class InvariantError(NexTradeError, AssertionError):
    """``check_invariants`` found a contradiction: a defect of NexTrade, never of the input."""


class SnapshotError(NexTradeError, ValueError):
    """The bytes given to ``restore`` are damaged, foreign, or of a version unknown here."""


class UnitError(NexTradeError, ValueError):
    """An amount is not a whole number of units, or outside what its units can hold."""


class ListingsRefused(NexTradeError, ValueError):
    """Listings may not change in this way, or not while orders of a market are open."""


class DataError(NexTradeError, ValueError):
    """A file or record cannot be read; the message names the file, the place and the remedy."""


class JournalError(NexTradeError, RuntimeError):
    """A journal or a snapshot cannot be written or read, or was used after that had happened.

    After a failure while writing, nothing more is written until the journal is opened again.
    """


class JournalDamaged(JournalError):
    """A journal does not hold what was written; the message names the file and the offset."""


class JournalLocked(JournalError):
    """Another process, whose id the message names, has this journal open for writing."""


class ExchangeError(NexTradeError, RuntimeError):
    """An exchange cannot do this: it is closed, was founded otherwise, or contradicts itself."""


class SettingsError(NexTradeError, ValueError):
    """A setting cannot hold; the message names file or variable, section, key and the remedy."""


class StackError(NexTradeError, RuntimeError):
    """A private server cannot be started, stopped or found; the message names the remedy."""


class MissingExtra(NexTradeError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""


class LedgerError(NexTradeError):
    """The ledger refused a call as a whole; root of its reasons."""


class InsufficientFunds(LedgerError):
    """The account has less available, or less held, than the call would take."""


class AmountOverflow(LedgerError):
    """A balance would pass int64, or more would come in from outside than there is room for."""


class ReferenceReused(LedgerError):
    """The reference, or the id of the frame, belongs to a call with other details."""


class UnknownReference(LedgerError):
    """No hold was ever made under this reference."""


class HoldFinished(LedgerError):
    """The hold ended the other way: what was captured cannot be refunded, nor the reverse."""


class BadPostings(LedgerError):
    """Postings do not ascend by account and asset, or those of an asset do not add up to zero."""


class StaleEpoch(LedgerError):
    """A higher epoch was seen for this partition: another worker has taken it over; stop."""


class Gap(LedgerError):
    """The batch before this one has not been settled; settle the missing one first."""


class MissingAnswer(LedgerError):
    """A bucket has lost what it answered to a frame; take over anew, which makes it good."""


class UnknownBucket(LedgerError):
    """A bucket was never founded or its data is gone; nothing may be credited into the void."""


class WrongMap(LedgerError):
    """The ledger was founded, or its buckets moved, with another map than the one in use here."""


class WrongLibrary(LedgerError):
    """A Redis server has no function library, or that of another version."""


class AccessRefused(LedgerError):
    """A Redis server refuses our user or password, or one side the other's certificate."""


class LedgerUnavailable(LedgerError, ConnectionError):
    """A server did not answer. Whether the call took effect is unknown; it may be repeated."""


class BadFrame(NexTradeError, ValueError):
    """Bytes from a queue or a stream that are no frame, entry or message of a known version."""


class BusLost(NexTradeError, ConnectionError):
    """The connection to RabbitMQ broke, or a confirmation did not come; connect and send again."""


class BusRefused(NexTradeError, RuntimeError):
    """RabbitMQ refuses: a wrong login, no such queue, too long a message; mend that first."""


class EventsMissing(NexTradeError, LookupError):
    """A stream of events has a hole: what comes next is not what must come next."""


class StoreError(NexTradeError, RuntimeError):
    """A partition's book store cannot be used: damaged, of another version or founding, or lost."""


class StoreUnavailable(StoreError, ConnectionError):
    """The book store's server does not answer; the call may have taken effect: repeat it."""


class PartitionStopped(NexTradeError, RuntimeError):
    """Ledger and book store of a partition contradict each other; nothing more may run on it."""


class Rejected(NexTradeError):
    """A command was refused and changed nothing. ``reason`` is the code an event would carry."""

    reason: Reason = Reason.NONE


class UnknownCommand(Rejected):
    """The command's kind is not one of CommandKind."""

    reason = Reason.UNKNOWN_COMMAND


class UnknownOrderType(Rejected):
    """order_type is not one of OrderType."""

    reason = Reason.UNKNOWN_ORDER_TYPE


class UnknownSide(Rejected):
    """side is neither BUY nor SELL."""

    reason = Reason.UNKNOWN_SIDE


class UnknownTimeInForce(Rejected):
    """time_in_force is not one of TimeInForce."""

    reason = Reason.UNKNOWN_TIME_IN_FORCE


class UnknownPostOnly(Rejected):
    """post_only is not one of PostOnly."""

    reason = Reason.UNKNOWN_POST_ONLY


class UnknownSelfTrade(Rejected):
    """self_trade is not one of SelfTrade."""

    reason = Reason.UNKNOWN_SELF_TRADE


class UnknownState(Rejected):
    """state is not one of TradingState."""

    reason = Reason.UNKNOWN_STATE


class BadQuantity(Rejected):
    """qty_lots must be greater than zero."""

    reason = Reason.BAD_QUANTITY


class BadPrice(Rejected):
    """price_ticks must be greater than zero (a worst price may be zero: none)."""

    reason = Reason.BAD_PRICE


class BadTrigger(Rejected):
    """trigger_ticks must be greater than zero for a stop or take-profit order."""

    reason = Reason.BAD_TRIGGER


class BadDisplay(Rejected):
    """display_lots must not be negative, nor ask for more than 10,000 slices of the quantity."""

    reason = Reason.BAD_DISPLAY


class BadAmount(Rejected):
    """quote_amount must not be negative."""

    reason = Reason.BAD_AMOUNT


class BadExpiry(Rejected):
    """expire_ns of a GTD order must lie after the command's timestamp_ns."""

    reason = Reason.BAD_EXPIRY


class BadCombination(Rejected):
    """Two fields exclude each other; the matching rules list what goes with what."""

    reason = Reason.BAD_COMBINATION


class NotionalOverflow(Rejected):
    """price_ticks times qty_lots does not fit in a signed 64-bit integer."""

    reason = Reason.NOTIONAL_OVERFLOW


class Halted(Rejected):
    """The market is halted: only a change of state and expiry are taken."""

    reason = Reason.HALTED


class CancelOnly(Rejected):
    """The market takes only cancels and reductions at the moment."""

    reason = Reason.CANCEL_ONLY


class NotInAuction(Rejected):
    """This kind of order cannot take part in a call auction."""

    reason = Reason.NOT_IN_AUCTION


class OnlyInAuction(Rejected):
    """UNCROSS needs the AUCTION state."""

    reason = Reason.ONLY_IN_AUCTION


class DuplicateOrderId(Rejected):
    """An order with this id is already open."""

    reason = Reason.DUPLICATE_ORDER_ID


class UnknownOrder(Rejected):
    """No open order has this id: it was never there, or it was filled, canceled or expired."""

    reason = Reason.UNKNOWN_ORDER


class NotOwner(Rejected):
    """The order belongs to another owner than the command names."""

    reason = Reason.NOT_OWNER


class BookOverflow(Rejected):
    """The open quantity of one side would not fit in a signed 64-bit integer."""

    reason = Reason.BOOK_OVERFLOW


class OutOfMemory(Rejected):
    """There is no memory to hold one more order; the book is unchanged and goes on."""

    reason = Reason.OUT_OF_MEMORY


class PostOnlyWouldTrade(Rejected):
    """A post-only order would have taken, and could not be moved to where it would not."""

    reason = Reason.POST_ONLY_WOULD_TRADE


class BookCrossed(Rejected):
    """The book is crossed, so continuous trading cannot start: uncross it first."""

    reason = Reason.BOOK_CROSSED


REJECTED_BY_REASON: dict[Reason, type[Rejected]] = {
    cls.reason: cls for cls in Rejected.__subclasses__()
}
"""The exception class of each refusal code."""
