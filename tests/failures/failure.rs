//! The ways in which a call fails.

use std::time::Duration;

/// A way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused,
    HungHead,
    StalledBody,
    CutBody,
    GivenUpBody,
    Unavailable,
    UnavailableForAWhile,
    GrpcInHead,
    GrpcInTrailers,
    GrpcMissing,
    BreakerOpen,
    BulkheadFull,
    DeadlinePast,
}

impl Failure {
    pub(crate) const ALL: [Self; 13] = [
        Self::Refused,
        Self::HungHead,
        Self::StalledBody,
        Self::CutBody,
        Self::GivenUpBody,
        Self::Unavailable,
        Self::UnavailableForAWhile,
        Self::GrpcInHead,
        Self::GrpcInTrailers,
        Self::GrpcMissing,
        Self::BreakerOpen,
        Self::BulkheadFull,
        Self::DeadlinePast,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::HungHead => "no head comes",
            Self::StalledBody => "the body stalls",
            Self::CutBody => "the body is cut",
            Self::GivenUpBody => "the server gives the body up",
            Self::Unavailable => "503",
            Self::UnavailableForAWhile => "503, `Retry-After: 30`",
            Self::GrpcInHead => "`grpc-status: 14` in the head",
            Self::GrpcInTrailers => "`grpc-status: 14` in the trailers",
            Self::GrpcMissing => "no `grpc-status`",
            Self::BreakerOpen => "the breaker is open",
            Self::BulkheadFull => "the bulkhead is full",
            Self::DeadlinePast => "the deadline has passed",
        }
    }

    /// Whether it can only be said in gRPC.
    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::GrpcInHead | Self::GrpcInTrailers | Self::GrpcMissing)
    }

    /// How long a call may take: long, where it is not the time that ends it.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::HungHead => Duration::from_millis(300),
            // In which the head has to come.
            Self::StalledBody => Duration::from_secs(3),
            _ => Duration::from_secs(30),
        }
    }
}
