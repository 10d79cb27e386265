"""Errors of the pure core. All are the caller's fault: a value that does not mean anything here."""


class GovernanceError(ValueError):
    """A value that consent, policy or the record model cannot accept; the message names it and the way out."""


class TermsError(GovernanceError):
    """Terms, audiences or purposes that are not of the design's form."""


class RecordError(GovernanceError):
    """A record, field or kind that does not fit its schema."""


class PolicyError(GovernanceError):
    """A policy text that cannot be put in force."""


class AgreementError(GovernanceError):
    """An agreement or a step of it that is not allowed from the state it is in."""


class ProposalError(GovernanceError):
    """A step that a proposal cannot take in its state."""
