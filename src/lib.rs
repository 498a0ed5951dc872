//! JustPing.
