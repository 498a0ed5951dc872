/// Why a store did not do it, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such row in this business.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It would break a uniqueness rule.
    #[error("{0} already exists")]
    Conflict(&'static str),
    /// Somebody changed it first: read it again.
    #[error("{0} has changed meanwhile")]
    Stale(&'static str),
    /// The request makes no sense, such as a cursor of another list.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// The store cannot be reached or is busy: try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

/// What stores return.
pub type StoreResult<T> = Result<T, StoreError>;
