//! Dialogs of the Bot Framework with their scripts, played by our interpreter where the conformance
//! folder is there: a score, with the reasons for what is not played.
//!
//! `adapt` dialogs as documents · `expression` their expressions · `score` plays the scripts.

mod adapt;
mod expression;
mod score;
